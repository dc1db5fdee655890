# SPDX-License-Identifier: Apache-2.0
# Sourced by `inside`: Postfix before and after our packages, and mail through all of it.

export DEBIAN_FRONTEND=noninteractive
apt_offline() { # the packages lie in apt's cache
    apt-get -q -y --no-install-recommends -o Dpkg::Options::=--force-confold "$@" \
        >"$work/apt.log" 2>&1 || { grep . "$work/apt.log" | tail -n 15; return 1; }
}
install_our_packages() { # [OPTION]
    apt_offline install "$@" "$proof"/debs/*.deb
}
our_packages() {
    dpkg-query -W -f '${Package} ${db:Status-Status}\n' |
        sed -nE 's/^(postbearer|postbearer-milter|libsasl2-modules-postbearer) installed$/\1/p'
}
# By sysusers, so that an image without our packages' scripts gets them, too.
users_are_made_by_sysusers() {
    local user package file
    for user in _postbearer _postbearer-milter; do
        package=${user#_}
        same "shell of $user" /usr/sbin/nologin "$(getent passwd "$user" | cut -d : -f 7)"
        same "password of $user" L "$(passwd -S "$user" | cut -d ' ' -f 2)"
        same "groups of $user" "$user" "$(id -Gn "$user")"
        file=$(dpkg -L "$package" | grep '^/usr/lib/sysusers\.d/.*\.conf$') ||
            fail "$package brings nothing for sysusers"
        finds "^u $user - " "$file" || fail "$file does not make $user"
    done
}
# Built by `run`: it has the paths of sasl-xoauth2 and registers XOAUTH2 with its strength.
the_plugin_of_sasl_xoauth2_installs_beside_ours_and_is_named() {
    local plugin
    postbearer status >"$work/status" 2>&1
    absent "another plugin in the status" sasl-xoauth2 "$work/status"
    apt_offline install "$proof"/neighbour/*.deb
    plugin=$(dpkg -L sasl-xoauth2 | grep '/libsasl-xoauth2\.so$')
    [ -e "$plugin" ] && [ -e "${plugin%/*}/libpostbearer.so" ] || fail "one has replaced the other"
    same "what dpkg says of both" "" "$(dpkg --audit)"
    postbearer status >"$work/status" 2>&1 || true
    apt_offline purge sasl-xoauth2
    finds -F "$plugin" "$work/status" || fail "not named: $(cat "$work/status")"
    finds "the package sasl-xoauth2" "$work/status" || fail "no way out: $(cat "$work/status")"
}
packages_install_without_postfix() {
    install_our_packages
    same "our packages" 3 "$(our_packages | wc -l)"
    mkdir "$work/packaged"
    cp /etc/postbearer/*.toml "$work/packaged/"
}
# The package's trigger alone brings them: nobody restarts anything by hand.
a_postfix_that_comes_later_finds_its_sockets() {
    [ ! -e /usr/sbin/postfix ] || fail "Postfix is here already"
    systemctl restart postbearer-agent.service
    apt_offline install postfix
    wait_until 15 "agent.sock in the jail" test -S "$jail_sockets/agent.sock"
    postfix_sockets_have_owner_mode_and_name
    "$proof/units/ask" "$jail_sockets/agent.sock" request=ping >/dev/null
    lmtp_greets
}
packages_that_come_after_postfix_serve_it_at_once() {
    apt_offline purge $(our_packages)
    same "files of a purged package" "" "$(find /var/lib/postbearer* /run/postbearer \
        /etc/credstore* "$jail_sockets" -name '*postbearer*' 2>/dev/null || true)"
    install_our_packages
    postfix_sockets_have_owner_mode_and_name
    add_app "$app_secret"
    put_configuration
    systemctl restart "${units[@]}"
    mail_from relay@contoso.test newly-installed
    is_delivered_once newly-installed
}
mail_is_delivered() { # NAME
    local mark
    mark=$(journal_mark)
    mail_from relay@contoso.test "smtp-$1"
    mail_from graph@contoso.test "graph-$1"
    is_delivered_once "smtp-$1"
    is_in_graph_once "graph-$1"
    hears "$mark" postbearer-agent.service "event=token_handed_out uid=$(id -u postfix) \
pid=[0-9]+ account=relay@contoso\.test resource=smtp"
    hears "$mark" postbearer-agent.service "event=token_handed_out uid=$(id -u _postbearer-milter) \
pid=[0-9]+ account=graph@contoso\.test resource=graph"
}
mail_is_delivered_from_the_chroot() {
    chroot_postfix y
    mail_is_delivered chroot-y
}
mail_is_delivered_without_chroot() {
    chroot_postfix n
    mail_is_delivered chroot-n
    chroot_postfix y
}
# Since MARK no attempt to deliver has failed.
nothing_was_deferred() {
    journalctl --sync
    journalctl -q -o cat --after-cursor="$1" >"$work/mail-log"
    grep -q 'status=sent' "$work/mail-log" || fail "nothing was sent"
    absent "a deferral" 'status=deferred' "$work/mail-log"
}
# A user's own mail, sent with what that user's login brings, which only the sealed store has.
mail_of_a_login_is_delivered_after_a_restart() {
    log_alice_in
    systemctl restart postbearer-agent.service
    postconf -e smtp_sasl_password_maps=static:alice@contoso.test
    postfix reload 2>/dev/null
    mail_from alice@contoso.test by-alice
    is_delivered_once by-alice
    finds 'sasl_method=XOAUTH2, sasl_username=alice@contoso.test' "$far/log/mail.log" ||
        fail "somebody else sent it"
    same "refresh tokens used twice" 0 "$(far_counter refresh_reuse)"
    set_up_postfix_logins
}
mail_waits_for_an_agent_that_is_killed() {
    local mark
    mark=$(journal_mark)
    kill -s KILL "$(main_pid postbearer-agent)"
    mail_from relay@contoso.test killed
    is_delivered_once killed
    nothing_was_deferred "$mark"
}
a_stop_of_the_milter_ends_a_delivery_first() {
    local mark started
    mark=$(journal_mark)
    behave '{"endpoint":"sendmail","do":{"kind":"latency","ms":8000}}'
    mail_from graph@contoso.test stopping
    wait_until 15 "the message to be under way" graph_is_busy
    started=$SECONDS
    systemctl stop postbearer-milter.service
    [ $((SECONDS - started)) -ge 2 ] || fail "the stop did not wait for the delivery"
    same "result of the stop" success "$(property postbearer-milter.service Result)"
    is_in_graph_once stopping
    nothing_was_deferred "$mark"
}
graph_is_busy() { [ "$(far_counter graph_in_flight)" -ge 1 ]; }
