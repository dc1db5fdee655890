# SPDX-License-Identifier: Apache-2.0
# Sourced by the scripts of tests/packages: roots of a Debian release, made once and kept in
# build/roots, and copies of them that apt changes or that systemd boots in.
#
#     . tests/packages/lib.sh
#     need_root
#     base=$(root_base bookworm boot)      # kinds: boot, build, test
#     dir=$(root_copy "$base" pb-mine)     # a copy of one's own, gone when the script ends
#     root_run "$dir" apt-get install -y postfix
#     root_boot "$dir" pb-mine             # systemd as PID 1, no network but loopback
#     root_exec pb-mine systemctl status postbearer-agent
#     root_stop pb-mine
#
# root_run has the host's network, a booted root has none. When the script ends, what still runs is
# stopped, and copies are unmounted and removed; a script with an EXIT trap of its own calls
# root_cleanup there. POSTBEARER_ROOTS names another directory than build/roots.

packages_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
source_dir=$(cd "$packages_dir/../.." && pwd)
roots_dir=${POSTBEARER_ROOTS:-$source_dir/build/roots}
session_dir=$roots_dir/session.$$
. "$packages_dir/sources.sh"

die() { echo "${0##*/}: $*" >&2; exit 1; }
need_root() {
    [ "$(id -u)" -eq 0 ] || die "run me as root: roots are made, mounted and booted here"
    local tool
    for tool in mmdebstrap systemd-nspawn nsenter flock; do
        command -v "$tool" >/dev/null ||
            die "$tool is missing: apt-get install mmdebstrap systemd-container util-linux"
    done
    reap_sessions
}
# A tenth of a second between two looks at a condition.
pause() { read -rt 0.1 <> <(:) || true; }
until_true() { # SECONDS COMMAND...
    local deadline=$((SECONDS + $1))
    shift
    until "$@"; do
        [ "$SECONDS" -lt "$deadline" ] || return 1
        pause
    done
}

# --- bases: made once, never changed -------------------------------------------------------------

boot_packages=(systemd systemd-sysv dbus ca-certificates)
build_packages=(build-essential debhelper devscripts lintian blhc fakeroot)
test_packages=(autopkgtest python3 openssl iproute2 procps)

root_base() { # RELEASE KIND: prints a directory, made now if there is none of today
    local release=$1 kind=$2 base
    base=$roots_dir/$release-$kind-$(base_key "$release" "$kind")
    mkdir -p "$roots_dir"
    (
        flock 9
        prune_bases "$release-$kind"
        [ -d "$base" ] || make_base "$release" "$kind" "$base" >&2
    ) 9>"$roots_dir/.$release-$kind.lock" || return 1
    echo "$base"
}
base_key() { # RELEASE KIND: changes with whatever decides what is installed
    local kind
    {
        apt_sources "$1"
        for kind in $(kinds_below "$2") "$2"; do kind_packages "$kind"; done
        [ "$2" = boot ] || sed -n '/^Build-Depends/,/^[^ ]*:/p' "$source_dir/debian/control"
    } | sha256sum | cut -c1-12
}
# Each kind is made from the one before it: the tests may want what a build wants.
kinds_below() { # KIND
    case $1 in
        build) echo boot ;;
        test) echo boot build ;;
    esac
}
kind_packages() { # KIND
    case $1 in
        boot) printf '%s\n' "${boot_packages[@]}" ;;
        build) printf '%s\n' "${build_packages[@]}" ;;
        test) printf '%s\n' "${test_packages[@]}" && test_depends ;;
        *) die "no root of kind '$1'; there are boot, build and test" ;;
    esac
}
# What debian/tests/control depends on, without our own packages and without `@`.
test_depends() {
    local control=$source_dir/debian/tests/control
    [ -e "$control" ] || return 0
    sed -e ':a' -e 'N;$!ba' -e 's/\n[ \t]\+/ /g' "$control" | sed -n 's/^Depends: *//p' |
        tr ',' '\n' | sed -E 's/^[ \t]+//; s/[ \t(|[<].*//' | grep -E '^[a-z0-9]' |
        grep -vxFf <(sed -n 's/^Package: *//p' "$source_dir/debian/control") | sort -u
}
# A mirror moves on: after a day its files are no longer those that our lists name. A base that is
# being copied is locked, and stays.
prune_bases() { # PREFIX
    local old
    while IFS= read -r old; do
        grep -qF "lowerdir=$old" /proc/mounts || flock -n "$old" rm -rf --one-file-system "$old" || true
    done < <(find "$roots_dir" -mindepth 1 -maxdepth 1 -name "$1-*" -mmin +1440)
}
make_base() { # RELEASE KIND DIR
    local release=$1 kind=$2 dir=$3 new=$3.new log=$3.log below
    echo "making a root: $release, $kind"
    rm -rf --one-file-system "$new"
    if [ "$kind" = boot ]; then
        bootstrap "$release" "$new" >"$log" 2>&1
    else
        below=$(kinds_below "$kind")
        below=$(root_base "$release" "${below##* }") && mkdir "$new" &&
            flock -s "$below" cp -ax --reflink=auto "$below/." "$new/" &&
            extend "$kind" "$new" >"$log" 2>&1
    fi || { tail -n 15 "$log"; return 1; }
    mv "$new" "$dir"
    touch "$dir"
}
bootstrap() { # RELEASE DIR
    local sources settings=()
    sources=$(apt_sources "$1") || return 1
    mapfile -t settings < <(apt_settings | sed 's/^/--aptopt=/')
    mmdebstrap --variant=minbase --skip=cleanup/apt/lists --dpkgopt=force-unsafe-io \
        --include="$(paste -sd , < <(kind_packages boot))" "${settings[@]}" "$1" "$2" - <<<"$sources"
}
extend() { # KIND DIR
    local kind=$1 dir=$2 packages
    mapfile -t packages < <(kind_packages "$kind")
    root_run "$dir" apt-get update -q || return 1
    root_run "$dir" apt-get install -y -q --no-install-recommends "${packages[@]}" || return 1
    if [ "$kind" = build ]; then
        mkdir -p "$dir/root/wanted/debian" # nspawn has a /tmp of its own
        cp "$source_dir/debian/control" "$dir/root/wanted/debian/"
        root_run "$dir" apt-get build-dep -y -q --no-install-recommends /root/wanted || return 1
        rm -rf "$dir/root/wanted"
    fi
    root_run "$dir" apt-get clean
}

