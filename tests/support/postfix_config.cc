// SPDX-License-Identifier: Apache-2.0
// The files of a private instance: reference/postfix.md 1.1, and Debian's master.cf.
#include <sstream>

#include "tests/support/failure.hh"
#include "tests/support/postfix_instance.hh"

namespace postbearer::test {
namespace {

constexpr const char* kBaseMain = R"(compatibility_level = 3.6
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
shlib_directory = /usr/lib/postfix
meta_directory = /etc/postfix
mail_owner = postfix
setgid_group = postdrop
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
mydestination =
local_recipient_maps =
alias_maps =
smtp_dns_support_level = disabled
enable_long_queue_ids = yes
biff = no
)";

/// Debian's defaults; @ stands for the jail, y or n.
constexpr const char* kServices = R"(pickup    unix  n - @ 60    1 pickup
cleanup   unix  n - @ -     0 cleanup
qmgr      unix  n - n 300   1 qmgr
tlsmgr    unix  - - @ 1000? 1 tlsmgr
rewrite   unix  - - @ -     - trivial-rewrite
bounce    unix  - - @ -     0 bounce
defer     unix  - - @ -     0 bounce
trace     unix  - - @ -     0 bounce
verify    unix  - - @ -     1 verify
flush     unix  n - @ 1000? 0 flush
proxymap  unix  - - n -     - proxymap
proxywrite unix - - n -     1 proxymap
smtp      unix  - - @ -     - smtp
relay     unix  - - @ -     - smtp
showq     unix  n - @ -     - showq
error     unix  - - @ -     - error
retry     unix  - - @ -     - error
discard   unix  - - @ -     - discard
local     unix  - n n -     - local
virtual   unix  - n n -     - virtual
lmtp      unix  - - @ -     - lmtp
anvil     unix  - - @ -     1 anvil
scache    unix  - - @ -     1 scache
postlog   unix-dgram n - n - 1 postlogd
)";

}  // namespace

std::string PostfixInstance::main_cf() const {
    const std::string directory = settings_.directory;
    std::map<std::string, std::string> all;
    std::istringstream base(kBaseMain);
    for (std::string line; std::getline(base, line);) {
        const std::size_t equals = line.find(" =");
        all[line.substr(0, equals)] = line.substr(std::min(equals + 3, line.size()));
    }
    all["queue_directory"] = queue_directory();
    all["data_directory"] = directory + "/data";
    all["maillog_file"] = log_path();
    all["maillog_file_prefixes"] = directory;
    all["myhostname"] = settings_.name + ".lab.test";
    if (!settings_.sasl_path.empty()) {
        all["import_environment"] =
            "MAIL_CONFIG MAIL_DEBUG MAIL_LOGTAG TZ LANG=C POSTLOG_SERVICE POSTLOG_HOSTNAME "
            "SASL_PATH=" +
            settings_.sasl_path.string();
    }
    for (const auto& [name, value] : settings_.main) {
        all[name] = value;
    }
    std::string text;
    for (const auto& [name, value] : all) {
        text += name + " = " + value + "\n";
    }
    return text;
}

std::string PostfixInstance::master_cf() const {
    std::string text = kServices;
    for (char& c : text) {
        c = c == '@' ? (settings_.chroot ? 'y' : 'n') : c;
    }
    for (const std::string& line : settings_.services) {
        text += line + "\n";
    }
    return text;
}

void PostfixInstance::write_configuration() const {
    write_file(configuration() / "main.cf", main_cf());
    write_file(configuration() / "master.cf", master_cf());
}

/// What Debian's configure-instance.sh copies; tokens, CA bundles and plugins are not among it.
void PostfixInstance::fill_jail() const {
    for (const char* name :
         {"hosts", "services", "resolv.conf", "host.conf", "nsswitch.conf", "localtime"}) {
        const Path source = Path("/etc") / name;
        if (std::filesystem::exists(source)) {
            write_file(queue_directory() / "etc" / name, read_file(source));
        }
    }
}

}  // namespace postbearer::test
