# SPDX-License-Identifier: Apache-2.0
# The machine under test, set up as README.Debian tells its admin. Needs common.sh.

readonly mailbox=relay@contoso.test
readonly microsoft="login.microsoftonline.com smtp.office365.com graph.microsoft.com"

need_systemd() {
    [ -d /run/systemd/system ] || fail "systemd is not PID 1 here; these are tests of its units"
    log_cursor=$(journalctl -n 0 --show-cursor | sed -n 's/^-- cursor: //p')
}

# expect_active UNIT...: each of them; systemctl itself is content with one.
expect_active() {
    local unit
    for unit; do
        systemctl is-active --quiet "$unit" || fail "$unit is $(systemctl is-active "$unit")"
    done
    echo "active: $*"
}

# What all programs have logged since need_systemd. A process has just ended: sync first.
log_lines() {
    journalctl --sync 2>/dev/null || true
    journalctl --no-pager -o short-iso --after-cursor "$log_cursor"
}

# All of it is read: a grep that leaves early kills journalctl, and pipefail takes that for "no".
log_has() { log_lines | grep -E -- "$1" >/dev/null; }

wait_for_log() { wait_until 30 "the log to say $1" log_has "$1"; }

# keep PATH...: as it is now, for the end of the suite.
keep() {
    local path
    for path; do
        mkdir -p "$work/kept$(dirname "$path")"
        if [ -e "$path" ]; then
            cp -a -T "$path" "$work/kept$path"
        fi
        undo_later put_back "$path"
    done
}

put_back() {
    if [ ! -e "$work/kept$1" ] || [ -d "$work/kept$1" ]; then
        rm -rf "$1"
    fi
    if [ -e "$work/kept$1" ]; then
        cp -a -T "$work/kept$1" "$1"
    fi
}

# trust CA-FILE: Microsoft's names mean this machine, and certificates of that CA count.
trust() {
    keep /etc/hosts
    printf '127.0.0.1 localhost\n127.0.0.1 %s\n' "$microsoft" >>/etc/hosts
    undo_later forget_ca
    install -D -m 644 "$1" /usr/local/share/ca-certificates/rehearsal.crt
    update-ca-certificates >/dev/null 2>&1 || fail "update-ca-certificates failed"
}

forget_ca() {
    rm -f /usr/local/share/ca-certificates/rehearsal.crt
    update-ca-certificates --fresh >/dev/null 2>&1
}

# write_secret VALUE: the one credential file.
write_secret() {
    (umask 077 && printf '%s' "$1" >/etc/postbearer/credentials/contoso-secret)
}

# extend_agent_toml [USER...]: below what the package brings, which lets Postfix have tokens for
# SMTP; who else may.
extend_agent_toml() {
    local user
    cat >>/etc/postbearer/agent.toml <<'END'

[provider.contoso]
type          = "microsoft"
tenant        = "contoso.test"
client_id     = "11111111-2222-3333-4444-555555555555"
client_secret = "credential:contoso-secret"

[[account]]
match    = "@contoso.test"
provider = "contoso"
grant    = "client_credentials"
END
    for user; do
        printf '\n[[access]]\nuser = "%s"\naccounts = ["*"]\nresources = ["smtp"]\n' "$user"
    done >>/etc/postbearer/agent.toml
}

# Credentials are copied when the service starts, so a new one needs a restart.
restart_agent() {
    systemctl restart postbearer-agent.service || fail "the agent does not start"
}

readonly services=(postbearer-agent.service postbearer-milter.service)

stop_services() { systemctl stop "${services[@]}" >/dev/null 2>&1; }

# As they were when the suite began.
settle_services() {
    systemctl reset-failed "${services[@]}" 2>/dev/null
    [ -z "$1" ] || systemctl start $1
}

# A token that is still good outlives a restart, and one of an earlier suite means nothing to this
# far end.
forget_tokens() {
    systemctl stop postbearer-agent.service 2>/dev/null # its sockets can start it, it says
    rm -f /var/lib/postbearer/tokens.db*
}

# README.Debian, steps 2 and 3.
configure_agent() {
    undo_later settle_services "$(systemctl list-units --plain --no-legend --state=active \
        "${services[@]}" | cut -d ' ' -f 1 | tr '\n' ' ')"
    keep /etc/postbearer /var/lib/postbearer
    undo_later stop_services
    forget_tokens
    set_up_agent "$@"
}

set_up_agent() {
    write_secret "$app_secret"
    restart_agent
    extend_agent_toml "$@"
    postbearer check-config
    postbearer reload
}

postfix_answers() { postfix status >/dev/null 2>&1 && [ -S /var/spool/postfix/public/qmgr ]; }

restart_postfix() {
    systemctl restart postfix.service || fail "Postfix does not start"
    wait_until 30 "Postfix to run" postfix_answers
}

keep_postfix() {
    undo_later systemctl restart postfix.service
    keep /etc/postfix
    undo_later postsuper -d ALL
}

# A loopback-only machine without DNS; nothing here is about Postbearer.
configure_postfix_for_testbed() {
    postconf -e inet_protocols=ipv4 inet_interfaces=loopback-only mydestination=localhost \
        myhostname=client.lab.test myorigin=client.lab.test smtp_host_lookup=native \
        alias_maps= alias_database=
}

# README.Debian, step 4.
configure_postfix_for_smtp() {
    postconf -e 'relayhost = [smtp.office365.com]:587' \
        'smtp_sasl_auth_enable = yes' \
        "smtp_sasl_password_maps = static:$mailbox" \
        'smtp_sasl_mechanism_filter = xoauth2' \
        'smtp_tls_security_level = secure' \
        'smtp_tls_CAfile = /etc/ssl/certs/ca-certificates.crt' \
        'smtp_sasl_tls_verified_security_options = noanonymous' \
        'smtp_destination_concurrency_failed_cohort_limit = 0'
}

# send SUBJECT RECIPIENT...: the first one stands in To, the others are known to the envelope only.
send() {
    local subject=$1
    shift
    sendmail -i -f "$mailbox" -- "$@" <<END
From: $mailbox
To: $1
Subject: $subject

Sent by the tests of the package.
END
}

mail_queue() { postqueue -j; }

queue_empty() { [ -z "$(mail_queue)" ]; }

# No secret and no token stands in a log: a JWT begins with eyJ.
check_logs_keep_secrets() {
    local lines
    lines=$(log_lines)
    if grep -qF -e "$app_secret" <<<"$lines"; then
        fail "the app's secret stands in the journal"
    fi
    if grep -qE 'eyJ[A-Za-z0-9_-]{16}' <<<"$lines"; then
        fail "a token stands in the journal"
    fi
}

host_diagnose() {
    local unit
    for unit in postbearer-agent.service postbearer-milter.service; do
        printf -- '---- systemctl status %s\n' "$unit"
        systemctl --no-pager --full -n 0 status "$unit" || true
    done
    printf -- '---- sockets\n'
    systemctl --no-pager list-units --all 'postbearer*' || true
    ls -la /run/postbearer /var/spool/postfix/run/postbearer || true
    printf -- '---- journal\n'
    log_lines | tail -n 150
    if command -v postqueue >/dev/null; then
        printf -- '---- mailq\n'
        postqueue -p || true
    fi
}
