#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What the module may show and need: one symbol, four libraries, no code at exit, no unloading.
set -eu
module=$1

fail() {
    echo "$module: $1" >&2
    exit 1
}

symbols=$(nm -D --defined-only "$module" | awk '{ print $NF }')
[ "$symbols" = sasl_client_plug_init ] || fail "exports: $symbols"

for library in $(readelf -d "$module" | sed -n 's/.*(NEEDED).*\[\(.*\)\].*/\1/p'); do
    case $library in
        libc.so.6 | libm.so.6 | libstdc++.so.6 | libgcc_s.so.1 | ld-linux*) ;;
        *) fail "needs $library" ;;
    esac
done

# A destructor registered by us would run in smtp(8) at exit.
if nm -D --undefined-only "$module" | grep -E '__cxa_(thread_)?atexit|pthread_create|dlopen'; then
    fail "uses the above"
fi
readelf -d "$module" | grep -q 'NODELETE' || fail "not linked with -z nodelete"
readelf -d "$module" | grep -q 'BIND_NOW\|Flags:.*NOW' || fail "not linked with -z now"
