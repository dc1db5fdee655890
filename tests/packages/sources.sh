# SPDX-License-Identifier: Apache-2.0
# Sourced by lib.sh: the Debian mirror of this machine, read from its own apt sources and said for
# another release. Sources of third parties are left out: other suites, other keys.

apt_sources() { # RELEASE: one-line sources for a root of that release
    local here
    here=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
    {
        cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list 2>/dev/null | one_line_sources
        cat_apart /etc/apt/sources.list.d/*.sources | deb822_sources
    } | debian_sources "$here" "$1" | sort -u | grep . ||
        { echo "no Debian source for '$here' in /etc/apt/sources.list*" >&2; return 1; }
}

cat_apart() { # FILE...: with an empty line between two files, so that stanzas stay apart
    local file
    for file; do
        [ -e "$file" ] || continue
        cat "$file"
        echo
    done
}

# Both print lines "URI SUITE COMPONENTS|KEYRING".
one_line_sources() {
    sed -nE 's/[[:space:]]*#.*//; s/^deb[[:space:]]+(\[([^]]*)\][[:space:]]+)?(.*)$/\2|\3/p' |
        while IFS='|' read -r options source; do
            echo "$source|$(tr ' ' '\n' <<<"$options" | sed -n 's/^signed-by=//p')"
        done
}

deb822_sources() {
    awk '
        function stanza_end(   i, j, n, m, uri, suite) {
            n = split(field["uris"], uri); m = split(field["suites"], suite)
            if (field["types"] ~ /(^| )deb( |$)/ && field["enabled"] !~ /^ *no *$/)
                for (i = 1; i <= n; i++) for (j = 1; j <= m; j++)
                    print uri[i], suite[j], field["components"] "|" field["signed-by"]
            delete field
        }
        /^#/ { next }
        /^[ \t]*$/ { stanza_end(); next }
        /^[ \t]/ { field[name] = field[name] " " $0; next }
        { name = tolower($0); sub(/:.*/, "", name); sub(/^[^:]*:[ \t]*/, ""); field[name] = $0 }
        END { stanza_end() }'
}

# Debian's own: its suites for HERE, component main, and its archive keyring or none of its own.
debian_sources() { # HERE THERE
    local uri suite components keyring
    while IFS='|' read -r components keyring; do
        read -r uri suite components <<<"$components"
        case $suite in "$1" | "$1-updates" | "$1-security") ;; *) continue ;; esac
        case " $components " in *" main "*) ;; *) continue ;; esac
        case $keyring in
            "" | */debian-archive-keyring.*) ;;
            *) continue ;;
        esac
        echo "deb ${keyring:+[signed-by=$keyring] }$uri ${suite/#$1/$2} main"
    done
}

# What this machine tells its apt about proxies and old mirrors, for the apt of a root.
apt_settings() {
    apt-config dump | grep -E '^Acquire::(https?::Proxy|Check-Valid-Until|Check-Date)[: ]' || true
}
