-- SPDX-License-Identifier: Apache-2.0
-- What the MTA is asked to do for one message after the other on one connection.
dofile(here .. "common.lua")

local conn = open()
for i = 1, 3 do
    message(conn)
    expect_diverted(conn, "message " .. i)
end
message(conn, { user = "" })
expect_relayed(conn, "forged mail to port 25")
message(conn, { mailer = "local" })
expect_relayed(conn, "another transport")
message(conn, { header_from = "boss@evil.example" })
expect(conn, SMFIR_REPLYCODE, "allow_from")
check(mt.eom_check(conn, MT_SMTPREPLY, "550", "5.7.1",
    "From <boss@evil.example> may not be used here: it is not in allow_from of route contoso"),
    "allow_from: 550 5.7.1")
message(conn, { from = "<reject@contoso.com>", header_from = "reject@contoso.com" })
expect(conn, SMFIR_REPLYCODE, "reject")
check(mt.eom_check(conn, MT_SMTPREPLY, "550", "5.7.1", "100%% no, %%s %%n %%d"),
    "reject: its reason, % doubled as smfi_setreply(3) wants it")
message(conn)
expect_diverted(conn, "after the others")
mt.disconnect(conn)

conn = open("192.0.2.9")
message(conn, { user = false })
expect_diverted(conn, "trusted client")
mt.disconnect(conn)
conn = open("2001:db8::9")
message(conn, { user = false })
expect_diverted(conn, "trusted client, IPv6")
mt.disconnect(conn)
conn = open("unspec")
message(conn, { user = false })
expect_relayed(conn, "a client without address")
mt.disconnect(conn)

conn = open("127.0.0.1")
message(conn, { user = false, pickup = true, from = "alice@contoso.com", to = "bob@example.org" })
expect_diverted(conn, "sendmail(1)")
message(conn, { user = false, from = "alice@contoso.com", to = "bob@example.org" })
expect_relayed(conn, "an SMTP client of this host that types no brackets")
message(conn, { user = false, pickup = true, from = "", to = "bob@example.org" })
expect_relayed(conn, "the null sender of sendmail(1)")
mt.disconnect(conn)
