// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <json/value.h>

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "graph_mime.hh"

namespace postbearer::rehearsal {

/// One message's bytes as they were submitted; in memory, in a file, or let go.
struct RawMail {
    std::string bytes;
    std::string file;  // where they are instead
    std::size_t size = 0;

    /// Nothing if they were let go.
    [[nodiscard]] std::optional<std::string> read() const;
};

struct GraphAttachment {
    std::string id;
    std::string name;
    std::string content_type;
    std::string content_id;
    bool is_inline = false;
    std::string bytes;
};

/// A message in a mailbox: a draft, a sent one, or one that arrived.
struct GraphItem {
    std::string mailbox;       // lower case
    std::string id;            // changes when the item is sent
    std::string immutable_id;  // does not, by default
    std::string folder;        // drafts, sentitems, inbox
    bool is_draft = true;
    std::string message_id;
    std::string subject;
    WallTime created;
    WallTime sent;
    std::shared_ptr<RawMail> raw;  // none for a draft made of JSON
    Json::Value json;              // of such a draft
    std::vector<GraphAttachment> attachments;
    std::map<std::string, std::string> properties;  // extended ones by id, X- headers included
    MimeFacts facts;
    WallTime found_from;        // not in lists before
    WallTime draft_until;       // shown as a draft before
    std::int64_t refusals = 0;  // requests that find nothing yet

    [[nodiscard]] bool shown_as_draft(WallTime now) const { return is_draft || now < draft_until; }
    [[nodiscard]] std::string shown_folder(WallTime now) const {
        return shown_as_draft(now) ? "drafts" : folder;
    }
};

/// An attachment on its way in pieces.
struct UploadSession {
    std::string number;
    std::string token;
    std::shared_ptr<GraphItem> item;
    GraphAttachment attachment;
    std::size_t size = 0;
    WallTime expires;
    std::string client_id;
};

class GraphStore {
public:
    using Item = std::shared_ptr<GraphItem>;

    /// Gives it ids.
    Item add(GraphItem item);
    /// By either id.
    [[nodiscard]] Item find(const std::string& mailbox, const std::string& id) const;
    [[nodiscard]] std::vector<Item> with_message_id(const std::string& mailbox,
                                                    const std::string& message_id) const;
    /// In the order they came.
    [[nodiscard]] std::vector<Item> all(const std::string& mailbox) const;
    /// New id; the old one is nobody's from now on. Also the immutable one if so asked.
    void renew_ids(const Item& item, bool immutable_too);
    /// The Message-ID has changed.
    void set_message_id(const Item& item, const std::string& message_id);
    void remove(const Item& item);
    void clear();

    UploadSession& open_session(UploadSession session);
    [[nodiscard]] UploadSession* session(const std::string& number);
    void close_session(const std::string& number) { sessions_.erase(number); }

private:
    [[nodiscard]] std::string new_id(const char* prefix);
    void forget_message_id(const Item& item);

    std::uint64_t last_ = 0;
    std::unordered_map<std::string, Item> by_id_;  // mailbox and id
    std::unordered_multimap<std::string, Item> by_message_id_;
    std::unordered_map<std::string, std::vector<Item>> by_mailbox_;
    std::map<std::string, UploadSession> sessions_;
};

}  // namespace postbearer::rehearsal
