-- SPDX-License-Identifier: Apache-2.0
-- Edges of the milter protocol.
dofile(here .. "common.lua")

-- An MTA that offers everything.
local conn = open()
for _, option in ipairs({ SMFIP_NR_CONN, SMFIP_NR_MAIL, SMFIP_NR_RCPT, SMFIP_NR_HDR, SMFIP_NR_BODY,
    SMFIP_NOHELO, SMFIP_NOUNKNOWN, SMFIP_NODATA, SMFIP_NOEOH }) do
    check(mt.test_option(conn, option), "option " .. option)
end
for _, option in ipairs({ SMFIP_NOCONNECT, SMFIP_NOMAIL, SMFIP_NORCPT, SMFIP_NOBODY, SMFIP_NOHDRS,
    SMFIP_MDS_256K, SMFIP_MDS_1M, SMFIP_HDR_LEADSPC }) do
    check(not mt.test_option(conn, option), "not option " .. option)
end
check(mt.test_action(conn, SMFIF_ADDHDRS) and mt.test_action(conn, SMFIF_CHGHDRS), "actions")
check(not mt.test_action(conn, SMFIF_CHGBODY) and not mt.test_action(conn, SMFIF_ADDRCPT),
    "more actions than it needs")
message(conn)
expect_diverted(conn, "everything offered")
mt.disconnect(conn)

-- One that offers no step to be left out, and no lists of macros.
conn = open(nil, SMFIF_ADDHDRS + SMFIF_CHGHDRS, 0)
expect(conn, SMFIR_CONTINUE, "conninfo is answered")
check(not mt.test_option(conn, SMFIP_NR_HDR), "took what was not offered")
check(not mt.test_action(conn, SMFIF_SETSYMLIST), "took SETSYMLIST")
good(mt.unknown(conn, "XYZZY"), "unknown")
message(conn)
expect_diverted(conn, "nothing offered")
mt.disconnect(conn)

-- One that lets a milter do nothing: no session, but the next one is served.
conn = mt.connect(socket, 20, 0.1)
local refused = mt.negotiate(conn, nil, nil, SMFIF_ADDRCPT)
check(refused ~= nil, "negotiated without the actions it needs")
mt.disconnect(conn, false)

-- Macros that nobody knows, and none at all.
conn = open()
mt.macro(conn, SMFIC_CONNECT, "{nonsense}", "x", "j", "mx")
mt.macro(conn, SMFIC_MAIL, "{auth_type}", "", "{unknown}", "y")
message(conn)
expect_diverted(conn, "unknown macros")
mt.disconnect(conn)
conn = open()
good(mt.mailfrom(conn, "<alice@contoso.com>"), "mailfrom")
good(mt.rcptto(conn, "<bob@example.org>"), "rcptto")
good(mt.eom(conn), "eom")
expect_relayed(conn, "no macros")
mt.disconnect(conn)

-- No queue id: nothing can be signed.
conn = open()
message(conn, { id = false })
expect_tempfail(conn, "no queue id", "the route could not be signed, try again later")
message(conn)
expect_diverted(conn, "then with one")

-- Abort in the middle; what was said before it is forgotten.
mt.macro(conn, SMFIC_MAIL, "{auth_authen}", "alice")
good(mt.mailfrom(conn, "<alice@contoso.com>"), "mailfrom")
good(mt.rcptto(conn, "<carol@local.example>"), "rcptto")
good(mt.header(conn, "X-Postbearer-Route", "graph"), "header")
good(mt.abort(conn), "abort")
message(conn)
expect_diverted(conn, "after an abort")
check(not mt.eom_check(conn, MT_HDRDELETE), "after an abort: headers of the aborted message")

-- 10,000 fields.
local many = {}
for i = 1, 10000 do
    many[i] = { "X-Number-" .. i, "value" }
end
message(conn, { headers = many })
expect_diverted(conn, "10,000 fields")
mt.disconnect(conn)

-- Hung up at every step, politely and not.
for step = 0, 4 do
    for _, polite in ipairs({ true, false }) do
        conn = open()
        if step > 0 then good(mt.mailfrom(conn, "<alice@contoso.com>"), "mailfrom") end
        if step > 1 then good(mt.rcptto(conn, "<bob@example.org>"), "rcptto") end
        if step > 2 then good(mt.header(conn, "From", "alice@contoso.com"), "header") end
        if step > 3 then good(mt.bodystring(conn, "text"), "body") end
        mt.disconnect(conn, polite)
    end
end
conn = open()
message(conn)
expect_diverted(conn, "after all that")
mt.disconnect(conn)
