# SPDX-License-Identifier: Apache-2.0
# The Graph route as README.Debian tells its admin. Needs common.sh and host.sh.

# example NAME: where the packages have put one of the samples.
example() {
    local file
    file=$(dpkg -L postbearer postbearer-milter | grep -m 1 -E "/$1(\.gz)?\$") ||
        fail "no package brings the sample $1"
    case $file in
        *.gz) zcat "$file" ;;
        *) cat "$file" ;;
    esac
}

# The package brings the [[access]] rule of the daemon, agent.d/milter.toml.
configure_milter() {
    sed -i 's/^# local_domains = .*/local_domains = ["client.lab.test"]/' /etc/postbearer/milter.toml
    cat >>/etc/postbearer/milter.toml <<'END'

[[route]]
name = "contoso"
sender = ["@contoso.test"]
allow_from = ["@contoso.test"]
END
    postbearer check-config
    # A restart, as an earlier suite may have stopped it; the service brings its sockets.
    systemctl restart postbearer-milter.service || fail "the milter does not start"
}

# conf/main.cf.graph and conf/master.cf.graph, without their comments.
configure_postfix_for_graph() {
    local line
    example postbearer_milter_header_checks >/etc/postfix/postbearer_milter_header_checks
    example postbearer_smtp_header_checks >/etc/postfix/postbearer_smtp_header_checks
    example 'main\.cf\.graph' | grep -E '^[a-z]' | while IFS= read -r line; do
        postconf -e "$line"
    done
    example 'master\.cf\.graph' | sed -n '/^graph /,/^$/p' >>/etc/postfix/master.cf
}
