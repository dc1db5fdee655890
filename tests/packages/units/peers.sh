# SPDX-License-Identifier: Apache-2.0
# Sourced by `inside`: the agent knows who asks by the kernel's word, its sandbox notwithstanding.

as() { # USER COMMAND...
    setpriv --reuid="$1" --regid="$(id -g "$1")" --clear-groups "${@:2}"
}
ask_as() { # USER ACCOUNT
    as "$1" "$proof/units/ask" "$agent_socket" request=token "account=$2" resource=smtp
}
is_denied() { # USER ACCOUNT
    local answer
    answer=$(ask_as "$1" "$2") || true
    grep -qx class=denied <<<"$answer" || fail "$1 is not denied $2: $answer"
}
a_hand_out_names_the_user_who_asked() {
    local mark
    mark=$(journal_mark)
    ask_as asker asker@contoso.test >/dev/null
    hears "$mark" postbearer-agent.service \
        "event=token_handed_out uid=$(id -u asker) pid=[0-9]+ account=asker@contoso.test"
}
others_are_refused_by_their_uid() {
    local mark
    mark=$(journal_mark)
    is_denied nobody asker@contoso.test
    hears "$mark" postbearer-agent.service "event=token_denied uid=$(id -u nobody) "
    is_denied asker other@contoso.test
    is_denied _postbearer-milter asker@contoso.test # its rule is for Graph
}
the_admin_socket_is_for_root() {
    postbearer status >/dev/null
    refused "asker at the admin socket" "Permission denied" as asker postbearer status
}
