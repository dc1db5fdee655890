# SPDX-License-Identifier: Apache-2.0
# Sourced by the suites: steps, waits with a deadline, and what a failed suite leaves in its log.

set -euo pipefail

readonly poll_pause=0.2
readonly app_secret='nine lanterns over quiet gravel' # stands in no other file of a Debian system
undo_stack=()

step() { printf '\n== %s\n' "$*"; }

fail() {
    printf '\nFAILED: %s\n' "$*"
    exit 1
}

# wait_until SECONDS WHAT COMMAND...: until the command succeeds.
wait_until() {
    local deadline=$((SECONDS + $1)) what=$2
    shift 2
    until "$@"; do
        ((SECONDS < deadline)) || fail "waited in vain for $what"
        sleep "$poll_pause"
    done
}

# The commands run in reverse order when the suite ends, whatever way it ends.
undo_later() { undo_stack+=("$(printf '%q ' "$@")"); }

# A suite says what shall be in the log of a failure, in its own function diagnose.
finish() {
    local status=$? i
    trap - EXIT
    set +e
    if [ "$status" -ne 0 ] && declare -F diagnose >/dev/null; then
        diagnose
    fi
    for ((i = ${#undo_stack[@]} - 1; i >= 0; i--)); do
        eval "${undo_stack[i]}"
    done
    summary "$status"
    exit "$status"
}

# The last word, with the exit status.
summary() {
    if [ "$1" -eq 0 ]; then printf '\nPASSED\n'; fi
}

begin_suite() {
    exec 2>&1 # one log, in order
    trap finish EXIT
    trap 'exit 143' TERM INT HUP
    work=$(mktemp -d /var/tmp/postbearer-test.XXXXXX)
    chmod 755 "$work" # Postfix's own user comes in
    undo_later rm -rf "$work"
}

show_file() {
    printf -- '---- %s\n' "$1"
    if [ -e "$1" ]; then tail -n 60 "$1"; else echo "(not there)"; fi
}
