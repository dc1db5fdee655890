# SPDX-License-Identifier: Apache-2.0
# The far end: the rehearsal, which is Entra, Graph and the judge of XOAUTH2 under Microsoft's names
# on 127.0.0.1:443, and a Postfix of its own as smtp.office365.com:587. Needs common.sh.
# far_enter may name a command that everything here is started with, such as nsenter(1) into the
# network of a container: then the machine under test has nothing of the far end in its files.

far_enter=()
far_pid=
readonly far_mail_uid=5000 # virtual(8) needs a number, no account

# A binary that was given, or one built from the source tree the suite stands in.
find_rehearsal() {
    local build=$work/build
    rehearsal=${POSTBEARER_REHEARSAL:-$build/tests/rehearsal/postbearer-rehearsal}
    if [ -z "${POSTBEARER_REHEARSAL:-}" ]; then
        step "building the rehearsal in $build"
        { meson setup "$build" -Dbuildtype=release -Dman=disabled &&
            ninja -C "$build" tests/rehearsal/postbearer-rehearsal; } >"$work/build.log" 2>&1 ||
            { tail -n 40 "$work/build.log"; fail "the rehearsal cannot be built"; }
    fi
    [ -x "$rehearsal" ] || fail "there is no rehearsal: $rehearsal"
}

far_stop_rehearsal() {
    [ -n "$far_pid" ] || return 0
    kill "$far_pid" 2>/dev/null || true
    wait "$far_pid" 2>/dev/null || true
    far_pid=
}

far_ready() {
    kill -0 "$far_pid" 2>/dev/null || fail "the rehearsal has ended: $(cat "$far/rehearsal.log")"
    [ -e "$far/rehearsal/ready.json" ]
}

# far_start_rehearsal [OWNER of the auth socket]
far_start_rehearsal() {
    find_rehearsal
    far=$work/far
    mkdir -p "$far"
    "${far_enter[@]}" "$rehearsal" --directory "$far/rehearsal" --port 443 \
        --auth-socket "$far/auth.sock" ${1:+--auth-socket-owner "$1"} \
        </dev/null >"$far/rehearsal.log" 2>&1 &
    far_pid=$!
    undo_later far_stop_rehearsal
    wait_until 30 "the rehearsal to be ready" far_ready
}

# far_call PATH [curl options]: its control API, an answer in JSON.
far_call() {
    curl -sS --fail-with-body --unix-socket "$far/rehearsal/control.sock" "http://rehearsal$1" \
        "${@:2}" || fail "the rehearsal did not take $*"
}

# far_app ROLE SECRET: the app registration of the tests, as in agent_toml.
far_app() {
    far_call "/clients/11111111-2222-3333-4444-555555555555" -X PUT -d '{
        "tenant": "contoso.test", "roles": ["'"$1"'"], "mailboxes": ["*@contoso.test"],
        "secrets": [{"value": "'"$2"'"}]}' >/dev/null
}

far_counter() {
    far_call /counters | python3 -c 'import json, sys; print(json.load(sys.stdin)[sys.argv[1]])' "$1"
}

far_counter_reaches() { [ "$(far_counter "$1")" -ge "$2" ]; }

# By its pid, not by postfix(1): the network that it was started in may be gone by now.
far_stop_relay() {
    local pid deadline=$((SECONDS + 30))
    [ -e "$far/spool/pid/master.pid" ] || return 0
    pid=$(tr -d ' ' <"$far/spool/pid/master.pid")
    far_master_runs "$pid" || return 0
    kill "$pid"
    while far_master_runs "$pid"; do
        [ "$SECONDS" -lt "$deadline" ] || { echo "the submission server does not stop"; return 1; }
        sleep "$poll_pause"
    done
}
far_master_runs() { [ "$(readlink "/proc/$1/cwd" 2>/dev/null)" = "$far/spool" ]; }

