-- SPDX-License-Identifier: Apache-2.0
-- What the scripts share.

function check(holds, what)
    if not holds then
        print(what) -- miltertest keeps the text of an error to itself
        error(what, 2)
    end
end

function good(result, what)
    check(result == nil, what .. ": " .. tostring(result))
end

-- A connection after negotiation; `actions` and `steps` as the MTA offers them, nil: all.
function open(address, actions, steps)
    local conn = mt.connect(socket, 20, 0.1)
    check(conn ~= nil, "connect")
    mt.set_timeout(30)
    -- miltertest sends its third argument as the steps and its fourth as the actions, whatever
    -- its manual says.
    good(mt.negotiate(conn, nil, steps, actions), "negotiate")
    good(mt.conninfo(conn, "client.example", address or "198.51.100.7"), "conninfo")
    return conn
end

-- Alice's mail to bob up to its body; `mail` says what is different.
function message(conn, mail)
    mail = mail or {}
    if mail.user ~= false then
        mt.macro(conn, SMFIC_MAIL, "{auth_authen}", mail.user or "alice")
    end
    if mail.pickup then
        mt.macro(conn, SMFIC_MAIL, "i", mail.id or "4cQ7lX0zZkz9rxN")
    end
    good(mt.mailfrom(conn, mail.from or "<alice@contoso.com>"), "mailfrom")
    if mail.id ~= false then
        mt.macro(conn, SMFIC_RCPT, "i", mail.id or "4cQ7lX0zZkz9rxN", "{rcpt_mailer}",
            mail.mailer or "smtp")
    else
        mt.macro(conn, SMFIC_RCPT, "{rcpt_mailer}", mail.mailer or "smtp")
    end
    good(mt.rcptto(conn, mail.to or "<bob@example.org>"), "rcptto")
    good(mt.header(conn, "From", mail.header_from or "alice@contoso.com"), "From")
    for _, each in ipairs(mail.headers or {}) do
        good(mt.header(conn, each[1], each[2]), each[1])
    end
    good(mt.header(conn, "Message-ID", "<1@contoso.com>"), "Message-ID")
    if not mt.test_option(conn, SMFIP_NOEOH) then
        good(mt.eoh(conn), "eoh")
    end
    good(mt.bodystring(conn, "text\r\n"), "body")
    good(mt.eom(conn), "eom")
end

function diverted(conn)
    return mt.eom_check(conn, MT_HDRADD, "X-Postbearer-Route")
end

function expect(conn, reply, what)
    check(mt.getreply(conn) == reply, what .. ": reply " .. string.char(mt.getreply(conn)))
end

function expect_diverted(conn, what)
    expect(conn, SMFIR_ACCEPT, what)
    check(diverted(conn), what .. ": no header")
    check(mt.getheader(conn, "X-Postbearer-Route", 0) == stamp,
        what .. ": " .. tostring(mt.getheader(conn, "X-Postbearer-Route", 0)))
end

function expect_relayed(conn, what)
    expect(conn, SMFIR_ACCEPT, what)
    check(not diverted(conn), what .. ": diverted")
end

function expect_tempfail(conn, what, text)
    local reply = mt.getreply(conn)
    check(reply == SMFIR_TEMPFAIL or
            (reply == SMFIR_REPLYCODE and mt.eom_check(conn, MT_SMTPREPLY, "451", "4.3.0",
                text or "this message could not be read, try again later")),
        what .. ": reply " .. string.char(reply))
    check(not diverted(conn), what .. ": diverted")
end
