-- SPDX-License-Identifier: Apache-2.0
-- Whatever is thrown below a callback: the message is put off, the process lives on.
dofile(here .. "common.lua")

for _, steps in ipairs({ -1, 0 }) do
    local offered = nil
    if steps == 0 then offered = 0 end
    local conn = open(nil, nil, offered)
    for _, id in ipairs({ "THROWALLOC", "THROWRUNTIME", "THROWINT" }) do
        message(conn, { id = id })
        expect_tempfail(conn, id)
        message(conn)
        expect_diverted(conn, "after " .. id)
    end
    for _, length in ipairs({ 740, 742, 744 }) do
        local path = string.rep("a", length - 12) .. "@contoso.com"
        message(conn, { from = "<" .. path .. ">" })
        expect_tempfail(conn, "MAIL FROM of " .. length)
        message(conn)
        expect_diverted(conn, "after MAIL FROM of " .. length)
        message(conn, { to = "<" .. path .. ">" })
        expect_tempfail(conn, "RCPT TO of " .. length)
        message(conn)
        expect_diverted(conn, "after RCPT TO of " .. length)
        message(conn, { headers = { { "To", path } } })
        message(conn)
        expect_diverted(conn, "after To of " .. length)
    end
    mt.disconnect(conn)
end
