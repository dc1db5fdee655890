# SPDX-License-Identifier: Apache-2.0
# Sourced by `inside`: reloads, mistakes in the configuration, and stops at an awkward moment.

agent_toml=/etc/postbearer/agent.toml
milter_toml=/etc/postbearer/milter.toml
make_a_mistake() { echo 'colour = "red"' >>"$1"; }
last_line() { wc -l <"$1"; }
status_says() { finds "$2" <<<"$(property "$1.service" StatusText)"; }

reload_takes_the_new_configuration_and_keeps_the_pid() {
    local before mark
    before=$(main_pid postbearer-agent)
    refused "an account that nobody knows" class=unknown_account token someone@fabrikam.test
    cat >>"$agent_toml" <<'END'
[[account]]
match = "@fabrikam.test"
provider = "contoso"
grant = "client_credentials"
END
    mark=$(journal_mark)
    systemctl reload postbearer-agent
    hears "$mark" postbearer-agent.service 'event=reloaded accounts=3'
    has_token someone@fabrikam.test
    same "pid" "$before" "$(main_pid postbearer-agent)"
    wait_until 5 "the reload to end" is postbearer-agent.service active
}
a_bad_configuration_is_named_and_the_old_one_serves_on() {
    local before mark
    before=$(main_pid postbearer-agent)
    make_a_mistake "$agent_toml"
    mark=$(journal_mark)
    systemctl reload postbearer-agent # which is a signal: what comes of it is in log and status
    hears "$mark" postbearer-agent.service \
        "event=reload_failed .*agent\.toml:$(last_line "$agent_toml"):.*colour"
    wait_until 5 "the mistake in the status" status_says postbearer-agent 'new one has errors'
    has_token still@contoso.test
    same "pid" "$before" "$(main_pid postbearer-agent)"
    put_configuration
    systemctl reload postbearer-agent
    wait_until 5 "a status without it" status_says postbearer-agent '^serving$'
}
the_milter_reloads_the_same_way() {
    local before mark
    before=$(main_pid postbearer-milter)
    printf '[[route]]\nname = "second"\nsender = ["@fabrikam.test"]\n' >>"$milter_toml"
    mark=$(journal_mark)
    systemctl reload postbearer-milter
    hears "$mark" postbearer-milter.service 'event=reloaded routes=2'
    make_a_mistake "$milter_toml"
    mark=$(journal_mark)
    refused "a reload with a mistake" '^Job for postbearer-milter.service failed' \
        systemctl reload postbearer-milter
    hears "$mark" postbearer-milter.service "milter\.toml:$(last_line "$milter_toml"):.*colour"
    same "pid" "$before" "$(main_pid postbearer-milter)"
    kill -s USR1 "$before" # ExecReload= looks first, so the daemon has not heard of it
    wait_until 5 "the mistake in the status" status_says postbearer-milter 'new one has errors'
    same "pid" "$before" "$(main_pid postbearer-milter)"
    lmtp_greets
}
postbearer_reload_asks_both() {
    local mark
    mark=$(journal_mark)
    postbearer reload
    hears "$mark" postbearer-agent.service event=reloaded
    hears "$mark" postbearer-milter.service event=reloaded
}
# 78 says what is wrong, and the start is tried again: the sockets stay, however many clients come, and
# service is back without a hand laid on systemd when the mistake is gone.
is_tried_again() { # UNIT FILE SOCKET
    local unit=$1 file=$2 mark i
    systemctl stop "$unit.service"
    make_a_mistake "$file"
    mark=$(journal_mark)
    refused "a start with a mistake" "^Job for $unit.service failed" \
        systemctl start "$unit.service"
    same "exit status" 78 "$(property "$unit.service" ExecMainStatus)"
    hears "$mark" "$unit.service" "${file##*/}:$(last_line "$file"):.*colour"
    for ((i = 0; i < 30; i++)); do
        timeout 1 "$proof/units/ask" "$3" request=ping >/dev/null || true
    done
    wait_until 30 "three more starts" has_restarted "$unit" 3
    is "$unit.socket" active || fail "systemd gave $unit.socket up"
    put_configuration
    wait_until 15 "the unit to be back" is "$unit.service" active
}
has_restarted() { [ "$(property "$1.service" NRestarts)" -ge "$2" ]; }
a_bad_agent_configuration_is_tried_again() {
    is_tried_again postbearer-agent "$agent_toml" "$agent_socket"
    agent_sockets_have_owner_mode_and_name
    postfix_sockets_have_owner_mode_and_name
    serves
}
a_bad_milter_configuration_is_tried_again() {
    is_tried_again postbearer-milter "$milter_toml" "$jail_sockets/milter.sock"
    postfix_sockets_have_owner_mode_and_name
    lmtp_greets
}
# Where each refresh token is good once, the answer under way holds the only good one.
a_stop_waits_for_a_renewal_and_loses_nothing() {
    local started
    log_alice_in
    has_token alice@contoso.test
    behave '{"endpoint":"token","client_id":"desktop","do":{"kind":"latency","ms":8000}}'
    postbearer refresh alice@contoso.test >"$work/refresh.log" 2>&1 &
    wait_until 10 "the renewal to be under way" renewal_is_under_way
    started=$SECONDS
    systemctl stop postbearer-agent.service
    [ $((SECONDS - started)) -ge 2 ] || fail "the stop did not wait for the renewal"
    same "result of the stop" success "$(property postbearer-agent.service Result)"
    systemctl start postbearer-agent.service
    postbearer refresh alice@contoso.test || fail "the new refresh token is lost"
    same "refresh tokens used twice" 0 "$(far_counter refresh_reuse)"
}
renewal_is_under_way() { [ "$(far_counter in_flight)" -ge 1 ]; }
