// SPDX-License-Identifier: Apache-2.0
#pragma once

// TOML behind a narrow face: values know where they stand, getters record a problem instead of
// failing, so that one run finds every mistake. toml++ itself stays inside reader.cc.

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/config/problems.hh"

namespace postbearer::config {

enum class Kind : std::uint8_t {
    String,
    Integer,
    Float,
    Boolean,
    Date,
    Time,
    DateTime,
    List,
    Table
};
/// "a string", "an integer", ...
[[nodiscard]] std::string_view name_of(Kind kind) noexcept;

class Table;

/// What the handles share. Lives as long as its Document.
struct Source {
    Problems* problems = nullptr;
    std::uint16_t file = 0;
};

/// One value; a cheap handle, valid while its Document and the Problems live. An as_...() of the
/// wrong kind records "KEY: expected a string, found an integer" and yields nothing.
class Value {
public:
    [[nodiscard]] Kind kind() const noexcept;
    [[nodiscard]] Position position() const noexcept;
    /// The key it stands under; for a list's element that of the list.
    [[nodiscard]] std::string_view name() const noexcept { return name_; }

    [[nodiscard]] std::optional<std::string_view> as_string() const;
    [[nodiscard]] std::optional<bool> as_bool() const;
    [[nodiscard]] std::optional<std::int64_t> as_integer(std::int64_t least,
                                                         std::int64_t most) const;
    [[nodiscard]] std::optional<std::chrono::seconds> as_duration(std::chrono::seconds least,
                                                                  std::chrono::seconds most) const;
    [[nodiscard]] std::optional<std::chrono::sys_days> as_date() const;
    [[nodiscard]] std::optional<Table> as_table() const;
    /// The elements, of any kind.
    [[nodiscard]] std::optional<std::vector<Value>> as_list() const;
    /// Every element a string; those that are not are recorded and left out.
    [[nodiscard]] std::optional<std::vector<Value>> as_string_list() const;

    /// Records an error at this value: `NAME: TEXT`.
    void error(std::string_view text) const;
    void warn(std::string_view text) const;

private:
    friend class Table;
    Value(const void* node, const Source* source, std::string_view name) noexcept
        : node_(node), source_(source), name_(name) {}
    bool expect(bool matches, std::string_view wanted) const;

    const void* node_;  // toml::node
    const Source* source_;
    std::string_view name_;
};

class Table {
public:
    struct Entry {
        std::string_view key;
        Position position;  // of the key
        Value value;
    };

    /// Where its header or brace stands.
    [[nodiscard]] Position position() const noexcept;
    [[nodiscard]] std::optional<Value> find(std::string_view key) const;
    [[nodiscard]] bool has(std::string_view key) const { return find(key).has_value(); }
    /// Of the value under `key`, else of the table.
    [[nodiscard]] Position position_of(std::string_view key) const;
    /// Sorted by key, as the parser keeps them.
    [[nodiscard]] std::vector<Entry> entries() const;

    /// Records each key that is not in `known`: "unknown key 'acount' in [agent]; did you mean
    /// 'account'?". `where` is "[agent]" in that example.
    void reject_unknown(std::span<const std::string_view> known, std::string_view where) const;

    /// Records an error at the table.
    void error(std::string text) const { source_->problems->error(position(), std::move(text)); }
    [[nodiscard]] Problems& problems() const noexcept { return *source_->problems; }

private:
    friend class Value;
    friend class Document;
    Table(const void* table, const Source* source) noexcept : table_(table), source_(source) {}

    const void* table_;  // toml::table
    const Source* source_;
};

/// One parsed file.
class Document {
public:
    /// A syntax error is recorded in `problems` (TOML ends at the first one) and yields nothing.
    /// `text` may go away afterwards, `problems` may not.
    [[nodiscard]] static std::optional<Document> parse(std::string_view text, std::uint16_t file,
                                                       Problems& problems);

    Document(Document&&) noexcept;
    Document& operator=(Document&&) noexcept;
    Document(const Document&) = delete;
    Document& operator=(const Document&) = delete;
    ~Document();

    [[nodiscard]] Table root() const noexcept;

private:
    struct Tree;
    explicit Document(std::unique_ptr<Tree> tree) noexcept;

    std::unique_ptr<Tree> tree_;
};

}  // namespace postbearer::config
