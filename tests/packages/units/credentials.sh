# SPDX-License-Identifier: Apache-2.0
# Sourced by `inside`: the secrets of a provider, and the master key that seals the store.

a_new_secret_takes_a_file_and_a_restart() {
    postbearer refresh relay@contoso.test
    add_app "$new_secret"
    refused "the old secret" AADSTS7000215 postbearer refresh relay@contoso.test
    write_secret "$new_secret"
    systemctl restart postbearer-agent.service
    postbearer refresh relay@contoso.test
}
# As postbearer-agent(8) says it.
encrypt_secret() { # NAME
    printf '%s' "$sealed_secret" | systemd-creds encrypt --name="postbearer-encrypted_$1" - \
        "/etc/postbearer/credentials.encrypted/$1" 2>/dev/null
}
an_encrypted_secret_works() {
    local file=/etc/postbearer/credentials.encrypted/contoso-sealed
    add_app "$sealed_secret"
    encrypt_secret contoso-sealed
    rm /etc/postbearer/credentials/contoso-secret
    sed -i 's/credential:contoso-secret/credential:contoso-sealed/' /etc/postbearer/agent.toml
    absent "the secret in clear in $file" -F "$sealed_secret" "$file"
    systemctl restart postbearer-agent.service
    postbearer refresh relay@contoso.test
}
# Who encrypts a secret and forgets the file in clear has not kept the old one in force.
an_encrypted_secret_wins_over_one_in_clear() {
    encrypt_secret contoso-secret
    systemctl restart postbearer-agent.service
    refused "the secret in clear" AADSTS7000215 postbearer refresh relay@contoso.test
    add_app "$sealed_secret"
    postbearer refresh relay@contoso.test
}

# Wherever the package could put it: sealed to this machine, or readable by root alone.
master_key_files() {
    find /etc/credstore /etc/credstore.encrypted -name postbearer-master-key 2>/dev/null || true
}
master_key() {
    local file
    file=$(master_key_files)
    case $file in
        */credstore.encrypted/*) systemd-creds decrypt --name=postbearer-master-key "$file" - ;;
        *) cat "$file" ;;
    esac
}
the_master_key_is_there_and_roots_alone() {
    local file
    file=$(master_key_files)
    same "number of master keys" 1 "$(wc -w <<<"$file")"
    same "$file" "root:root 600" "$(stat -c '%U:%G %a' "$file")"
    same "bytes of the key" 32 "$(master_key | wc -c)"
}
a_login_is_sealed_and_outlives_a_restart() {
    log_alice_in
    has_token alice@contoso.test
    systemctl restart postbearer-agent.service
    postbearer refresh alice@contoso.test
    [ -s "$work/refresh-tokens" ]
    absent "an empty line among the refresh tokens" '^$' "$work/refresh-tokens"
    absent "a refresh token in clear in the store" -rFf "$work/refresh-tokens" /var/lib/postbearer
    absent "a name in clear in the store" -ri alice@contoso.test /var/lib/postbearer
    [ -s /var/lib/postbearer/tokens.db ]
    same "files of the store that others may read" "" \
        "$(find /var/lib/postbearer -type f \( -not -user _postbearer -o -perm /077 \))"
}
a_reinstallation_keeps_key_and_logins() {
    local before
    before=$(master_key | sha256sum)
    log_alice_in
    install_our_packages --reinstall
    same "the master key" "$before" "$(master_key | sha256sum)"
    serves
    postbearer refresh alice@contoso.test
    has_token app@contoso.test
}
