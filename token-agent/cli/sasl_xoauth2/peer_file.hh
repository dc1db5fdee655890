// SPDX-License-Identifier: Apache-2.0
#pragma once

// The files of sasl-xoauth2: its configuration and its token files are both one JSON object, and a
// token file overrides the configuration key by key (sasl-xoauth2.conf(5), TOKEN FILE). Read as
// leniently as that program does.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <tl/expected.hpp>

#include "common/secret.hh"

namespace postbearer::cli {

inline constexpr std::size_t kMaxPeerFileBytes = 256UL * 1024;

/// Counts from 1; 0: the whole file.
struct Place {
    std::uint32_t line = 0;
    std::uint32_t column = 0;
};

struct PeerText {
    std::string value;
    Place at;
};

struct PeerSecret {
    Secret value;
    Place at;
};

/// What a file says; a key that it does not have is absent.
struct PeerFile {
    std::optional<PeerText> client_id;
    std::optional<PeerSecret> client_secret;
    std::optional<PeerText> token_endpoint;
    std::optional<PeerText> proxy;
    std::optional<PeerText> ca_bundle_file;
    std::optional<PeerText> ca_certs_dir;
    std::optional<PeerText> scope;
    std::optional<PeerText> user;
    std::optional<PeerSecret> refresh_token;
    std::optional<bool> use_client_credentials;
    std::optional<bool> manage_token_externally;
};

struct PeerMistake {
    Place at;
    std::string text;  // never a part of the file
};

[[nodiscard]] tl::expected<PeerFile, PeerMistake> parse_peer_file(std::string_view text);

}  // namespace postbearer::cli
