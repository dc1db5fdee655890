// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/plugin/token_process.hh"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/failure.hh"
#include "tests/support/scripted_agent.hh"

namespace postbearer::test {
namespace {

[[noreturn]] void serve(const Path& socket, int ready, int stop) {
    std::string token;
    for (std::size_t i = 0; i < kSecretTokenBytes; ++i) {
        token += token_byte(i);
    }
    const ScriptedAgent agent(socket, {answer(grant_text(token, "alice@example.test"))});
    (void)!::write(ready, "r", 1);
    char byte = 0;
    (void)!::read(stop, &byte, 1);
    ::_exit(0);
}

struct Pipe {
    UniqueFd read;
    UniqueFd write;
};

Pipe make_pipe() {
    int ends[2] = {-1, -1};
    if (::pipe2(ends, O_CLOEXEC) != 0) {
        fail_errno("pipe2");
    }
    return {UniqueFd(ends[0]), UniqueFd(ends[1])};
}

}  // namespace

TokenProcess::TokenProcess(const Path& socket) {
    Pipe ready = make_pipe();
    Pipe stop = make_pipe();
    child_ = ::fork();
    if (child_ == 0) {
        stop.write.reset();
        serve(socket, ready.write.get(), stop.read.get());
    }
    ready.write.reset();
    char byte = 0;
    if (::read(ready.read.get(), &byte, 1) != 1) {
        fail("the agent process did not start");
    }
    stop_ = std::move(stop.write);
}

TokenProcess::~TokenProcess() {
    stop_.reset();
    (void)::waitpid(child_, nullptr, 0);
}

MaskedText TokenProcess::masked_token() {
    std::vector<unsigned char> masked;
    for (std::size_t i = 0; i < kSecretTokenBytes; ++i) {
        masked.push_back(static_cast<unsigned char>(static_cast<unsigned char>(token_byte(i)) ^
                                                    MaskedText::kMask));
    }
    return MaskedText(std::move(masked));
}

std::size_t token_pieces_in_memory() {
    constexpr std::size_t kPiece = 24;
    const MaskedText token = TokenProcess::masked_token();
    std::size_t found = 0;
    for (const std::size_t begin :
         {std::size_t{0}, kSecretTokenBytes / 2, kSecretTokenBytes - kPiece}) {
        found += count_in_memory(token.part(begin, kPiece));
    }
    return found;
}

}  // namespace postbearer::test