far_write_relay() {
    mkdir -p "$far"/{etc,spool,log,mail}
    install -d -m 700 -o postfix "$far/data"
    chown "$far_mail_uid:$far_mail_uid" "$far/mail"
    cat >"$far/etc/main.cf" <<END
compatibility_level = 3.6
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
shlib_directory = /usr/lib/postfix
meta_directory = /etc/postfix
queue_directory = $far/spool
data_directory = $far/data
maillog_file = $far/log/mail.log
maillog_file_prefixes = $far
myhostname = smtp.office365.test
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mydestination =
local_recipient_maps =
alias_maps =
smtp_dns_support_level = disabled
virtual_mailbox_domains = static:any
virtual_mailbox_base = $far/mail
virtual_mailbox_maps = static:all/
virtual_uid_maps = static:$far_mail_uid
virtual_gid_maps = static:$far_mail_uid
smtpd_relay_restrictions = permit_sasl_authenticated, reject
smtpd_recipient_restrictions = permit_sasl_authenticated, reject
smtpd_tls_security_level = may
smtpd_tls_chain_files = $far/rehearsal/server.key, $far/rehearsal/server.pem
smtpd_tls_auth_only = yes
smtpd_sasl_auth_enable = yes
smtpd_sasl_type = dovecot
smtpd_sasl_path = $far/auth.sock
smtpd_sasl_security_options = noanonymous
END
    cat >"$far/etc/master.cf" <<'END'
127.0.0.1:587 inet n - n - - smtpd
pickup    unix  n - n 60    1 pickup
cleanup   unix  n - n -     0 cleanup
qmgr      unix  n - n 300   1 qmgr
tlsmgr    unix  - - n 1000? 1 tlsmgr
rewrite   unix  - - n -     - trivial-rewrite
bounce    unix  - - n -     0 bounce
defer     unix  - - n -     0 bounce
trace     unix  - - n -     0 bounce
verify    unix  - - n -     1 verify
proxymap  unix  - - n -     - proxymap
smtp      unix  - - n -     - smtp
showq     unix  n - n -     - showq
error     unix  - - n -     - error
retry     unix  - - n -     - error
virtual   unix  - n n -     - virtual
anvil     unix  - - n -     1 anvil
scache    unix  - - n -     1 scache
postlog   unix-dgram n - n - 1 postlogd
END
}

far_start_relay() {
    far_write_relay
    undo_later far_stop_relay
    "${far_enter[@]}" postfix -c "$far/etc" start >"$far/log/start" 2>&1 ||
        fail "the submission server did not start: $(cat "$far/log/start")"
    wait_until 30 "the submission server to listen" test -S "$far/spool/public/qmgr"
}

# far_mail_count RECIPIENT SUBJECT: copies in the recipient's mailbox.
far_mail_count() {
    local file count=0
    for file in "$far"/mail/all/new/*; do
        [ -e "$file" ] || continue
        if grep -qxF "Delivered-To: $1" "$file" && grep -qxF "Subject: $2" "$file"; then
            count=$((count + 1))
        fi
    done
    echo "$count"
}

far_mail_total() { find "$far/mail" -path '*/new/*' -type f | wc -l; }

far_mail_has() { [ "$(far_mail_count "$1" "$2")" -ge 1 ]; }

far_queue_empty() { [ -z "$("${far_enter[@]}" postqueue -c "$far/etc" -j)" ]; }

# far_graph_deliveries: lines "COUNT RECIPIENT", sorted, of all that Graph has delivered.
far_graph_deliveries() {
    far_call /graph/deliveries | python3 -c '
import json, sys
for line in sorted("%d %s" % (each["count"], each["recipient"]) for each in json.load(sys.stdin)):
    print(line)'
}

far_diagnose() {
    show_file "$far/rehearsal.log"
    show_file "$far/log/mail.log"
    printf -- '---- what the judge of XOAUTH2 saw\n'
    [ -z "$far_pid" ] || (far_call /auth) || true
}