# --- copies: everything below session_dir/NAME ---------------------------------------------------

root_copy() { # BASE NAME: prints the directory of a copy that may be changed
    local base=$1 name=$2 home=$session_dir/$2
    case $base in
        "$roots_dir"/*) [ -d "$base/usr" ] ;;
        *) false ;;
    esac || { echo "root_copy: '$base' is no base" >&2; return 1; }
    [ ! -e "$home" ] || { echo "root_copy: there is a copy '$name' already" >&2; return 1; }
    mkdir -p "$home"/{upper,work,root}
    mount -t overlay overlay -o "lowerdir=$base,upperdir=$home/upper,workdir=$home/work" \
        "$home/root" 2>"$home/mount" || copy_in_full "$base" "$home" || return 1
    # Without an id of its own systemd would take the boot for the first one, and apply presets.
    systemd-machine-id-setup --root="$home/root" >/dev/null 2>&1 ||
        tr -d - </proc/sys/kernel/random/uuid >"$home/root/etc/machine-id"
    echo "$name" >"$home/root/etc/hostname"
    printf '127.0.0.1 localhost\n127.0.1.1 %s\n' "$name" >"$home/root/etc/hosts"
    echo "$home/root"
}
copy_in_full() { # BASE HOME
    if [ ! -e "$session_dir/in-full" ]; then
        echo "no overlay, so roots are copied in full, which takes time and space: $(cat "$2/mount")" >&2
        touch "$session_dir/in-full"
    fi
    flock -s "$1" cp -ax --reflink=auto "$1/." "$2/root/"
}
# A name that came out empty would be the host itself.
is_root() { # DIR
    case $1 in
        "$roots_dir"/*) [ -d "$1/usr" ] && return 0 ;;
    esac
    echo "'$1' is no root below $roots_dir" >&2
    return 1
}
root_run() { # DIR COMMAND...: not booted, with the host's network; no service is started
    local dir=$1 status=0
    shift
    is_root "$dir" || return 1
    printf '#!/bin/sh\nexit 101\n' >"$dir/usr/sbin/policy-rc.d"
    chmod 755 "$dir/usr/sbin/policy-rc.d"
    in_root "$dir" "$@" || status=$?
    rm -f "$dir/usr/sbin/policy-rc.d"
    return "$status"
}
root_offline() { # DIR COMMAND...: not booted, without any network
    local dir=$1
    shift
    in_root "$dir" --private-network "$@"
}
in_root() { # DIR [OPTION...] COMMAND...
    local dir=$1 name=run.$BASHPID status=0
    shift
    is_root "$dir" || return 1
    (start "$name" systemd-nspawn -q -D "$dir" --register=no --keep-unit --pipe --timezone=off \
        -E DEBIAN_FRONTEND=noninteractive -E LC_ALL=C.UTF-8 "$@" </dev/null) || status=$?
    root_remove "$name"
    return "$status"
}

# --- cgroups -------------------------------------------------------------------------------------

# nspawn makes its cgroups, which have fixed names, below that of its caller: two at once need one
# each, or they see and kill each other's processes.
start() { # NAME COMMAND...: becomes COMMAND, in a cgroup of its own, with its pid in NAME/nspawn.pid
    local home=$session_dir/$1 group=${session_dir##*/}.$1 parent
    shift
    mkdir -p "$home"
    echo "$BASHPID" >"$home/nspawn.pid"
    exec 8>&- # the lock of use_release is not for what may outlive us
    [ ! -d /run/systemd/system ] ||
        exec systemd-run --scope --quiet --collect --property=Delegate=yes "$@"
    while IFS= read -r parent; do
        mkdir -p "$parent/$group" && echo "$BASHPID" >"$parent/$group/cgroup.procs" || exit 1
    done < <(cgroup_parents)
    exec "$@"
}
# Our own place in the unified hierarchy and in systemd's of version 1, whichever there are.
cgroup_parents() {
    local mount key
    awk '$3 == "cgroup2" { print $2, "0::" }
        $3 == "cgroup" && $4 ~ /name=systemd/ { print $2, "[0-9]*:name=systemd:" }' /proc/mounts |
        while read -r mount key; do sed -n "s,^$key,$mount,p" /proc/self/cgroup; done | sed 's,/$,,'
}
remove_cgroups() { # NAME
    local parent group
    while IFS= read -r parent; do
        group=$parent/${session_dir##*/}.$1
        [ ! -d "$group" ] || find "$group" -depth -type d -exec rmdir {} + || true
    done < <(cgroup_parents)
}

# --- booted copies -------------------------------------------------------------------------------

root_boot() { # DIR NAME: returns when systemd says that all of it is up
    local dir=$1 name=$2 home=$session_dir/$2 state=
    is_root "$dir" || return 1
    mkdir -p "$home"
    (SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1 start "$name" setsid systemd-nspawn -q -D "$dir" -M "$name" \
        --register=no --keep-unit --private-network --timezone=off --console=pipe --boot) \
        </dev/null >"$home/console" 2>&1 &
    until_true 60 root_has_booted "$name" && [ "$state" = running ] && return 0
    echo "$name did not come up: ${state:-systemd does not answer}" >&2
    root_exec "$name" systemctl --failed --plain --no-legend >&2 || true
    tail -n 20 "$home/console" >&2
    return 1
}
# As a machine on which all services have run once: Debian 13's Postfix makes its directories at its
# first start, and units that look for them were skipped at that boot.
root_boot_again() { # DIR NAME
    root_boot "$1" "$2" && root_stop "$2" && root_boot "$1" "$2"
}
root_has_booted() { # NAME: sets state
    state=$(root_exec "$1" systemctl is-system-running 2>/dev/null) || true
    [ "$state" = running ] || [ "$state" = degraded ]
}
# Until nspawn has made the machine, its child is itself, in our own namespaces.
root_leader() { # NAME: the pid of its PID 1
    local nspawn child
    nspawn=$(cat "$session_dir/$1/nspawn.pid") || return 1
    for child in $(cat "/proc/$nspawn/task/$nspawn/children"); do
        [ "$(cat "/proc/$child/comm")" = systemd ] || continue
        [ "$(readlink "/proc/$child/ns/pid")" != "$(readlink /proc/self/ns/pid)" ] || continue
        echo "$child"
        return 0
    done
    return 1
}
root_exec() { # NAME COMMAND...
    local leader
    leader=$(root_leader "$1" 2>/dev/null) || return 125
    shift
    nsenter -t "$leader" -m -u -i -n -p -r -w -- env -i HOME=/root TERM=dumb LC_ALL=C.UTF-8 \
        PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$@"
}
root_stop() { # NAME
    local file=$session_dir/$1/nspawn.pid nspawn leader
    [ -e "$file" ] || return 0
    nspawn=$(cat "$file")
    # A pid that was given to another process since is none of our business.
    if [ "$(cat "/proc/$nspawn/comm" 2>/dev/null)" = systemd-nspawn ]; then
        leader=$(root_leader "$1" 2>/dev/null) || true
        if [ -n "$leader" ]; then kill -s RTMIN+4 "$leader"; else kill "$nspawn"; fi 2>/dev/null || true
        until_true 30 process_gone "$nspawn" ||
            { echo "$1 does not stop, killing it" >&2; kill -s KILL $leader "$nspawn" 2>/dev/null || true; }
        wait "$nspawn" 2>/dev/null || true
    fi
    rm -f "$file"
}
process_gone() { # PID
    [ ! -e "/proc/$1" ] || grep -q '^State:.Z' "/proc/$1/status" 2>/dev/null
}

# --- the end -------------------------------------------------------------------------------------

root_remove() { # NAME: stops it and removes the copy
    local home=$session_dir/$1
    root_stop "$1"
    ! mountpoint -q "$home/root" || umount -l "$home/root"
    rm -rf --one-file-system "$home"
    remove_cgroups "$1"
}
root_cleanup() {
    local home
    for home in "$session_dir"/*/; do
        [ ! -d "$home" ] || root_remove "$(basename "$home")"
    done
    rm -rf --one-file-system "$session_dir"
}
# What a run left that was killed: machines, mounts, copies.
reap_sessions() {
    local session_dir
    mkdir -p "$roots_dir"
    (
        flock 9
        for session_dir in "$roots_dir"/session.*; do
            [ ! -d "$session_dir" ] || [ -e "/proc/${session_dir##*.}" ] || root_cleanup
        done
    ) 9>"$roots_dir/.sessions.lock"
}
trap root_cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
