# SPDX-License-Identifier: Apache-2.0
# Sourced by the steps that make packages.

package_state() { # changes with what a package is made of
    local base tree
    base=$(root_base "$release" build) || return 1
    tree=$(tree_hash . ':!tests/packages' ':!debian/tests' ':!.ci') || return 1
    echo "$(basename "$base") $tree ${DEB_BUILD_OPTIONS:-}"
}
# The source tree and, unless the package is native, its upstream tarball beside it.
lay_source() { # DIR
    local tree=$1/postbearer version
    export_tree "$tree" || return 1
    version=$(sed -nE '1s/.*\(([0-9]+:)?([^)-]*)(-[^)]*)?\).*/\2/p' "$tree/debian/changelog")
    grep -q quilt "$tree/debian/source/format" || return 0
    tar -C "$1" --exclude=postbearer/debian --sort=name --owner=0 --group=0 --numeric-owner \
        --mtime=@0 -czf "$1/postbearer_$version.orig.tar.gz" postbearer
}
# NAME of the root, DIRECTORY below its /, where to put the results, and what env(1) sets.
make_packages() { # NAME DIRECTORY RESULTS [VAR=VALUE...]
    local name=$1 where=/$2 out=$3 base dir status=0
    shift 3
    base=$(root_base "$release" build) && dir=$(root_copy "$base" "$name") || return 1
    lay_source "$dir$where" && root_offline "$dir" useradd --create-home builder &&
        root_offline "$dir" chown -R builder: "$where" || return 1
    root_offline "$dir" runuser -u builder -- \
        env "DEB_BUILD_OPTIONS=parallel=$(nproc) ${DEB_BUILD_OPTIONS:-}" "$@" \
        sh -c "umask \${BUILD_UMASK:-022} && cd $where/postbearer && exec dpkg-buildpackage -us -uc" \
        >"$out/build.log" 2>&1 || status=$?
    if [ "$status" -ne 0 ]; then
        tail -n 30 "$out/build.log"
        return 1
    fi
    find "$dir$where" -maxdepth 1 -type f -exec cp -t "$out" {} + || return 1
    root_remove "$name"
}
