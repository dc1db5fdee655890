# SPDX-License-Identifier: Apache-2.0
# Sourced by `inside`: reloads, mistakes in the configuration, and stops at an awkward moment.

agent_toml=/etc/postbearer/agent.toml
milter_toml=/etc/postbearer/milter.toml
make_a_mistake() { echo 'colour = "red"' >>"$1"; }
last_line() { wc -l <"$1"; }
status_says() { property "$1.service" StatusText | grep -q "$2"; }

reload_takes_the_new_configuration_and_keeps_the_pid() {
    local before mark
    before=$(main_pid postbearer-agent)
    refused "an account without a rule" token someone@fabrikam.test
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
    systemctl reload postbearer-agent || true
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
    systemctl reload postbearer-milter || true
    hears "$mark" postbearer-milter.service "milter\.toml:$(last_line "$milter_toml"):.*colour"
    kill -s USR1 "$before" # where ExecReload= looks first, the daemon has not heard of it
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
# 78 is final: nothing that a restart could cure. It ends a start, and no loop follows.
fails_once() { # UNIT FILE
    local unit=$1 file=$2 mark
    systemctl stop "$unit.service"
    make_a_mistake "$file"
    mark=$(journal_mark)
    refused "a start with a mistake" systemctl start "$unit.service"
    wait_until 5 "the unit to fail" is "$unit.service" failed
    same "exit status" 78 "$(property "$unit.service" ExecMainStatus)"
    hears "$mark" "$unit.service" "${file##*/}:$(last_line "$file"):.*colour"
    # Longer than RestartSec: a restart that was planned would be under way by then.
    refused "a restart of what cannot start" restarted_within 4 "$unit"
}
restarted_within() { # SECONDS UNIT
    local end=$((SECONDS + $1))
    while [ "$SECONDS" -lt "$end" ]; do
        [ "$(property "$2.service" NRestarts)" = 0 ] && is "$2.service" failed || return 0
        sleep "$poll_pause"
    done
    return 1
}
a_bad_agent_configuration_fails_once() { fails_once postbearer-agent "$agent_toml"; }
a_bad_milter_configuration_fails_once() { fails_once postbearer-milter "$milter_toml"; }
# smtp(8) goes on connecting meanwhile, and each connection asks systemd for a start; in the end
# systemd gives the sockets up. One start of the service brings all of it back.
clients_of_a_broken_agent_are_served_after_one_start() {
    local i
    systemctl stop postbearer-agent.service
    make_a_mistake "$agent_toml"
    for ((i = 0; i < 30; i++)); do
        timeout 1 "$proof/units/ask" "$agent_socket" request=ping >/dev/null || true
        is postbearer-agent.socket active || break
    done
    put_configuration
    # "Start request repeated too quickly" for ten seconds after the last of them.
    wait_until 20 "a start" systemctl restart postbearer-agent.service
    agent_sockets_have_owner_mode_and_name
    postfix_sockets_have_owner_mode_and_name
    serves
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
