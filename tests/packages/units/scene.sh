# SPDX-License-Identifier: Apache-2.0
# Sourced by `inside`: what the cases have around them. The rehearsal stands for Microsoft 365 under
# its names (debian/tests/lib), Postfix is the machine's own.

agent_socket=/run/postbearer/agent.sock
jail=/var/spool/postfix
jail_sockets=$jail/run/postbearer
units=(postbearer-agent postbearer-milter)
running_units=postbearer-agent # and the milter, once Postfix is there
# Secrets that must never be found in a log or a process list, beside app_secret; secrecy.sh looks.
new_secret=CANARY-new-secret-b7e2
sealed_secret=CANARY-sealed-secret-903d

add_app() { # SECRET: the only one that the provider takes from now on
    far_call /clients/11111111-2222-3333-4444-555555555555 -X PUT -d '{"tenant":"contoso.test",
        "roles":["SMTP.SendAsApp","Mail.Send"],"mailboxes":["*@contoso.test"],
        "secrets":[{"value":"'"$1"'"}]}' >/dev/null
}
add_desktop() { # the app that users log in with; each of its refresh tokens is good once
    far_call /clients/desktop -X PUT -d '{"tenant":"contoso.test","public":true,
        "rotation":"strict","mailboxes":["*@contoso.test"]}' >/dev/null
}
behave() { far_call /behaviour -d "$1" >/dev/null; }

put_configuration() {
    write_secret "$app_secret"
    cp "$work/packaged/agent.toml" /etc/postbearer/agent.toml
    extend_agent_toml
    cat >>/etc/postbearer/agent.toml <<'END'
[provider.users]
type = "microsoft"
tenant = "contoso.test"
client_id = "desktop"
[[account]]
match = "alice@contoso.test"
provider = "users"
grant = "delegated"
[[access]]
uid = 0
accounts = ["*"]
resources = ["smtp", "graph"]
[[access]]
user = "asker"
accounts = ["asker@contoso.test"]
resources = ["smtp"]
END
    cat >/etc/postbearer/milter.toml <<'END'
[milter]
local_domains = ["client.lab.test"]
[[route]]
name = "contoso"
sender = ["graph@contoso.test"]
END
}

# Before each case: that configuration, everything up, no misbehaviour, no drop-in, no mail.
settle() {
    local milter_is_fresh=
    # libmilter takes some seconds to stop.
    if cmp -s /etc/postbearer/milter.toml "$work/milter.toml" &&
        [ -z "$(ls /run/systemd/system/postbearer-milter.service.d 2>/dev/null)" ] &&
        is postbearer-milter.service active; then
        milter_is_fresh=yes
    fi
    put_configuration
    cp /etc/postbearer/milter.toml "$work/milter.toml"
    far_call /behaviour -X DELETE >/dev/null
    add_app "$app_secret"
    rm -rf /run/systemd/system/postbearer-*.d /etc/postbearer/agent.d/many.toml
    systemctl daemon-reload
    systemctl reset-failed 'postbearer*' >/dev/null 2>&1 || true
    systemctl restart postbearer-agent.service
    if [ -d "$jail/pid" ]; then
        [ -n "$milter_is_fresh" ] || systemctl restart postbearer-milter.service
        postsuper -d ALL >/dev/null 2>&1
    fi
    serves
}
drop_in() { # UNIT LINE...: until the next case
    local file=/run/systemd/system/$1.d/proof.conf
    mkdir -p "${file%/*}"
    printf '%s\n' '[Service]' "${@:2}" >"$file"
    systemctl daemon-reload
}

ask() { "$proof/units/ask" "$agent_socket" "$@"; }
serves() { ask request=ping >/dev/null; }
token() { # ACCOUNT: the answer
    ask request=token "account=$1" resource=smtp wait_ms=20000
}
has_token() { # ACCOUNT
    local answer
    answer=$(token "$1") || fail "no token for $1: $(sed -n 's/^message=//p' <<<"$answer")"
}
lmtp_greets() { "$proof/units/ask" --greeting "$jail_sockets/graph.sock" | grep -q '^220 '; }

# A login made elsewhere, whose refresh token is put in over the admin socket.
log_alice_in() {
    local refresh
    refresh=$(far_call /mint_refresh -d '{"client_id":"desktop","user":"alice@contoso.test",
        "scope":"https://outlook.office.com/SMTP.Send offline_access","tenant":"contoso.test"}' |
        python3 -c 'import json, sys; print(json.load(sys.stdin)["refresh_token"])')
    echo "$refresh" >>"$work/refresh-tokens"
    "$proof/units/ask" /run/postbearer/admin.sock request=import_login 'json={"account":
        "alice@contoso.test","user":"alice@contoso.test","refresh_token":"'"$refresh"'"}' >/dev/null
}

# --- mail ----------------------------------------------------------------------------------------

set_up_postfix() {
    configure_postfix_for_testbed
    configure_postfix_for_smtp
    configure_postfix_for_graph
    restart_postfix
}
chroot_postfix() { # y|n
    postconf -F "smtp/unix/chroot=$1" "graph/unix/chroot=$1"
    postfix reload 2>/dev/null
}
mail_from() { # SENDER SUBJECT
    sendmail -i -f "$1" alice@example.test <<END
From: $1
To: alice@example.test
Subject: $2

Sent by the proof of the units.
END
}
graph_count() { # SUBJECT
    far_call "/graph/messages?subject=$1" |
        python3 -c 'import json, sys; print(len(json.load(sys.stdin)))'
}
graph_has() { [ "$(graph_count "$1")" -ge 1 ]; }
is_delivered_once() { # SUBJECT
    wait_until 60 "'$1' in the mailbox" far_mail_has alice@example.test "$1"
    wait_until 30 "an empty queue" queue_empty
    same "copies of '$1'" 1 "$(far_mail_count alice@example.test "$1")"
}
is_in_graph_once() { # SUBJECT
    wait_until 60 "'$1' at Graph" graph_has "$1"
    wait_until 30 "an empty queue" queue_empty
    same "copies of '$1'" 1 "$(graph_count "$1")"
}
