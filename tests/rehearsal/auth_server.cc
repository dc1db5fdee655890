// SPDX-License-Identifier: Apache-2.0
#include "auth_server.hh"

#include <unistd.h>

#include <boost/asio/buffer.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/write.hpp>
#include <map>

#include "codec.hh"
#include "json.hh"
#include "log.hh"
#include "token_judge.hh"
#include "unix_listener.hh"

namespace postbearer::rehearsal {

namespace net = boost::asio;

namespace {

constexpr std::size_t kMaxLineBytes = 128 * 1024;

std::vector<std::string> split_tabs(const std::string& line) {
    std::vector<std::string> fields;
    std::size_t at = 0;
    while (at <= line.size()) {
        const std::size_t end = std::min(line.find('\t', at), line.size());
        fields.push_back(line.substr(at, end - at));
        at = end + 1;
    }
    return fields;
}

std::string error_challenge(const std::string& mechanism, const AuthPolicy& policy,
                            const std::string& base_url) {
    Json::Value json;
    if (mechanism == "OAUTHBEARER") {  // RFC 7628 section 3.2.2
        json["status"] = "invalid_token";
        json["openid-configuration"] = base_url + "/common/v2.0/.well-known/openid-configuration";
    } else {
        json["status"] = "401";
        json["schemes"] = "bearer";
    }
    json["scope"] = policy.audiences.empty() ? "" : policy.audiences.front() + "/";
    return base64(to_text(json));
}

}  // namespace

struct AuthServer::Parts {
    Parts(net::io_context& loop, Service& the_service)
        : acceptor(loop),
          service(the_service),
          judge(service.verifier(), service.clients(), service.auth_policy(), service.logins(),
                service.base_url() + "/") {}

    LocalAcceptor acceptor;
    Service& service;
    TokenJudge judge;
    std::string path;
    unsigned connections = 0;
};

/// One smtpd(8) process; it asks for many clients one after the other.
class AuthServer::Session : public std::enable_shared_from_this<Session> {
public:
    Session(LocalSocket socket, Parts& parts) : socket_(std::move(socket)), parts_(parts) {}

    void start() {
        send(greeting());
        read();
    }

private:
    struct Attempt {
        AuthRecord record;                   // until it is judged
        std::shared_ptr<AuthRecord> judged;  // afterwards, while the challenge is out
    };

    [[nodiscard]] std::string greeting() const {
        std::string text = "VERSION\t1\t2\n";
        for (const std::string& mechanism : parts_.service.auth_policy().mechanisms) {
            text += "MECH\t" + mechanism + (mechanism == "PLAIN" ? "\tplaintext" : "") + "\n";
        }
        return text + "SPID\t" + std::to_string(getpid()) + "\nCUID\t" +
               std::to_string(parts_.connections) + "\nCOOKIE\t" + hex(random_bytes(16)) +
               "\nDONE\n";
    }

    void read() {
        net::async_read_until(socket_, net::dynamic_buffer(input_, kMaxLineBytes), '\n',
                              [self = shared_from_this()](const auto& error, std::size_t length) {
                                  if (!error) {
                                      const std::string line = self->input_.substr(0, length - 1);
                                      self->input_.erase(0, length);
                                      self->on_line(split_tabs(line));
                                      self->read();
                                  }
                              });
    }

    void send(const std::string& text) {
        pending_ += text;
        if (writing_.empty()) {
            write();
        }
    }

    void write() {
        writing_.swap(pending_);
        net::async_write(socket_, net::buffer(writing_),
                         [self = shared_from_this()](const auto& error, std::size_t) {
                             self->writing_.clear();
                             if (!error && !self->pending_.empty()) {
                                 self->write();
                             }
                         });
    }

    void on_line(const std::vector<std::string>& fields) {
        const std::string& verb = fields.front();
        if (verb == "VERSION" && (fields.size() < 2 || fields[1] != "1")) {
            log_line("auth_version", {{"line", verb}});
            socket_.close();
        } else if (verb == "AUTH" && fields.size() >= 3) {
            on_auth(fields);
        } else if (verb == "CONT" && fields.size() >= 3) {
            on_continue(fields[1], fields[2]);
        } else if (verb == "CANCEL" && fields.size() >= 2) {
            attempts_.erase(fields[1]);
        } else if (verb != "VERSION" && verb != "CPID") {
            log_line("auth_unknown_line", {{"verb", verb}});
        }
    }

