// SPDX-License-Identifier: Apache-2.0

// A plugin's table of mechanisms (sasl_client_plug_t) is nearly always data of the file: the linker
// left a relocation where the pointer to the mechanism's name goes, and plain numbers behind it.

#include "token-agent/cli/plugin_file.hh"

#include <elf.h>
#include <link.h>
#include <sasl/sasl.h>
#include <sasl/saslplug.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <map>
#include <optional>
#include <set>

namespace postbearer::cli {
namespace {

using Header = ElfW(Ehdr);
using Segment = ElfW(Phdr);
using Section = ElfW(Shdr);
using Address = ElfW(Addr);

/// More of anything than a plugin has: a damaged or made-up file must not cost time or memory.
constexpr std::size_t kMaxRelocations = 100'000;
constexpr unsigned kMaxSegments = 64;
constexpr unsigned kMaxSections = 1'024;
constexpr std::size_t kMaxNames = 1'000;

template <typename T>
std::optional<T> read_at(std::string_view bytes, std::uint64_t offset) noexcept {
    if (offset > bytes.size() || bytes.size() - offset < sizeof(T)) {
        return std::nullopt;
    }
    T out;
    std::memcpy(&out, bytes.data() + offset, sizeof out);
    return out;
}

class SharedObject {
public:
    explicit SharedObject(std::string_view bytes) : bytes_(bytes) {
        const auto header = read_at<Header>(bytes, 0);
        constexpr unsigned char kClass = sizeof(void*) == 8 ? ELFCLASS64 : ELFCLASS32;
        if (!header || std::memcmp(header->e_ident, ELFMAG, SELFMAG) != 0 ||
            header->e_ident[EI_CLASS] != kClass || header->e_type != ET_DYN ||
            header->e_phnum > kMaxSegments || header->e_shnum > kMaxSections) {
            return;
        }
        read_segments(*header);
        read_relocations(*header);
        valid_ = true;
    }

    [[nodiscard]] bool valid() const noexcept { return valid_; }
    /// Where in memory the linker puts pointers, and to what.
    [[nodiscard]] const std::map<Address, Address>& pointers() const noexcept { return pointers_; }

    [[nodiscard]] std::optional<std::uint64_t> offset_of(Address address) const noexcept {
        for (const Segment& segment : segments_) {
            if (address >= segment.p_vaddr && address - segment.p_vaddr < segment.p_filesz) {
                return segment.p_offset + (address - segment.p_vaddr);
            }
        }
        return std::nullopt;
    }
    [[nodiscard]] std::optional<Address> address_of(std::uint64_t offset) const noexcept {
        for (const Segment& segment : segments_) {
            if (offset >= segment.p_offset && offset - segment.p_offset < segment.p_filesz) {
                return static_cast<Address>(segment.p_vaddr + (offset - segment.p_offset));
            }
        }
        return std::nullopt;
    }
    template <typename T>
    [[nodiscard]] std::optional<T> value_at(Address address) const noexcept {
        const auto offset = offset_of(address);
        return offset ? read_at<T>(bytes_, *offset) : std::nullopt;
    }

private:
    void read_segments(const Header& header) {
        for (unsigned i = 0; i < header.e_phnum; ++i) {
            const auto segment =
                read_at<Segment>(bytes_, header.e_phoff + std::uint64_t{i} * sizeof(Segment));
            if (segment && segment->p_type == PT_LOAD) {
                segments_.push_back(*segment);
            }
        }
    }
    void read_relocations(const Header& header) {
        for (unsigned i = 0; i < header.e_shnum; ++i) {
            const auto section =
                read_at<Section>(bytes_, header.e_shoff + std::uint64_t{i} * sizeof(Section));
            if (section && section->sh_type == SHT_RELA) {
                add_relocations<ElfW(Rela)>(*section);
            } else if (section && section->sh_type == SHT_REL) {
                add_relocations<ElfW(Rel)>(*section);
            }
        }
    }
    template <typename Relocation>
    void add_relocations(const Section& section) {
        const std::uint64_t count = section.sh_size / sizeof(Relocation);
        for (std::uint64_t i = 0; i < count && relocations_ < kMaxRelocations; ++i) {
            ++relocations_;
            const auto one =
                read_at<Relocation>(bytes_, section.sh_offset + i * sizeof(Relocation));
            if (!one) {
                return;
            }
            if constexpr (requires { one->r_addend; }) {
                pointers_[one->r_offset] = static_cast<Address>(one->r_addend);
            } else {
                pointers_[one->r_offset] = value_at<Address>(one->r_offset).value_or(0);
            }
        }
    }

