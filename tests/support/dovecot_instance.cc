// SPDX-License-Identifier: Apache-2.0
#include "tests/support/dovecot_instance.hh"

#include <csignal>
#include <cstdio>

#include "tests/support/agent_process.hh"
#include "tests/support/failure.hh"
#include "tests/support/temp_dir.hh"

namespace postbearer::test {
namespace {

using namespace std::chrono_literals;

/// @D is the directory, @P the IMAP port, @C and @K certificate and key, @M mechanisms.
constexpr const char* kConfiguration = R"(base_dir = @D/run
state_dir = @D/state
log_path = @D/dovecot.log
instance_name = @D
protocols = imap
listen = 127.0.0.1
auth_mechanisms = @M
auth_verbose = yes
auth_failure_delay = 0
auth_cache_size = 0
ssl = required
ssl_cert = <@C
ssl_key = <@K
mail_location = maildir:@D/mail/%Lu
first_valid_uid = 5000
default_internal_user = dovecot
passdb {
  driver = oauth2
  mechanisms = xoauth2 oauthbearer
  args = @D/oauth2.conf
}
passdb {
  driver = passwd-file
  mechanisms = plain
  args = scheme=PLAIN @D/passwd
}
userdb {
  driver = static
  args = uid=5000 gid=5000 home=@D/mail/%Lu allow_all_users=yes
}
service anvil {
  unix_listener anvil-auth-penalty {
    mode = 0
  }
}
service auth {
  unix_listener @D/auth.sock {
    mode = 0660
    user = postfix
    group = postfix
  }
}
service imap-login {
  chroot =
  inet_listener imap {
    port = @P
  }
  inet_listener imaps {
    port = 0
  }
}
)";

std::string with(std::string text, const std::string& mark, const std::string& value) {
    for (std::size_t at = 0; (at = text.find(mark, at)) != std::string::npos; at += value.size()) {
        text.replace(at, mark.size(), value);
    }
    return text;
}

}  // namespace

DovecotInstance::DovecotInstance(DovecotSettings settings) : settings_(std::move(settings)) {
    make_directory(settings_.directory);
    make_directory(settings_.directory / "mail", 0777);
    make_directory(settings_.directory / "keys");
}

DovecotInstance::~DovecotInstance() {
    if (test_failed()) {
        std::fprintf(stderr, "---- %s\n%s", log_path().c_str(), tail(log_path(), 20).c_str());
    }
    (void)process_.stop(10s);
}

Path DovecotInstance::mail_directory(const std::string& user) const {
    return settings_.directory / "mail" / user;
}

void DovecotInstance::trust(const std::string& azp, const std::string& kid,
                            const Path& public_key) const {
    write_file(settings_.directory / "keys" / azp / "RS256" / kid, read_file(public_key));
}

void DovecotInstance::write_configuration() const {
    const std::string directory = settings_.directory;
    std::string text = with(kConfiguration, "@D", directory);
    text = with(text, "@P", std::to_string(imap_port()));
    text = with(text, "@C", settings_.certificate);
    text = with(text, "@K", settings_.key);
    text = with(text, "@M",
                settings_.passwords.empty() ? "xoauth2 oauthbearer" : "xoauth2 oauthbearer plain");
    write_file(settings_.directory / "dovecot.conf", text);
    std::string oauth2 =
        "introspection_mode = local\nlocal_validation_key_dict = fs:posix:prefix=" + directory +
        "/keys/\nusername_attribute = " + settings_.username_attribute +
        "\nusername_format = %Lu\n";
    if (!settings_.issuer.empty()) {
        oauth2 += "issuers = " + settings_.issuer + "\n";
    }
    if (!settings_.audience_or_scope.empty()) {
        oauth2 += "scope = " + settings_.audience_or_scope + "\n";
    }
    write_file(settings_.directory / "oauth2.conf", oauth2);
    std::string passwords;
    for (const auto& [user, password] : settings_.passwords) {
        passwords += user + ":{PLAIN}" + password + "::::::\n";
    }
    write_file(settings_.directory / "passwd", passwords);
}

void DovecotInstance::start() {
    write_configuration();
    process_ = Process({.argv = {"dovecot", "-F", "-c", settings_.directory / "dovecot.conf"},
                        .output_file = settings_.directory / "dovecot.err",
                        .guarded = true});
    wait_until("Dovecot to start", [&] {
        if (!process_.running()) {
            fail("Dovecot did not start:\n" + tail(log_path()) +
                 tail(settings_.directory / "dovecot.err"));
        }
        return takes_connections(auth_socket());
    });
}

void DovecotInstance::stop() { (void)process_.stop(30s); }

}  // namespace postbearer::test
