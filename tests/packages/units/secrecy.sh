# SPDX-License-Identifier: Apache-2.0
# Sourced by `inside`, last: no secret and no token of all the cases before stands in a log, on a
# command line or in an environment.

# One a line: what the cases used, what the rehearsal minted, and the master key.
write_secrets() {
    printf '%s\n' "$app_secret" "$new_secret" "$sealed_secret"
    cat "$work/refresh-tokens"
    far_call /tokens |
        python3 -c 'import json, sys; [print(each["token"]) for each in json.load(sys.stdin)]'
    master_key | base64 -w 0
    echo
}
logs_and_process_list_hold_no_secret() {
    local where
    postbearer refresh relay@contoso.test
    write_secrets >"$work/secrets"
    refused "an empty line among the secrets" grep -q '^$' "$work/secrets"
    grep -q '^eyJ' "$work/secrets" || fail "there is no access token to look for"
    mkdir "$work/words"
    log_lines >"$work/words/journal"
    ps axww -o args >"$work/words/ps"
    { cat /proc/[0-9]*/environ 2>/dev/null || true; } | tr '\0' '\n' >"$work/words/environments"
    systemctl show 'postbearer*' >"$work/words/units"
    grep -q event=token_handed_out "$work/words/journal" || fail "that is not the cases' journal"
    grep -q postbearer-agent "$work/words/ps" || fail "the agent is not among the processes"
    for where in journal ps environments units; do
        refused "a secret in $where" grep -qFf "$work/secrets" "$work/words/$where"
    done
}
