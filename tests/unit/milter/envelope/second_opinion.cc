// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/milter/envelope/second_opinion.hh"

#include <gmime/gmime.h>

#include "common/owned.hh"
#include "common/text.hh"
#include "milter/envelope/address.hh"

namespace postbearer::milter::test {
namespace {

using Object = Owned<void, g_object_unref>;

void collect(InternetAddressList* list, std::set<std::string>& keys, bool& has_group) {
    const int count = list == nullptr ? 0 : internet_address_list_length(list);
    for (int i = 0; i < count; ++i) {
        InternetAddress* address = internet_address_list_get_address(list, i);
        if (INTERNET_ADDRESS_IS_GROUP(address)) {
            has_group = true;
            collect(internet_address_group_get_members(INTERNET_ADDRESS_GROUP(address)), keys,
                    has_group);
        } else {
            const std::string text =
                internet_address_mailbox_get_addr(INTERNET_ADDRESS_MAILBOX(address));
            keys.insert(address_key(text).value_or(ascii_lower(text)));
        }
    }
}

}  // namespace

SecondOpinion read_with_gmime(std::string_view section) {
    static const bool ready = [] {
        g_mime_init();
        return true;
    }();
    (void)ready;
    const Object stream(g_mime_stream_mem_new_with_buffer(section.data(), section.size()));
    const Object parser(g_mime_parser_new_with_stream(GMIME_STREAM(stream.get())));
    const Object message(g_mime_parser_construct_message(GMIME_PARSER(parser.get()), nullptr));
    SecondOpinion opinion;
    GMimeMessage* parsed = GMIME_MESSAGE(message.get());
    collect(g_mime_message_get_to(parsed), opinion.keys, opinion.has_group);
    collect(g_mime_message_get_cc(parsed), opinion.keys, opinion.has_group);
    collect(g_mime_message_get_bcc(parsed), opinion.keys, opinion.has_group);
    collect(g_mime_message_get_from(parsed), opinion.from, opinion.has_group);
    return opinion;
}

}  // namespace postbearer::milter::test
