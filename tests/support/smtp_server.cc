// SPDX-License-Identifier: Apache-2.0
#include "tests/support/smtp_server.hh"

#include <unistd.h>

#include "tests/support/failure.hh"

namespace postbearer::test {
namespace {

constexpr uid_t kMailUid = 5000;  // virtual(8) needs a number, no account

}  // namespace

SmtpServer::SmtpServer(SmtpServerSettings settings)
    : mail_root_(settings.directory / "mail"),
      postfix_(postfix_settings(settings)),
      mailboxes_(mail_root_ / "all") {
    make_directory(mail_root_, 0700);
    if (::chown(mail_root_.c_str(), kMailUid, kMailUid) != 0) {
        fail_errno("cannot give " + mail_root_.string() + " away");
    }
}

std::string SmtpServer::nexthop() const { return "[localhost]:" + std::to_string(port_.number()); }

PostfixSettings SmtpServer::postfix_settings(const SmtpServerSettings& settings) const {
    PostfixSettings postfix;
    postfix.directory = settings.directory;
    postfix.name = settings.name;
    postfix.chroot = false;
    auto& main = postfix.main;
    main["virtual_mailbox_domains"] = "static:any";
    main["virtual_mailbox_base"] = mail_root_;
    main["virtual_mailbox_maps"] = "static:all/";
    main["virtual_uid_maps"] = main["virtual_gid_maps"] = "static:" + std::to_string(kMailUid);
    main["virtual_destination_concurrency_limit"] = "20";
    main["smtpd_client_connection_count_limit"] = "0";
    main["smtpd_relay_restrictions"] = main["smtpd_recipient_restrictions"] =
        settings.auth_socket.empty() ? "permit_mynetworks, reject"
                                     : "permit_sasl_authenticated, reject";
    if (!settings.certificate.empty()) {
        main["smtpd_tls_security_level"] = "may";
        main["smtpd_tls_chain_files"] =
            settings.key.string() + ", " + settings.certificate.string();
    }
    if (!settings.auth_socket.empty()) {
        main["smtpd_sasl_auth_enable"] = "yes";
        main["smtpd_sasl_type"] = "dovecot";
        main["smtpd_sasl_path"] = settings.auth_socket;
        main["smtpd_sasl_security_options"] = "noanonymous";
        main["smtpd_tls_auth_only"] = settings.auth_only_in_tls ? "yes" : "no";
    }
    if (!settings.mechanisms.empty()) {
        main["smtpd_sasl_mechanism_filter"] = settings.mechanisms;
    }
    for (const auto& [name, value] : settings.main) {
        main[name] = value;
    }
    postfix.services.push_back("127.0.0.1:" + std::to_string(port_.number()) +
                               " inet n - n - 100 smtpd");
    return postfix;
}

}  // namespace postbearer::test
