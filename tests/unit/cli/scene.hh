// SPDX-License-Identifier: Apache-2.0
#pragma once

// A console whose other end is the test.

#include <fcntl.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>

#include "common/unique_fd.hh"
#include "tests/support/failure.hh"
#include "token-agent/cli/console.hh"

namespace postbearer::test {

/// A stream into memory.
class MemoryStream {
public:
    MemoryStream() : stream_(::open_memstream(&text_, &size_)) {}
    ~MemoryStream() {
        (void)std::fclose(stream_);
        std::free(text_);  // NOLINT(cppcoreguidelines-no-malloc): open_memstream(3) says so
    }
    MemoryStream(const MemoryStream&) = delete;
    MemoryStream& operator=(const MemoryStream&) = delete;
    MemoryStream(MemoryStream&&) = delete;
    MemoryStream& operator=(MemoryStream&&) = delete;

    [[nodiscard]] std::FILE* get() const noexcept { return stream_; }
    [[nodiscard]] std::string text() const {
        (void)std::fflush(stream_);
        return {text_, size_};
    }

private:
    char* text_ = nullptr;
    std::size_t size_ = 0;
    std::FILE* stream_;
};

/// Standard input holds what type() gave it; ctrl_c() is what its name says.
class Scene {
public:
    Scene() {
        int ends[2] = {-1, -1};
        if (::pipe2(ends, O_CLOEXEC) != 0) {
            fail_errno("no pipe");
        }
        in_ = UniqueFd(ends[0]);
        keys_ = UniqueFd(ends[1]);
        console.out = out_.get();
        console.err = err_.get();
        console.in = in_.get();
        UniqueFd signal(::eventfd(0, EFD_CLOEXEC));
        interrupt_fd_ = signal.get();
        interrupt_ = std::make_unique<cli::Interrupt>(std::move(signal));
        console.interrupt = interrupt_.get();
    }

    void type(const std::string& text) { (void)!::write(keys_.get(), text.data(), text.size()); }
    void hang_up() { keys_.reset(); }
    void ctrl_c() const { (void)::eventfd_write(interrupt_fd_, 1); }
    [[nodiscard]] std::string out() const { return out_.text(); }
    [[nodiscard]] std::string err() const { return err_.text(); }
    [[nodiscard]] bool says(const std::string& part) const {
        return out().find(part) != std::string::npos;
    }
    [[nodiscard]] bool complains(const std::string& part) const {
        return err().find(part) != std::string::npos;
    }

    cli::Console console;

private:
    MemoryStream out_;
    MemoryStream err_;
    UniqueFd in_;
    UniqueFd keys_;
    int interrupt_fd_ = -1;
    std::unique_ptr<cli::Interrupt> interrupt_;
};

}  // namespace postbearer::test
