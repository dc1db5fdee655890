// SPDX-License-Identifier: Apache-2.0

// postbearer logout and rekey.

#include <cstdio>
#include <string>

#include "token-agent/cli/command.hh"

namespace postbearer::cli {
namespace {

constexpr int kMaxSlices = 1'000'000;

std::uint64_t count_of(const Json::Value& json, const char* name) {
    return json[name].isUInt64() ? json[name].asUInt64() : 0;
}

}  // namespace

int run_logout(const Options& options) {
    Json::Value arguments(Json::objectValue);
    arguments["account"] = options.arguments.front();
    const auto json = call_admin(options, "logout", arguments);
    if (!json) {
        return fail("logout", json.error().context);
    }
    const bool forgotten = (*json)["forgotten"].isBool() && (*json)["forgotten"].asBool();
    if (options.json) {
        print_json(*json);
        return forgotten ? kDone : kFailed;
    }
    const std::string login = shown((*json)["login"]);
    if (!forgotten) {
        return fail("logout", "there is no login of " + login + " to forget");
    }
    const bool revoked = (*json)["revoked"].isBool() && (*json)["revoked"].asBool();
    const std::string note = shown((*json)["revoke_note"]);
    (void)std::printf("%s: logged out, the refresh token is forgotten\n", login.c_str());
    if (revoked) {
        (void)std::puts("The provider has revoked it too.");
    } else {
        (void)std::printf("The provider still knows it%s%s\n", note.empty() ? "." : ": ",
                          note.c_str());
    }
    return kDone;
}

int run_rekey(const Options& options) {
    std::uint64_t sealed = 0;
    std::uint64_t before = UINT64_MAX;
    for (int slice = 0; slice < kMaxSlices; ++slice) {
        const auto json = call_admin(options, "rekey", Json::Value(Json::objectValue));
        if (!json) {
            return fail("rekey", json.error().context +
                                     (sealed > 0 ? "; " + std::to_string(sealed) +
                                                       " records are done, run it again for the "
                                                       "rest"
                                                 : ""));
        }
        sealed += count_of(*json, "done");
        const std::uint64_t remaining = count_of(*json, "remaining");
        if (options.json) {
            print_json(*json);
        } else if (remaining > 0 || sealed > 0) {
            (void)std::printf("%llu records sealed anew, %llu to go\n",
                              static_cast<unsigned long long>(sealed),
                              static_cast<unsigned long long>(remaining));
            (void)std::fflush(stdout);
        }
        if (const std::uint64_t unreadable = count_of(*json, "unreadable");
            remaining == 0 && unreadable > 0) {
            return fail("rekey",
                        std::to_string(unreadable) +
                            " records cannot be opened and are left as they are; the "
                            "agent's log says why. Keep previous_master_keys until that is "
                            "settled");
        }
        if (remaining == 0) {
            if (!options.json) {
                (void)std::puts(
                    "All records are sealed with master_key; previous_master_keys may now be "
                    "removed from the configuration.");
            }
            return kDone;
        }
        if (count_of(*json, "done") == 0 && remaining >= before) {
            return fail("rekey", std::to_string(remaining) +
                                     " records cannot be sealed anew; the agent's log says why. "
                                     "Keep previous_master_keys until then");
        }
        before = remaining;
    }
    return fail("rekey", "it does not come to an end; see the agent's log");
}

}  // namespace postbearer::cli
