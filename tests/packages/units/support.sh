# SPDX-License-Identifier: Apache-2.0
# Sourced by `inside`: cases, what they expect, what systemd and the journal say. Needs common.sh of
# debian/tests/lib, for wait_until and fail.

# A case is a function that passes if it comes to its end. `set -e` ends it at the first command
# that fails, and the trap says which that was; its last line of output is the reason.
passed=0 failed=0 only=${ONLY:-}
prove() { # NAME...
    local name
    for name; do
        [[ -z $only || $name =~ $only ]] || continue
        prove_at_once "$name" settle
    done
}
prove_at_once() { # NAME [COMMAND]: the case as the machine is, or after that command
    local name=$1 reason code
    set +e
    reason=$(trap - EXIT
             set -eE
             trap 'echo "${BASH_SOURCE[0]##*/}:$LINENO: failed: $BASH_COMMAND"' ERR
             "${@:2}"
             "$name" 2>&1)
    code=$?
    set -e
    if [ "$code" -eq 0 ]; then
        passed=$((passed + 1))
        echo "ok $name"
    else
        failed=$((failed + 1))
        echo "FAILED $name: $(grep . <<<"$reason" | tail -n 1 | sed 's/^FAILED: //')"
        show_state "$name" "$reason" >&2
    fi
}
same() { # WHAT EXPECTED FOUND
    [ "$2" = "$3" ] || fail "$1: expected '$2', found '$3'"
}
# A command that fails for another reason than the expected one shows nothing.
refused() { # WHAT REASON COMMAND...: it fails, and what it says matches the reason
    local what=$1 reason=$2
    shift 2
    if "$@" >"$work/refusal" 2>&1; then
        fail "$what: should have been refused"
    fi
    grep -qE -- "$reason" "$work/refusal" ||
        fail "$what: refused with other words than '$reason': $(tail -n 1 "$work/refusal")"
}
finds() { # GREP-ARGUMENTS...: an error of grep's is no "no"
    local code=0
    grep -q "$@" || code=$?
    [ "$code" -le 1 ] || fail "grep $*: exit status $code"
    return "$code"
}
absent() { # WHAT GREP-ARGUMENTS...
    ! finds "${@:2}" || fail "$1: is there"
}

property() { systemctl show --value -p "$2" "$1"; }
main_pid() { property "$1.service" MainPID; }
is() { # UNIT STATE
    [ "$(property "$1" ActiveState)" = "$2" ]
}
another_pid() { # UNIT PID
    local now
    now=$(main_pid "$1")
    [ "$now" != "$2" ] && [ "$now" != 0 ] && is "$1.service" active
}
changes_within() { # SECONDS UNIT PID
    local end=$((SECONDS + $1))
    while [ "$SECONDS" -lt "$end" ]; do
        [ "$(main_pid "$2")" = "$3" ] || return 0
        sleep "$poll_pause"
    done
    return 1
}

# journal_mark before the event, `said MARK UNIT PATTERN` after it.
journal_mark() {
    journalctl --sync
    journalctl -n 1 --show-cursor -q -o cat | sed -n 's/^-- cursor: //p'
}
# Not -u: together with --after-cursor, systemd 252 leaves the first line of the unit out.
# By way of files: in a pipe, a grep that has seen enough ends what is before it by a signal.
words_since() { # MARK UNIT: in $work/heard
    journalctl --sync
    journalctl -q -o short-monotonic --after-cursor="$1" >"$work/journal" ||
        fail "the journal cannot be read"
    grep -E -- " ${2%.service}\[| $2:" "$work/journal" >"$work/heard" || true
}
is_said() { # MARK UNIT PATTERN
    words_since "$1" "$2"
    finds -E -- "$3" "$work/heard"
}
is_unsaid() { # WHAT MARK UNIT PATTERN
    ! is_said "${@:2}" || fail "$1: $(grep -m 1 -E -- "$4" "$work/heard")"
}
hears() { # MARK UNIT PATTERN
    wait_until 15 "$2 to log '$3'" is_said "$@"
}

show_state() { # NAME REASON
    printf -- '---- %s\n%s\n' "$1" "$2"
    systemctl --no-pager --plain --no-legend list-units --all 'postbearer*' | sed 's/^/    /'
    journalctl -q -n 40 --no-pager -o short-monotonic -u 'postbearer*' | sed 's/^/    /'
}
