# SPDX-License-Identifier: Apache-2.0
# Sourced after lib.sh by the steps of tests/packages: the tree that is packaged, where results lie,
# and how a step counts. A step's last line is `N passed, N failed, N skipped`.

releases=(bookworm trixie)

use_release() { # [RELEASE]: sets release, results and logs
    release=${1:-}
    printf '%s\n' "${releases[@]}" | grep -qx -- "$release" ||
        { echo "usage: tests/packages/${0##*/} RELEASE, one of: ${releases[*]}" >&2; exit 2; }
    results=$source_dir/build/packages/$release
    logs=$results/logs
    rehearsal=$results/rehearsal/postbearer-rehearsal
    mkdir -p "$logs"
    # Two runs at once would take each other's results. A step of tests/packages/run has its lock.
    [ "${POSTBEARER_LOCKED:-}" != "$release" ] || return 0
    exec 8>"$results/.lock"
    flock -n 8 || die "another run works in $results"
    export POSTBEARER_LOCKED=$release
}

# --- counting ------------------------------------------------------------------------------------

passed=0 failed=0 skipped=0
pass() { passed=$((passed + 1)); echo "ok: $1"; }
fail() { failed=$((failed + 1)); echo "FAILED: $1"; }
skip() { skipped=$((skipped + 1)); echo "SKIPPED: $1"; }
check() { # NAME COMMAND...
    local name=$1
    shift
    if "$@"; then pass "$name"; else fail "$name"; fi
}
finish() {
    echo "$passed passed, $failed failed, $skipped skipped"
    [ "$failed" -eq 0 ] && [ "$skipped" -eq 0 ] && [ "$passed" -gt 0 ]
    exit
}

# --- the tree ------------------------------------------------------------------------------------

tree_files() { # [PATHSPEC...]: what git tracks and what is there, NUL after each
    local file
    git -C "$source_dir" ls-files -z -- "$@" | while IFS= read -r -d '' file; do
        [ ! -e "$source_dir/$file" ] || printf '%s\0' "$file"
    done
}
tree_hash() { # [PATHSPEC...]
    (cd "$source_dir" && tree_files "$@" | xargs -0r sha256sum | sha256sum | cut -c1-16)
}
export_tree() { # DIR
    mkdir -p "$1" || return 1
    tree_files | tar -C "$source_dir" --null -T - -c | tar -C "$1" -x
}

# --- the results ---------------------------------------------------------------------------------

# What a machine gets: no debug symbols.
product_debs() { find "$results" -maxdepth 1 -name '*.deb' ! -name '*-dbgsym_*' | sort; }
need_debs() { [ -n "$(product_debs)" ] || die "no packages in $results: tests/packages/build $release"; }
deb_file() { find "$results" -maxdepth 1 -name "$1_*.deb"; } # PACKAGE
install_debs() { # DIR [PACKAGE...]: the product and further packages, by apt from the mirror
    local dir=$1
    shift
    mkdir -p "$dir/root/debs" && product_debs | xargs cp -t "$dir/root/debs" || return 1
    # The names are for a shell inside: the files lie there.
    root_run "$dir" sh -c 'apt-get install -y -q --no-install-recommends /root/debs/*.deb "$@"' sh "$@"
}
put_rehearsal() { # DIR: to /opt/rehearsal/postbearer-rehearsal, with the libraries it needs
    mkdir -p "$1/opt" && cp -a "$(dirname "$rehearsal")" "$1/opt/"
}
