// SPDX-License-Identifier: Apache-2.0
#include "graph_store.hh"

#include <algorithm>
#include <fstream>
#include <iterator>

#include "codec.hh"

namespace postbearer::rehearsal {
namespace {

std::string key(const std::string& mailbox, const std::string& what) {
    return mailbox + "\n" + what;
}

}  // namespace

std::optional<std::string> RawMail::read() const {
    if (!file.empty()) {
        std::ifstream in(file, std::ios::binary);
        std::string content((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
        return in ? std::optional(content) : std::nullopt;
    }
    return bytes.size() == size ? std::optional(bytes) : std::nullopt;
}

std::string GraphStore::new_id(const char* prefix) {
    // The length and the alphabet of the real ones: they need encoding in a path.
    return prefix + base64url(sha256(guid() + std::to_string(++last_))) + "AAAAAAEMAAA=";
}

GraphStore::Item GraphStore::add(GraphItem item) {
    item.id = new_id("AAMkADR");
    item.immutable_id = new_id("AAkALgAA");
    auto shared = std::make_shared<GraphItem>(std::move(item));
    by_id_[key(shared->mailbox, shared->id)] = shared;
    by_id_[key(shared->mailbox, shared->immutable_id)] = shared;
    by_message_id_.emplace(key(shared->mailbox, shared->message_id), shared);
    by_mailbox_[shared->mailbox].push_back(shared);
    return shared;
}

GraphStore::Item GraphStore::find(const std::string& mailbox, const std::string& id) const {
    const auto found = by_id_.find(key(mailbox, id));
    return found == by_id_.end() ? nullptr : found->second;
}

std::vector<GraphStore::Item> GraphStore::with_message_id(const std::string& mailbox,
                                                          const std::string& message_id) const {
    std::vector<Item> items;
    const auto [first, last] = by_message_id_.equal_range(key(mailbox, message_id));
    std::transform(first, last, std::back_inserter(items), [](const auto& e) { return e.second; });
    return items;
}

std::vector<GraphStore::Item> GraphStore::all(const std::string& mailbox) const {
    const auto found = by_mailbox_.find(mailbox);
    return found == by_mailbox_.end() ? std::vector<Item>() : found->second;
}

void GraphStore::renew_ids(const Item& item, bool immutable_too) {
    by_id_.erase(key(item->mailbox, item->id));
    item->id = new_id("AAMkADR");
    by_id_[key(item->mailbox, item->id)] = item;
    if (immutable_too) {
        by_id_.erase(key(item->mailbox, item->immutable_id));
        item->immutable_id = new_id("AAkALgAA");
        by_id_[key(item->mailbox, item->immutable_id)] = item;
    }
}

void GraphStore::forget_message_id(const Item& item) {
    const auto [first, last] = by_message_id_.equal_range(key(item->mailbox, item->message_id));
    const auto found = std::find_if(first, last, [&](const auto& e) { return e.second == item; });
    if (found != last) {
        by_message_id_.erase(found);
    }
}

void GraphStore::set_message_id(const Item& item, const std::string& message_id) {
    forget_message_id(item);
    item->message_id = message_id;
    by_message_id_.emplace(key(item->mailbox, message_id), item);
}

void GraphStore::remove(const Item& item) {
    forget_message_id(item);
    by_id_.erase(key(item->mailbox, item->id));
    by_id_.erase(key(item->mailbox, item->immutable_id));
    auto& list = by_mailbox_[item->mailbox];
    list.erase(std::remove(list.begin(), list.end(), item), list.end());
}

void GraphStore::clear() {
    by_id_.clear();
    by_message_id_.clear();
    by_mailbox_.clear();
    sessions_.clear();
}

UploadSession& GraphStore::open_session(UploadSession session) {
    session.number = std::to_string(++last_);
    session.token = base64url(random_bytes(24));
    return sessions_[session.number] = std::move(session);
}

UploadSession* GraphStore::session(const std::string& number) {
    const auto found = sessions_.find(number);
    return found == sessions_.end() ? nullptr : &found->second;
}

}  // namespace postbearer::rehearsal
