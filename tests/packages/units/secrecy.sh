# SPDX-License-Identifier: Apache-2.0
# Sourced by `inside`, last: no secret and no token of the cases before stands in the journal of all
# of them, nor on a command line, in an environment or in a unit as they are at the end.

# One a line: what the cases used, what the rehearsal minted, and the master key.
write_secrets() {
    printf '%s\n' "$app_secret" "$new_secret" "$sealed_secret"
    cat "$work/refresh-tokens"
    far_call /tokens |
        python3 -c 'import json, sys; [print(each["token"]) for each in json.load(sys.stdin)]'
    master_key | base64 -w 0
    echo
    master_key | od -A n -t x1 | tr -d ' \n'
    echo
}
# WHERE PATTERN: each place has what shows that it was looked into.
looked_into() { finds -- "$2" "$work/words/$1" || fail "there is no $2 in what was found in $1"; }

logs_and_process_list_hold_no_secret() {
    local where
    postbearer refresh relay@contoso.test
    write_secrets >"$work/secrets"
    absent "an empty line among the secrets" '^$' "$work/secrets"
    finds '^eyJ' "$work/secrets" || fail "there is no access token to look for"
    finds -xE '[0-9a-f]{64}' "$work/secrets" || fail "there is no master key to look for"
    mkdir "$work/words"
    log_lines >"$work/words/journal"
    ps axww -o args >"$work/words/ps"
    # Processes come and go.
    { cat /proc/[0-9]*/environ 2>/dev/null || true; } | tr '\0' '\n' >"$work/words/environments"
    systemctl show 'postbearer*' >"$work/words/units"
    looked_into journal event=token_handed_out
    looked_into ps postbearer-agent
    looked_into environments ^CREDENTIALS_DIRECTORY=/run/credentials/postbearer-agent.service
    looked_into units ^Id=postbearer-agent.service
    for where in journal ps environments units; do
        absent "a secret in $where" -aFf "$work/secrets" "$work/words/$where"
        absent "a token in $where" -aE 'eyJ[A-Za-z0-9_-]{16}' "$work/words/$where"
    done
}