    void on_auth(const std::vector<std::string>& fields) {
        const std::string& id = fields[1];
        Attempt attempt;
        attempt.record.mechanism = fields[2];
        std::optional<std::string> response;
        for (std::size_t i = 3; i < fields.size(); ++i) {
            if (fields[i].rfind("service=", 0) == 0) {
                attempt.record.service = fields[i].substr(8);
            } else if (fields[i].rfind("resp=", 0) == 0) {
                response = fields[i].substr(5);
            }
        }
        const auto& offered = parts_.service.auth_policy().mechanisms;
        const bool known = std::find(offered.begin(), offered.end(), fields[2]) != offered.end();
        attempt.record.initial_response = response.has_value();
        attempts_[id] = std::move(attempt);
        if (!known) {
            finish_unjudged(id, "mechanism not offered");
        } else if (response) {
            judge(id, *response);
        } else {
            send("CONT\t" + id + "\t\n");  // the client speaks after an empty challenge
        }
    }

    void on_continue(const std::string& id, const std::string& data) {
        const auto found = attempts_.find(id);
        if (found == attempts_.end()) {
            send("FAIL\t" + id + "\treason=no such request\n");
        } else if (found->second.judged) {
            const auto answer = decode_base64(data);
            found->second.judged->challenge_answer = !answer             ? "not_base64"
                                                     : answer->empty()   ? "empty"
                                                     : *answer == "\001" ? "ctrl_a"
                                                                         : "other";
            fail(id, *found->second.judged);
        } else {
            judge(id, data);
        }
    }

    void judge(const std::string& id, const std::string& data) {
        AuthRecord& record = attempts_[id].record;
        const auto message = decode_base64(data);
        if (!message) {
            finish_unjudged(id, "malformed: not base64");
            return;
        }
        const WallTime now = std::chrono::system_clock::now();
        record.time = now;
        parts_.judge.judge(record.mechanism, *message, record, now);
        conclude(id);
    }

    void finish_unjudged(const std::string& id, const char* reason) {
        AuthRecord& record = attempts_[id].record;
        record.time = std::chrono::system_clock::now();
        record.reason = reason;
        conclude(id);
    }

    void conclude(const std::string& id) {
        Attempt& attempt = attempts_[id];
        attempt.judged = parts_.service.records().add_auth(attempt.record);
        const AuthRecord& record = *attempt.judged;
        const AuthPolicy& policy = parts_.service.auth_policy();
        log_line("auth", {{"mechanism", record.mechanism},
                          {"user", record.user},
                          {"result", record.success ? "ok" : "fail"},
                          {"reason", record.reason},
                          {"fingerprint", record.fingerprint}});
        if (record.success) {
            send("OK\t" + id + "\tuser=" + record.user + "\n");
            attempts_.erase(id);
        } else if (policy.refusal == AuthPolicy::Refusal::Challenge &&
                   record.mechanism != "PLAIN") {
            attempt.judged->challenge_answer = "none";  // until one comes
            send("CONT\t" + id + "\t" +
                 error_challenge(record.mechanism, policy, parts_.service.base_url()) + "\n");
        } else {
            fail(id, record);
        }
    }

    void fail(const std::string& id, const AuthRecord& record) {
        const bool temporary =
            parts_.service.auth_policy().refusal == AuthPolicy::Refusal::Temporary;
        send("FAIL\t" + id + (record.user.empty() ? "" : "\tuser=" + record.user) +
             (temporary ? "\ttemp\tcode=temp_fail" : "\tcode=authn_fail") +
             "\treason=" + record.reason + "\n");
        attempts_.erase(id);
    }

    LocalSocket socket_;
    Parts& parts_;
    std::string input_;
    std::string pending_;
    std::string writing_;
    std::map<std::string, Attempt> attempts_;
};

AuthServer::AuthServer(net::io_context& loop, Service& service)
    : parts_(std::make_unique<Parts>(loop, service)) {}

AuthServer::~AuthServer() {
    if (!parts_->path.empty()) {
        (void)unlink(parts_->path.c_str());
    }
}

std::string AuthServer::listen(const std::string& path, const std::string& owner) {
    std::string problem = bind_unix(parts_->acceptor, path, owner.empty() ? 0666 : 0660);
    if (problem.empty()) {
        parts_->path = path;
        problem = owner.empty() ? "" : give_to(path, owner);
    }
    if (problem.empty()) {
        accept();
    }
    return problem;
}

void AuthServer::accept() {
    parts_->acceptor.async_accept([this](const auto& error, LocalSocket socket) {
        if (error == net::error::operation_aborted) {
            return;
        }
        if (!error) {
            ++parts_->connections;
            std::make_shared<Session>(std::move(socket), *parts_)->start();
        }
        accept();
    });
}

}  // namespace postbearer::rehearsal
