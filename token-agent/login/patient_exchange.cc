// SPDX-License-Identifier: Apache-2.0
#include "token-agent/login/patient_exchange.hh"

#include <algorithm>
#include <memory>
#include <utility>

namespace postbearer::agent {
namespace {

struct Patience : std::enable_shared_from_this<Patience> {
    TokenExchange& exchange;
    const Clock& clock;
    Scheduler& scheduler;
    ExchangeRequest request;
    std::function<bool()> goes_on;
    TokenExchange::Done done;
    int tries = 0;

    Patience(TokenExchange& the_exchange, const Clock& the_clock, Scheduler& the_scheduler,
             ExchangeRequest the_request)
        : exchange(the_exchange),
          clock(the_clock),
          scheduler(the_scheduler),
          request(std::move(the_request)) {}

    void ask() {
        ++tries;
        exchange.send(request, [self = shared_from_this()](ExchangeResult result) {
            self->answered(std::move(result));
        });
    }

    void answered(ExchangeResult result) {
        if (!goes_on()) {
            return;
        }
        // What it was asked with may be spent where a new refresh token came.
        const bool passes =
            !result && result.error().answer.failure_class == protocol::FailureClass::Transient &&
            result.error().refresh_token == nullptr;
        if (!passes || tries == kPatientTries) {
            done(std::move(result));
            return;
        }
        const std::chrono::seconds wait =
            std::min(std::max(std::chrono::seconds(1 << tries),
                              result.error().answer.retry_after.value_or(std::chrono::seconds(0))),
                     kLongestPatience);
        scheduler.at(clock.boot() + wait, [self = shared_from_this()] {
            if (self->goes_on()) {
                self->ask();
            }
        });
    }
};

}  // namespace

void send_patiently(TokenExchange& exchange, const Clock& clock, Scheduler& scheduler,
                    const ExchangeRequest& request, std::function<bool()> goes_on,
                    TokenExchange::Done done) {
    auto patience = std::make_shared<Patience>(exchange, clock, scheduler, request);
    patience->goes_on = std::move(goes_on);
    patience->done = std::move(done);
    patience->ask();
}

}  // namespace postbearer::agent
