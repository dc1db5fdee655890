# SPDX-License-Identifier: Apache-2.0
# Sourced by `inside`: what a daemon that somebody has taken over could not do. /proc/PID/root is the
# file system as that process sees it, with its mounts and their flags.

status_of() { awk -v key="$2:" '$1 == key { print $2; exit }' "/proc/$1/status"; }
user_of() { echo "_${1%-agent}"; }
state_of() { echo "/var/lib/${1%-agent}"; }
root_of() { echo "/proc/$(main_pid "$1")/root"; }

daemons_have_no_privileges() {
    local unit pid set
    for unit in $running_units; do
        pid=$(main_pid "$unit")
        same "user of $unit" "$(id -u "$(user_of "$unit")")" "$(status_of "$pid" Uid)"
        same "NoNewPrivs of $unit" 1 "$(status_of "$pid" NoNewPrivs)"
        for set in CapInh CapPrm CapEff CapBnd CapAmb; do
            same "$set of $unit" 0000000000000000 "$(status_of "$pid" "$set")"
        done
        same "seccomp of $unit (2: a filter)" 2 "$(status_of "$pid" Seccomp)"
    done
}
nothing_but_their_state_can_be_written() {
    local unit root path read_only="Read-only file system"
    touch /usr/sbin/proof-was-here # root can, where no mount forbids it
    rm /usr/sbin/proof-was-here
    for unit in $running_units; do
        root=$(root_of "$unit")
        for path in /etc /etc/postbearer /usr /usr/lib /var/lib /run /run/lock /var/spool; do
            refused "$unit writes to $path" "$read_only" touch "$root$path/proof-was-here"
        done
        # A running program is busy for whoever opens it, so ask for the mount's word.
        [ -w "/usr/sbin/$unit" ] || fail "this check does not work"
        [ ! -w "$root/usr/sbin/$unit" ] || fail "$unit may write to itself"
        refused "$unit writes beside itself" "$read_only" touch "$root/usr/sbin/proof-was-here"
        touch "$root$(state_of "$unit")/proof-was-here"
        rm "$root$(state_of "$unit")/proof-was-here"
    done
}
homes_and_mail_cannot_be_seen() {
    local unit root path
    install -d -m 755 /home/somebody /mnt/something
    touch /tmp/something /var/mail/somebody
    for unit in $running_units; do
        root=$(root_of "$unit")
        for path in /home/somebody /root/.profile /mnt/something /tmp/something /var/mail/somebody; do
            [ -e "$path" ] || fail "$path is not there"
            [ ! -e "$root$path" ] || fail "$unit sees $path"
        done
    done
    [ -z "$(ls -A "$(root_of postbearer-agent)/var/spool")" ] || fail "the agent sees the mail queues"
    [ -z "$(ls -A "$(root_of postbearer-milter)/var/lib/postbearer")" ] ||
        fail "the milter sees the agent's store"
}
nothing_else_can_be_run() {
    local unit root program place
    for unit in $running_units; do
        root=$(root_of "$unit")
        for program in /bin/sh /usr/bin/env /usr/bin/python3 /usr/bin/postbearer /usr/sbin/postfix; do
            [ -e "$root$program" ] || fail "$unit does not see $program"
            refused "$unit runs $program" "Permission denied" "$root$program" --version
        done
        for place in /tmp /var/tmp /dev/shm "$(state_of "$unit")"; do
            cp /bin/true "$root$place/brought-along"
            refused "$unit runs what it has written to $place" "Permission denied" "$root$place/brought-along"
            rm "$root$place/brought-along"
        done
        # This check works: what may be run there can be run.
        "$root/usr/sbin/$unit" --version >/dev/null
    done
}