    std::string_view bytes_;
    std::vector<Segment> segments_;
    std::map<Address, Address> pointers_;
    std::size_t relocations_ = 0;  // of all sections together
    bool valid_ = false;
};

/// All places in memory that hold `name` and its NUL, the ends of longer texts included: the linker
/// merges those.
std::set<Address> addresses_of(const SharedObject& object, std::string_view bytes,
                               std::string_view name) {
    std::set<Address> out;
    const std::string_view with_nul(name.data(), name.size() + 1);
    std::size_t found = 0;
    for (std::size_t at = bytes.find(with_nul); at != std::string_view::npos && found < kMaxNames;
         at = bytes.find(with_nul, at + 1), ++found) {
        if (const auto address = object.address_of(at)) {
            out.insert(*address);
        }
    }
    return out;
}

std::vector<MechanismRank> ranks_of(const SharedObject& object, const std::set<Address>& names) {
    std::vector<MechanismRank> out;
    for (const auto& [place, target] : object.pointers()) {
        // A list of names is no table of mechanisms: that has functions behind the name.
        const bool is_table =
            names.contains(target) &&
            object.pointers().contains(place + offsetof(sasl_client_plug_t, mech_new)) &&
            object.pointers().contains(place + offsetof(sasl_client_plug_t, mech_step));
        if (!is_table) {
            continue;
        }
        const auto field = [&object, at = place](std::size_t offset) {
            return object.value_at<unsigned>(static_cast<Address>(at + offset));
        };
        const auto max_ssf = field(offsetof(sasl_client_plug_t, max_ssf));
        const auto security_flags = field(offsetof(sasl_client_plug_t, security_flags));
        const auto features = field(offsetof(sasl_client_plug_t, features));
        if (max_ssf && security_flags && features) {
            out.push_back({*max_ssf, *security_flags, *features});
        }
    }
    return out;
}

constexpr unsigned kFlagsInOrder[] = {SASL_SEC_NOANONYMOUS,  SASL_SEC_NOPLAINTEXT,
                                      SASL_SEC_MUTUAL_AUTH,  SASL_SEC_NOACTIVE,
                                      SASL_SEC_NODICTIONARY, SASL_SEC_FORWARD_SECRECY};

int compare_bit(unsigned a, unsigned b, unsigned bit) noexcept {
    return static_cast<int>((a & bit) != 0) - static_cast<int>((b & bit) != 0);
}

}  // namespace

std::vector<OfferedMechanism> offered_mechanisms(std::string_view bytes) {
    using namespace std::string_view_literals;
    std::vector<OfferedMechanism> out;
    if (bytes.find("sasl_client_plug_init\0"sv) == std::string_view::npos) {
        return out;
    }
    const SharedObject object(bytes);
    if (!object.valid()) {
        return out;
    }
    for (const char* const name : {"XOAUTH2", "OAUTHBEARER"}) {
        const std::set<Address> addresses = addresses_of(object, bytes, name);
        if (!addresses.empty()) {
            out.push_back({name, ranks_of(object, addresses)});
        }
    }
    return out;
}

int compare_ranks(const MechanismRank& a, const MechanismRank& b) noexcept {
    for (const unsigned flag : kFlagsInOrder) {
        if (const int order = compare_bit(a.security_flags, b.security_flags, flag); order != 0) {
            return order;
        }
    }
    if (const int order = compare_bit(a.features, b.features, SASL_FEAT_CHANNEL_BINDING);
        order != 0) {
        return order;
    }
    return a.max_ssf == b.max_ssf ? 0 : a.max_ssf > b.max_ssf ? 1 : -1;
}

}  // namespace postbearer::cli
