// SPDX-License-Identifier: Apache-2.0
#include "sasl-plugin/client.hh"

#include <algorithm>
#include <utility>

#include "common/bearer_message.hh"
#include "common/text.hh"
#include "sasl-plugin/application.hh"

namespace postbearer::sasl {
namespace {

using protocol::AgentFailure;
using protocol::FailureClass;
using std::chrono::milliseconds;

/// RFC 5321 allows 254 for an address; user names of directories are no longer.
constexpr std::size_t kMaxNameBytes = 512;
constexpr std::size_t kMaxHostBytes = 255;
/// Room for the JSON of all known servers, far from a log line that syslog would cut.
constexpr std::size_t kMaxChallengeBytes = 600;

bool usable_name(std::string_view name) noexcept {
    return name.size() <= kMaxNameBytes && is_plain_utf8(name);
}

bool same_name(std::string_view a, std::string_view b) { return ascii_lower(a) == ascii_lower(b); }

struct ClassRow {
    FailureClass failure_class;
    int code;
    const char* sentence;  // where the agent gave none
};
constexpr ClassRow kClasses[] = {
    {FailureClass::Transient, SASL_UNAVAIL, "the provider gives no token at the moment"},
    {FailureClass::NeedsUser, SASL_EXPIRED, "the consent ended; run postbearer login"},
    {FailureClass::NeedsAdmin, SASL_BADAUTH,
     "the provider refuses our registration; run postbearer doctor"},
    {FailureClass::Denied, SASL_NOAUTHZ, "no [[access]] rule of the agent lets this user have it"},
    {FailureClass::UnknownAccount, SASL_NOUSER, "no [[account]] of the agent matches"},
    {FailureClass::BadRequest, SASL_BADPROT, "the agent did not understand the request"},
};

const ClassRow& row_of(FailureClass failure_class) noexcept {
    for (const ClassRow& row : kClasses) {
        if (row.failure_class == failure_class) {
            return row;
        }
    }
    return kClasses[0];
}

int code_of(Errc code) noexcept {
    switch (code) {
        case Errc::Unavailable:
        case Errc::Timeout:
            return SASL_UNAVAIL;
        case Errc::Denied:
            return SASL_NOAUTHZ;
        case Errc::Protocol:
            return SASL_BADPROT;
        case Errc::Config:
            return SASL_CONFIGERR;
        case Errc::Internal:
            break;
    }
    return SASL_FAIL;
}

/// What the server said, fit for a log line. A server that repeats our token must not get it there;
/// once the token is wiped that cannot be told any more, so what comes out of turn is not quoted.
std::string quoted_challenge(std::string_view challenge, std::string_view sent) {
    constexpr std::string_view kBeforeToken = "Bearer ";
    const std::size_t at = sent.find(kBeforeToken);
    if (at == std::string_view::npos) {
        return "(withheld, for it came out of turn)";
    }
    std::string_view token = sent.substr(at + kBeforeToken.size());
    token = token.substr(0, token.find('\x01'));
    if (challenge.find(token) != std::string_view::npos) {
        return "(withheld, for it repeats the token)";
    }
    return printable(challenge, kMaxChallengeBytes);
}

}  // namespace

int Client::step(sasl_client_params_t& params, std::string_view challenge,
                 sasl_interact_t** prompts, std::string_view& output,
                 sasl_out_params_t& out_params) {
    output = {};
    // Never done by our own word: libsasl2 answers any later step with a failure of its own then,
    // and clients differ in whether they make one after the server's OK.
    out_params.doneflag = 0;
    out_params.mech_ssf = 0;
    out_params.maxoutbuf = 0;
    int code = SASL_OK;
    if (state_ == State::Initial) {
        code = first_step(params, prompts, out_params);
    } else if (challenge.empty()) {
        output_.clear();
        output_.shrink_to_fit();
    } else {
        code = refused(params, challenge);
    }
    output = view(output_);
    return code;
}

int Client::first_step(sasl_client_params_t& params, sasl_interact_t** prompts,
                       sasl_out_params_t& out_params) {
    const int identified = identify(params, prompts, out_params);
    if (identified != SASL_OK) {
        return identified;
    }
    const auto resource = resource_of_service(text_of(params.service));
    if (!resource) {
        say(*params.utils, "no token for " + account_ + ": service '" +
                               printable(text_of(params.service), kMaxHostBytes) +
                               "' is none of smtp, submission, lmtp, imap, imaps, pop, pop3");
        return SASL_BADPARAM;
    }
    resource_ = *resource;
    return fetch_token(params);
}

int Client::identify(sasl_client_params_t& params, sasl_interact_t** prompts,
                     sasl_out_params_t& out_params) {
    const sasl_utils_t& utils = *params.utils;
    std::string name;
    const int asked = ask_user_name(utils, prompts, name);
    if (asked != SASL_OK) {
        return asked;
    }
    const NameAnswer other = call_for_name(utils, SASL_CB_USER);
    const bool has_other = other.code == SASL_OK && !other.name.empty() && other.name != name;
    if (!usable_name(name) || (has_other && !usable_name(other.name))) {
        say(utils, "no token for " + printable(name, kMaxNameBytes) +
                       ": the user name is longer than 512 bytes or has control characters");
        return SASL_BADPARAM;
    }
    int code = params.canon_user(utils.conn, name.c_str(), 0,
                                 has_other ? SASL_CU_AUTHID : SASL_CU_AUTHID | SASL_CU_AUTHZID,
                                 &out_params);
    if (code == SASL_OK && has_other) {
        code = params.canon_user(utils.conn, other.name.c_str(), 0, SASL_CU_AUTHZID, &out_params);
    }
    if (code != SASL_OK) {
        say(utils, "no token for " + name + ": the application does not accept this user name");
        return code;
    }
    account_ = text_of(out_params.authid);
    acting_as_ = has_other ? std::string(text_of(out_params.user)) : std::string();
    return SASL_OK;
}

int Client::ask_user_name(const sasl_utils_t& utils, sasl_interact_t** prompts, std::string& name) {
    if (prompts != nullptr && *prompts != nullptr) {
        const auto* prompt = *prompts;
        while (prompt->id != SASL_CB_LIST_END && prompt->id != SASL_CB_AUTHNAME) {
            ++prompt;
        }
        if (prompt->id == SASL_CB_AUTHNAME && prompt->result != nullptr) {
            name.assign(static_cast<const char*>(prompt->result), prompt->len);
        }
        *prompts = nullptr;
    } else {
        NameAnswer answer = call_for_name(utils, SASL_CB_AUTHNAME);
        if (answer.code == SASL_INTERACT && prompts != nullptr) {
            return prompt_for_name(prompts);
        }
        name = std::move(answer.name);
    }
    if (name.empty()) {
        say(utils,
            "no token: the application names no user (Postfix: \"HOST USER\" in "
            "smtp_sasl_password_maps)");
        return SASL_BADPARAM;
    }
    return SASL_OK;
}

int Client::prompt_for_name(sasl_interact_t** prompts) {
    prompts_[0] = {};
    prompts_[0].id = SASL_CB_AUTHNAME;
    prompts_[0].challenge = "Authentication Name";
    prompts_[0].prompt = "Please enter the account";
    prompts_[1] = {};
    prompts_[1].id = SASL_CB_LIST_END;
    *prompts = prompts_.data();
    return SASL_INTERACT;
}

int Client::fetch_token(const sasl_client_params_t& params) {
    sockets_ = choose_sockets(password_naming_socket(*params.utils), limits_);
    protocol::TokenRequest request;
    request.account = account_;
    request.resource = resource_;
    const std::string_view host = text_of(params.serverFQDN);
    if (host.size() <= kMaxHostBytes && is_plain_utf8(host)) {
        request.host = host;
    }
    const BootTime begin = BootClock::now();
    auto answer = agent_.token(sockets_, std::move(request), begin + limits_.total);
    waited_ = BootClock::now() - begin;
    if (!answer) {
        return agent_unreachable(*params.utils, answer.error());
    }
    if (!*answer) {
        return agent_refused(*params.utils, answer->error());
    }
    return build_message(params, **answer);
}

int Client::build_message(const sasl_client_params_t& params, const protocol::TokenGrant& grant) {
    const std::string& user = grant.user.empty() ? account_ : grant.user;
    // A bearer message has one name. To take the token's own in silence where the application
    // asked for another mailbox would show it the wrong one.
    if (!acting_as_.empty() && !same_name(acting_as_, account_) && !same_name(acting_as_, user)) {
        say(*params.utils, "no token for " + account_ + " to act as " + acting_as_ +
                               ": the agent names the user " + printable(user, kMaxNameBytes) +
                               "; set user in its [[account]]");
        return SASL_NOAUTHZ;
    }
    Result<WipedBytes> message =
        mechanism_ == Mechanism::Xoauth2
            ? xoauth2_message(user, grant.token)
            : oauthbearer_message(user, {text_of(params.serverFQDN), port_of(params.ipremoteport)},
                                  grant.token);
    if (!message) {
        return agent_unreachable(*params.utils, message.error());
    }
    output_ = std::move(*message);
    fingerprint_ = grant.fingerprint;
    state_ = State::TokenSent;
    // Not SASL_OK: the server's word is still to come, and mbsync takes OK here for the end.
    return SASL_CONTINUE;
}

int Client::refused(const sasl_client_params_t& params, std::string_view challenge) {
    const std::string said = quoted_challenge(challenge, view(output_));
    WipedBytes{}.swap(output_);
    if (state_ == State::Refused) {
        say(*params.utils,
            "the server goes on asking after it refused the token for " + account_ + ": " + said);
        return SASL_BADPROT;
    }
    state_ = State::Refused;
    say(*params.utils, "the server refused the token for " + account_ + ": " + said);
    if (mechanism_ == Mechanism::Oauthbearer) {
        output_.push_back('\x01');  // RFC 7628 section 3.2.3; XOAUTH2 answers with nothing
    }
    const milliseconds left =
        std::clamp(limits_.total - waited_, milliseconds(0), limits_.rejected);
    if (left.count() > 0) {
        const protocol::RejectedReport report{account_, resource_, fingerprint_, said, {}};
        agent_.report_rejected(sockets_, report, BootClock::now() + left);
    }
    // Not an error: Postfix would hang up on one before the server's own reply is in the log.
    return SASL_OK;
}

int Client::agent_unreachable(const sasl_utils_t& utils, const Error& error) const {
    say(utils, "no token for " + account_ + ": " + error.context);
    return code_of(error.code);
}

int Client::agent_refused(const sasl_utils_t& utils, const AgentFailure& failure) const {
    const ClassRow& row = row_of(failure.failure_class);
    std::string sentence = failure.message.empty() ? row.sentence : failure.message;
    if (ascii_lower(sentence).find(ascii_lower(account_)) == std::string::npos) {
        sentence.insert(0, "no token for " + account_ + ": ");
    }
    if (!failure.hint.empty() && sentence.find(failure.hint) == std::string::npos) {
        sentence += " (" + failure.hint + ")";
    }
    say(utils, sentence);
    return row.code;
}

}  // namespace postbearer::sasl
