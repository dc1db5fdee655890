-- SPDX-License-Identifier: Apache-2.0
-- Routing headers that came in are removed, all of them, diverted or not.
dofile(here .. "common.lua")

local forged = {
    { "X-Postbearer-Route", stamp }, { "x-postbearer-route", "graph; id=x" },
    { "Subject", "hello" }, { "X-POSTBEARER-ROUTE", "" },
}
local conn = open()
message(conn, { headers = forged })
expect_diverted(conn, "forged")
check(mt.eom_check(conn, MT_HDRDELETE, "X-Postbearer-Route"), "forged: removed")
check(not mt.eom_check(conn, MT_HDRDELETE, "Subject"), "forged: Subject removed")
message(conn, { user = "", headers = forged })
expect_relayed(conn, "forged, not submitted")
check(mt.eom_check(conn, MT_HDRDELETE, "X-Postbearer-Route"), "not submitted: removed")
message(conn)
expect_diverted(conn, "clean")
check(not mt.eom_check(conn, MT_HDRDELETE), "clean: something removed")
mt.disconnect(conn)
