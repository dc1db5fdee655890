# SPDX-License-Identifier: Apache-2.0
# Sourced by `inside`: who owns which socket, when it is there, and what a connection starts.

# UNIT PATH OWNER:GROUP MODE NAME
socket_is() {
    is "$1" active || fail "$1 is $(property "$1" ActiveState)"
    same "owner and mode of $2" "$3 $4" "$(stat -c '%U:%G %a' "$2")"
    same "FileDescriptorName of $1" "$5" "$(property "$1" FileDescriptorName)"
    finds -xF "$2 (Stream)" <<<"$(property "$1" Listen)" || fail "$1 does not listen on $2"
}
agent_sockets_have_owner_mode_and_name() {
    socket_is postbearer-agent.socket /run/postbearer/agent.sock root:root 666 agent
    socket_is postbearer-agent-admin.socket /run/postbearer/admin.sock root:root 660 admin
    same "/run/postbearer" "root:root 755" "$(stat -c '%U:%G %a' /run/postbearer)"
}
postfix_sockets_have_owner_mode_and_name() {
    socket_is postbearer-agent-chroot.socket "$jail_sockets/agent.sock" root:postfix 660 agent-chroot
    socket_is postbearer-milter.socket "$jail_sockets/milter.sock" root:postfix 660 milter
    socket_is postbearer-milter-graph.socket "$jail_sockets/graph.sock" root:postfix 660 graph
    same "$jail_sockets" "root:root 755" "$(stat -c '%U:%G %a' "$jail_sockets")"
}
# Each socket has the name that the daemon knows, or it would say that it ignores it.
daemons_know_every_socket() {
    local mark unit
    mark=$(journal_mark)
    systemctl restart "${units[@]}"
    serves
    hears "$mark" postbearer-agent.service 'event=started .* sockets=3'
    hears "$mark" postbearer-milter.service 'event=started '
    for unit in "${units[@]}"; do
        is_unsaid "$unit ignores a socket" "$mark" "$unit.service" 'event=socket_(ignored|skipped)'
    done
}
without_postfix_there_is_no_jail_and_no_failed_unit() {
    [ ! -e "$jail" ] || fail "$jail is there"
    same "failed units" "" "$(systemctl list-units --failed --plain --no-legend 'postbearer*')"
    is postbearer-agent.service active
}
# As smtpd(8) asks; it is systemd that takes the connection, and nobody who answers.
policy_request() {
    python3 - "$jail_sockets/policy.sock" <<'END'
import socket, sys
with socket.socket(socket.AF_UNIX) as link:
    link.settimeout(2)
    link.connect(sys.argv[1])
    link.sendall(b"request=smtpd_access_policy\nprotocol_state=RCPT\n\n")
    print(link.recv(4096))
END
}
the_policy_socket_is_off_until_it_is_enabled() {
    local mark
    same "policy socket" disabled "$(systemctl is-enabled postbearer-agent-policy.socket || true)"
    systemctl restart postbearer-agent.service
    serves
    [ ! -e "$jail_sockets/policy.sock" ] || fail "a start of the agent brought policy.sock"
    systemctl stop postbearer-agent.service
    systemctl enable -q --now postbearer-agent-policy.socket
    socket_is postbearer-agent-policy.socket "$jail_sockets/policy.sock" root:postfix 660 policy
    mark=$(journal_mark)
    systemctl start postbearer-agent.service
    serves
    # Handed over by its name: this version has no policy service, and says so.
    hears "$mark" postbearer-agent.service 'event=socket_ignored .*policy'
    policy_request >"$work/answer" 2>&1 || true
    is_unsaid "a policy request ends the agent" "$mark" postbearer-agent.service 'event=stopp|code=exited'
    serves
    systemctl disable -q --now postbearer-agent-policy.socket
    [ ! -e "$jail_sockets/policy.sock" ] || fail "policy.sock stays when its socket is off"
}
a_connection_starts_the_agent() {
    systemctl stop postbearer-agent.service
    is postbearer-agent.service inactive || fail "the agent did not stop"
    is postbearer-agent.socket active || fail "the socket went with the agent"
    has_token first@contoso.test
    is postbearer-agent.service active
}
# Any of its sockets does, and the others are served then, too.
a_connection_to_the_admin_socket_starts_the_agent() {
    systemctl stop postbearer-agent.service
    postbearer status >/dev/null
    is postbearer-agent.service active
    serves
}
a_connection_starts_the_milter() {
    systemctl stop postbearer-milter.service
    is postbearer-milter.service inactive || fail "the milter did not stop"
    lmtp_greets || fail "no LMTP greeting from graph.sock"
    is postbearer-milter.service active
}
the_agent_brings_its_sockets() {
    systemctl stop postbearer-agent.service postbearer-agent.socket postbearer-agent-admin.socket \
        postbearer-agent-chroot.socket
    systemctl start postbearer-agent.service
    agent_sockets_have_owner_mode_and_name
    [ ! -d "$jail/pid" ] || postfix_sockets_have_owner_mode_and_name
    serves
}
sockets_first_and_then_the_agent() {
    systemctl stop postbearer-agent.service postbearer-agent.socket postbearer-agent-admin.socket
    systemctl start postbearer-agent.socket postbearer-agent-admin.socket
    is postbearer-agent.service inactive
    systemctl start postbearer-agent.service
    serves
    postbearer status >/dev/null
}
stopped_sockets_leave_no_file() {
    local each
    systemctl stop 'postbearer-*'
    for each in /run/postbearer/agent.sock /run/postbearer/admin.sock "$jail_sockets"/*.sock; do
        [ ! -e "$each" ] || fail "$each is still there"
    done
}
state_directories_belong_to_their_daemons_alone() {
    same /var/lib/postbearer "_postbearer:_postbearer 700" "$(stat -c '%U:%G %a' /var/lib/postbearer)"
    [ ! -d "$jail/pid" ] ||
        same /var/lib/postbearer-milter "_postbearer-milter:_postbearer-milter 700" \
            "$(stat -c '%U:%G %a' /var/lib/postbearer-milter)"
    same /etc/postbearer/credentials "root:root 700" "$(stat -c '%U:%G %a' /etc/postbearer/credentials)"
}
