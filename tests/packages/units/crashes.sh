# SPDX-License-Identifier: Apache-2.0
# Sourced by `inside`: daemons that are killed, hang, or crash.

# The sockets are systemd's: a client that connects while nobody serves waits, and is served.
killed_and_back() { # UNIT SIGNAL ASK-COMMAND SOCKET
    local unit=$1 signal=$2 served=$3 inode before
    before=$(main_pid "$unit")
    inode=$(stat -c %i "$4")
    kill -s "$signal" "$before"
    "$served" || fail "a client that connects in between gets no answer"
    another_pid "$unit" "$before" || fail "$unit was not started again"
    same "inode of $4" "$inode" "$(stat -c %i "$4")"
}
a_killed_agent_is_restarted_and_clients_wait() {
    killed_and_back postbearer-agent KILL serves "$agent_socket"
    has_token after@contoso.test
}
a_killed_milter_is_restarted_and_clients_wait() {
    killed_and_back postbearer-milter KILL lmtp_greets "$jail_sockets/graph.sock"
}
# Nobody connects: systemd restarts it all the same.
killed_daemons_are_restarted_by_systemd_alone() {
    local unit before
    for unit in $running_units; do
        before=$(main_pid "$unit")
        kill -s KILL "$before"
        wait_until 15 "$unit to be restarted" another_pid "$unit" "$before"
        same "restarts of $unit" 1 "$(property "$unit.service" NRestarts)"
    done
}
daemons_that_hang_are_restarted_by_the_watchdog() {
    local unit before mark
    for unit in $running_units; do
        [ "$(property "$unit.service" WatchdogUSec)" != 0 ] || fail "$unit has no watchdog"
        drop_in "$unit.service" WatchdogSec=2s
        systemctl restart "$unit.service"
        before=$(main_pid "$unit")
        mark=$(journal_mark)
        kill -s STOP "$before"
        wait_until 30 "the watchdog to restart $unit" another_pid "$unit" "$before"
        hears "$mark" "$unit.service" 'Watchdog timeout'
    done
    serves
}
# The pings come early enough: with a short watchdog a healthy daemon stays.
healthy_daemons_feed_their_watchdog() {
    local unit before
    for unit in $running_units; do
        drop_in "$unit.service" WatchdogSec=3s
        systemctl restart "$unit.service"
        before=$(main_pid "$unit")
        same "watchdog of $unit" 3s "$(property "$unit.service" WatchdogUSec)"
        ! changes_within 8 "$unit" "$before" || fail "$unit was restarted"
    done
}
# Neither the limit of the unit nor the daemon itself allows a core: it would hold tokens.
a_crash_leaves_no_core() {
    local unit signal before mark
    for unit in $running_units; do
        same "LimitCORE of $unit" 0/0 \
            "$(property "$unit.service" LimitCORESoft)/$(property "$unit.service" LimitCORE)"
        for signal in SEGV ABRT; do
            before=$(main_pid "$unit")
            grep -qE '^Max core file size +0 +0 ' "/proc/$before/limits" || fail "cores of $unit are limited by nothing"
            mark=$(journal_mark)
            kill -s "$signal" "$before"
            wait_until 15 "$unit to be restarted after SIG$signal" another_pid "$unit" "$before"
            hears "$mark" "$unit.service" "code=(killed|dumped), status=[0-9]+/$signal"
            is_unsaid "a core of $unit" "$mark" "$unit.service" code=dumped
            systemctl reset-failed "$unit.service"
        done
    done
    same "core files" "" "$(find / /var/lib/postbearer* /tmp /var/tmp -maxdepth 1 -name 'core*' -type f)"
}
