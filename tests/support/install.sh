# SPDX-License-Identifier: Apache-2.0
# Sourced by tests/run and tests/quickstart: installs what this machine lacks, from its own apt
# sources. Services of installed packages are kept from starting: the tests start their own.

need_packages() {
    local missing=() package
    for package in "$@"; do
        dpkg-query -W -f '${db:Status-Status}\n' "$package" 2>/dev/null | grep -qx installed ||
            missing+=("$package")
    done
    [ ${#missing[@]} -eq 0 ] && return 0
    if [ "$(id -u)" -ne 0 ]; then
        echo "These packages are missing; install them as root: ${missing[*]}" >&2
        return 1
    fi
    echo "installing: ${missing[*]}"
    local status=0
    (install_quietly "${missing[@]}") >"${INSTALL_LOG:-/dev/null}" 2>&1 </dev/null || status=$?
    if [ "$status" -ne 0 ]; then
        echo "apt-get failed${INSTALL_LOG:+, its last words:}" >&2
        [ -n "${INSTALL_LOG:-}" ] && tail -n 15 "$INSTALL_LOG" >&2
    fi
    return "$status"
}

install_quietly() { # PACKAGE...: in a shell of its own, whose end takes the policy along
    local policy=/usr/sbin/policy-rc.d
    if [ ! -e "$policy" ]; then
        trap 'rm -f /usr/sbin/policy-rc.d' EXIT
        trap 'exit 130' INT
        trap 'exit 143' TERM
        printf '#!/bin/sh\nexit 101\n' >"$policy"
        chmod 755 "$policy"
    fi
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq && apt-get install -y -qq --no-install-recommends "$@"
}

BUILD_PACKAGES=(g++ meson ninja-build pkg-config python3 libboost-dev libboost-test-dev
    libcurl4-openssl-dev libexpected-dev libgmime-3.0-dev libidn2-dev libjsoncpp-dev libmilter-dev
    libsasl2-dev libsqlite3-dev libssl-dev libsystemd-dev libtomlplusplus-dev)
SERVER_PACKAGES=(postfix openssl ca-certificates)
TEST_PACKAGES=(apparmor clang clang-format clang-tidy libclang-rt-14-dev binutils curl dovecot-core
    dovecot-imapd faketime gdb glewlwyd gnupg isync libsasl2-modules mandoc miltertest postfix-pcre procps
    checkpolicy make rpm sasl2-bin selinux-policy-dev semodule-utils sqlite3 systemd)
# Debian packages are made and proved in roots of their own, which have the rest.
PACKAGING_PACKAGES=(systemd-container mmdebstrap debian-archive-keyring util-linux mount git)

# For the validator of Graph requests; a node that is there is used as it is.
need_node() {
    command -v node >/dev/null && command -v npm >/dev/null && return 0
    need_packages nodejs npm
}
