# SPDX-License-Identifier: Apache-2.0
"""The rehearsal's Graph side; run by self_test.py."""
import base64
import hashlib
import http.client
import json
import socket
import struct
import threading
import time
import urllib.parse

from self_test import Base, unpack

GRAPH = "https://graph.microsoft.com"
RELAY = "relay@contoso.test"


def mime(to="bob@example.test", extra="", sender=RELAY, number=1, body="Hello\r\n"):
    return (f"From: {sender}\r\n" + (f"To: {to}\r\n" if to is not None else "") + extra +
            f"Subject: number {number}\r\nMessage-ID: <{number}@client.test>\r\n\r\n" + body)


def b64(text):
    return base64.b64encode(text.encode() if isinstance(text, str) else text).decode()


class GraphBase(Base):
    def setUp(self):
        super().setUp()
        control = self.r.control
        control("PUT", "/clients/app1", {
            "tenant": "contoso.test", "roles": ["Mail.Send", "Mail.ReadWrite"],
            "secrets": [{"value": "s"}], "mailboxes": [RELAY, "*@x.test"]})
        control("PUT", "/graph/behaviour", {})
        control("PUT", "/graph/limits", {})
        control("PUT", "/graph/mailboxes", {"*": "ok"})
        control("DELETE", "/graph/items")
        self.token = self.mint()
        self.connection = self.r.connect()
        self.addCleanup(self.connection.close)

    def mint(self, **changes):
        order = {"client_id": "app1", "tenant": "contoso.test", "audience": GRAPH,
                 "roles": ["Mail.Send", "Mail.ReadWrite"]}
        order.update(changes)
        return self.r.control("POST", "/mint", order)["token"]

    def call(self, method, path, body=None, kind=None, headers=None, connection=None, token=None):
        head = {"Authorization": "Bearer " + (token or self.token), **(headers or {})}
        if isinstance(body, (dict, list)):
            body, kind = json.dumps(body), kind or "application/json"
        if body is not None:
            head["Content-Type"] = kind or "text/plain"
        if head["Authorization"] == "Bearer -":
            del head["Authorization"]
        connection = connection or self.connection
        connection.request(method, path, body, head)
        response = connection.getresponse()
        data = response.read()
        try:
            data = json.loads(data)
        except ValueError:
            pass
        return response, data

    def send(self, text=None, mailbox=RELAY, **more):
        body = more.pop("body", None) or b64(mime() if text is None else text)
        path = f"/v1.0/users/{urllib.parse.quote(mailbox)}/sendMail"
        return self.call("POST", path, body, **more)

    def post(self, rest, body, mailbox=RELAY, **more):
        return self.call("POST", f"/v1.0/users/{mailbox}/{rest}", body, **more)

    def find(self, message_id, more="", **kwargs):
        query = urllib.parse.quote(f"internetMessageId eq '{message_id}'")
        return self.call("GET", f"/v1.0/users/{RELAY}/messages?$filter={query}" + more, **kwargs)

    def refused(self, result, status, code):
        response, data = result
        self.assertEqual((response.status, data["error"]["code"]), (status, code), data)
        self.assertTrue(data["error"]["message"])
        self.assertEqual(data["error"]["innerError"]["request-id"], response.headers["request-id"])
        return response, data

    def messages(self, query=""):
        return self.r.control("GET", "/graph/messages" + query)

    def count(self, name):
        return self.r.control("GET", "/counters")[name]


class GraphSendMail(GraphBase):
    def test_accepted(self):
        text = mime("Bob <Bob@example.test>, ann@x.test", "Cc: carl@x.test\r\nBcc: dan@x.test,\r\n"
                    " bob@example.test\r\nX-Tag: 1\r\nAuto-Submitted: auto-generated\r\n"
                    "References: <a@b>\r\nList-Id: <l>\r\n")
        response, data = self.send(text, headers={"client-request-id": "mine"})
        self.assertEqual((response.status, data, response.headers["Content-Length"]),
                         (202, b"", "0"))
        self.assertEqual(response.headers["client-request-id"], "mine")
        for name in ("request-id", "Date", "x-ms-ags-diagnostic"):
            self.assertTrue(response.headers[name])
        mail = self.messages()[0]
        self.assertEqual((mail["to"], mail["cc"], mail["bcc"]),
                         (["bob@example.test", "ann@x.test"], ["carl@x.test"], ["dan@x.test"]))
        self.assertEqual((mail["mailbox"], mail["message_id"], mail["subject"], mail["size"]),
                         (RELAY, "<1@client.test>", "number 1", len(text)))
        self.assertEqual(mail["request_id"], response.headers["request-id"])
        self.assertEqual(mail["sha256"], hashlib.sha256(text.encode()).hexdigest())
        self.assertEqual(mail["body_sha256"], hashlib.sha256(b"Hello\r\n").hexdigest())
        self.assertEqual({line.split(":")[0] for line in mail["seen"]},
                         {"From", "To", "Cc", "Subject", "Message-ID", "References"})
        one = self.r.control("GET", "/graph/messages/1")
        self.assertEqual(base64.b64decode(one["raw"]).decode(), text)
        path = self.r.control("GET", "/graph/messages/1?file=1")["file"]
        with open(path, "rb") as file:
            self.assertEqual(file.read(), text.encode())
        deliveries = self.r.control("GET", "/graph/deliveries")
        self.assertEqual([(d["recipient"], d["message_id"], d["mailbox"], d["count"])
                          for d in deliveries][3],
                         ("dan@x.test", "<1@client.test>", RELAY, 1))
        self.assertEqual(len(deliveries), 4)
        self.assertNotIn(self.token, json.dumps(self.r.control("GET", "/requests")))

    def test_duplicates_and_filters(self):
        for _ in range(2):
            self.send(mime(number=7))
        self.send(mime(number=8), mailbox="svc@x.test", body=b64(mime(sender="svc@x.test",
                                                                      number=8)))
        twice = self.r.control("GET", "/graph/deliveries?at_least=2")
        self.assertEqual([(d["message_id"], d["count"]) for d in twice], [("<7@client.test>", 2)])
        self.assertEqual(len(self.messages("?mailbox=svc%40x.test")), 1)
        self.assertEqual(len(self.messages("?message_id=%3C7@client.test%3E")), 2)
        self.assertEqual(len(self.messages("?subject=number%208&after=2")), 1)
        self.assertTrue(self.r.control("GET", "/wait?counter=graph_accepted&at_least=3")["reached"])
        self.assertEqual([self.count("graph_" + n) for n in ("requests", "accepted", "deliveries",
                                                             "refused", "in_flight")],
                         [3, 3, 3, 0, 0])

    def test_body_forms(self):
        text = b64(mime(body="x" * 500))
        wrapped = "\r\n".join(text[i:i + 76] for i in range(0, len(text), 76)) + "\r\n"
        self.assertEqual(self.send(body=wrapped)[0].status, 202)
        for bad in (text[:-1], "*" + text, mime(), text.replace("a", "-")):
            self.refused(self.send(body=bad), 400, "ErrorMimeContentInvalidBase64String")
        for bad in ("\r\nno header\r\n", "no header at all", ""):
            self.refused(self.call("POST", f"/v1.0/users/{RELAY}/sendMail", b64(bad)), 400,
                         "ErrorMimeContentInvalid")
        self.refused(self.send(headers={"Content-Encoding": "gzip"}), 400, "BadRequest")
        self.refused(self.send(kind="application/octet-stream"), 400, "UnableToDeserializePostBody")
        chunked = iter([text[:100].encode(), text[100:].encode()])
        self.assertEqual(self.call("POST", f"/v1.0/users/{RELAY}/sendMail", chunked)[0].status, 202)

    def test_recipients(self):
        bad = ["", "bob", "bob@", "@x", "a b@x.test", "undisclosed-recipients:;", None, "a@b..c"]
        for to in bad:
            self.refused(self.send(mime(to)), 400, "ErrorInvalidRecipients")
        self.assertEqual(self.send(mime(None, "Bcc: b@x.test\r\n"))[0].status, 202)
        self.assertEqual(self.send(mime("undisclosed-recipients:;",
                                        "Bcc: b@x.test\r\n"))[0].status, 202)
        self.assertEqual(self.send(mime("g: a@x.test, b@x.test;"))[0].status, 202)
        self.assertEqual(self.messages()[-1]["to"], ["a@x.test", "b@x.test"])
        nested = mime("a@x.test", "Content-Type: multipart/mixed; boundary=q\r\n",
                      body="--q\r\nBcc: spy@x.test\r\n\r\n--q--\r\n")
        self.assertEqual(self.send(nested)[0].status, 202)
        self.assertEqual(self.messages()[-1]["bcc"], [])
        self.r.control("PUT", "/graph/behaviour", {"bcc_only": "refuse", "groups": "refuse_empty"})
        self.refused(self.send(mime(None, "Bcc: b@x.test\r\n")), 400, "ErrorInvalidRecipients")
        self.refused(self.send(mime("none:;", "Cc: b@x.test\r\n")), 400, "ErrorInvalidRecipients")
        many = ",\r\n ".join(f"r{i}@x.test" for i in range(501))
        self.refused(self.send(mime(many)), 400, "ErrorInvalidRecipients")
        self.r.control("PUT", "/graph/limits", {"recipients": 501})
        self.assertEqual(self.send(mime(many))[0].status, 202)
        self.assertEqual(len(self.messages()[-1]["to"]), 501)

    def test_sender(self):
        denied = [mime(sender="boss@contoso.test"), mime(sender='"printer@d" <%s>' % RELAY),
                  mime(sender="=?utf-8?B?cEBk?= <%s>" % RELAY)]
        for text in denied:
            self.refused(self.send(text), 403, "ErrorSendAsDenied")
        self.refused(self.send(mime(sender=f"{RELAY}, b@x.test")), 400, "ErrorMimeContentInvalid")
        self.assertEqual(self.send(mime(sender=RELAY.upper()))[0].status, 202)
        self.assertEqual(self.send(mime().split("\r\n", 1)[1])[0].status, 202)
        self.assertEqual(self.messages()[-1]["from"], RELAY)
        self.r.control("PUT", "/graph/mailboxes", {RELAY: {"send_as": ["boss@contoso.test"]}})
        self.r.control("PUT", "/graph/behaviour", {"at_in_display_name": "accept"})
        for text in denied:
            self.assertEqual(self.send(text)[0].status, 202)

    def test_mailboxes(self):
        self.r.control("PUT", "/graph/mailboxes", {
            RELAY: {"aliases": ["alias@x.test"], "message_bytes": 300}, "gone@x.test": "missing",
            "new@x.test": "not_enabled", "full@x.test": "quota", "bad@x.test": "blocked",
            "other@contoso.test": "ok"})
        rows = [("gone@x.test", 404, "ErrorInvalidUser"), ("who@x.test", 404, "ErrorInvalidUser"),
                ("new@x.test", 404, "MailboxNotEnabledForRESTAPI"),
                ("full@x.test", 507, "ErrorQuotaExceeded"),
                ("bad@x.test", 403, "ErrorMessageSubmissionBlocked"),
                ("other@contoso.test", 403, "ErrorAccessDenied")]
        for mailbox, status, code in rows:
            self.refused(self.send(mailbox=mailbox), status, code)
        self.assertEqual(self.call("GET", "/v1.0/users/full@x.test/messages")[0].status, 200)
        self.assertEqual(self.send(mailbox="alias@x.test")[0].status, 202)
        self.assertEqual(self.messages()[-1]["mailbox"], RELAY)
        guid = self.r.control("GET", "/graph/mailboxes")[RELAY]["id"]
        self.assertEqual(self.send(mailbox=guid)[0].status, 202)
        self.refused(self.send(mime(body="x" * 300)), 400, "ErrorMessageSizeExceeded")
        self.refused(self.call("POST", "/v1.0/users/a/b/sendMail", "QQ=="), 400, "BadRequest")
        self.r.control("PUT", "/graph/mailboxes", {"a@b": "odd"}, expect=(400,))

    def test_tokens(self):
        rows = [("-", "Access token is empty."), ("abc", "CompactToken parsing failed"),
                (self.mint(lifetime=-5), "Lifetime validation failed"),
                (self.mint(foreign_key=True, header={"kid": self.r.ready["kid"]}), "bad signature"),
                (self.mint(audience="https://outlook.office365.com"), "Invalid audience"),
                (self.mint(issuer="https://evil.test/"), "Invalid issuer")]
        for token, message in rows:
            for _ in range(2):
                response, data = self.refused(self.send(token=token), 401,
                                              "InvalidAuthenticationToken")
                self.assertIn(message, data["error"]["message"])
                self.assertIn("Bearer realm", response.headers["WWW-Authenticate"])
        self.refused(self.send(token=self.mint(roles=["Mail.Read"])), 403, "ErrorAccessDenied")
        self.r.control("PUT", "/graph/behaviour", {"roles": "ignore"})
        self.assertEqual(self.send(token=self.mint(roles=[]))[0].status, 202)
        self.refused(self.send(token=self.mint(client_id="nobody")), 403, "ErrorAccessDenied")
        me = self.mint(user="ann@x.test", scope=GRAPH + "/Mail.Send")
        response, _ = self.call("POST", "/v1.0/me/sendMail", b64(mime(sender="ann@x.test")),
                                token=me)
        self.assertEqual((response.status, self.messages()[-1]["mailbox"]), (202, "ann@x.test"))

    def test_claims_challenge(self):
        self.behave({"kind": "cae_challenge", "claims": '{"a":1}'}, endpoint="sendmail")
        response, _ = self.refused(self.send(), 401, "InvalidAuthenticationToken")
        self.assertIn('error="insufficient_claims", claims="%s"' % b64('{"a":1}'),
                      response.headers["WWW-Authenticate"])
        self.assertEqual(self.send()[0].status, 202)
        fingerprint = self.r.control("GET", "/tokens")[-1]["fingerprint"]
        self.r.control("PUT", "/graph/behaviour", {"revoked": [fingerprint]})
        self.refused(self.send(), 401, "InvalidAuthenticationToken")
        self.assertEqual(self.send(token=self.mint())[0].status, 202)

    def test_token_endpoint_makes_graph_tokens(self):
        _, data = self.r.post({"grant_type": "client_credentials", "client_id": "app1",
                               "client_secret": "s", "scope": GRAPH + "/.default"})
        self.assertEqual(unpack(data["access_token"])[1]["aud"], GRAPH)
        self.assertEqual(self.send(token=data["access_token"])[0].status, 202)
        _, data = self.r.post({"grant_type": "client_credentials", "client_id": "app1",
                               "client_secret": "s",
                               "scope": "https://outlook.office365.com/.default"})
        self.assertEqual(unpack(data["access_token"])[1]["aud"], "https://outlook.office365.com")

    def test_json(self):
        message = {"subject": "h\u00e9", "body": {"contentType": "html", "content": "<p>"},
                   "toRecipients": [{"emailAddress": {"address": "b@x.test", "name": 'B "b"'}}],
                   "bccRecipients": [{"emailAddress": {"address": "c@x.test"}}],
                   "internetMessageHeaders": [{"name": "x-tag", "value": "7"}]}
        response, data = self.post("sendMail", {"message": message, "saveToSentItems": True})
        self.assertEqual((response.status, data), (202, b""))
        mail = self.messages()[-1]
        self.assertEqual((mail["subject"], mail["to"], mail["bcc"], mail["from"]),
                         ("h\u00e9", ["b@x.test"], ["c@x.test"], RELAY))
        self.assertIn("x-tag: 7", mail["seen"])
        # and so the named property is primed for MIME
        self.send(mime(extra="X-Tag: 8\r\nX-Other: 9\r\n"))
        self.assertIn("X-Tag: 8", self.messages()[-1]["seen"])
        self.assertNotIn("X-Other: 9", self.messages()[-1]["seen"])
        header = {**message, "internetMessageHeaders": [{"name": "References", "value": "<a>"}]}
        self.refused(self.post("sendMail", {"message": header}), 400,
                     "InvalidInternetMessageHeader")
        self.refused(self.post("sendMail", {"message": {"Subject": "x"}}), 400, "RequestBodyRead")
        for bad in ({"saveToSentItems": True}, {"message": message, "save": 1}, []):
            self.refused(self.post("sendMail", bad), 400, "UnableToDeserializePostBody")
        self.refused(self.post("sendMail", {"message": {**message, "toRecipients": [],
                                                        "bccRecipients": []}}), 400,
                     "ErrorInvalidRecipients")

    def test_kept_headers(self):
        extra = ("X-A: 1\r\nAuto-Submitted: auto\r\nList-Id: <l>\r\nPrecedence: bulk\r\n"
                 "Received: from a\r\nDate: Mon, 1 Jan 2024 00:00:00 +0000\r\n")
        self.r.control("PUT", "/graph/behaviour", {
            "x_headers": "keep", "auto_submitted": "keep", "list_headers": "keep",
            "other_headers": "keep", "received": "keep", "date": "replace",
            "message_id": "replace"})
        self.send(mime(extra=extra))
        mail = self.messages()[-1]
        seen = "\n".join(mail["seen"])
        for name in ("X-A", "Auto-Submitted", "List-Id", "Precedence", "Received"):
            self.assertIn(name + ": ", seen)
        self.assertNotIn("2024", seen)
        self.assertNotIn("client.test", seen)
        self.assertEqual(mail["message_id"], "<1@client.test>")
        self.assertEqual(self.find("<1@client.test>")[1]["value"], [])
        self.assertEqual(len(self.find(mail["kept_message_id"])[1]["value"]), 1)
        self.r.control("PUT", "/graph/behaviour", {"x_headers": "maybe"}, expect=(400,))


class GraphLimits(GraphBase):
    def test_length(self):
        self.r.control("PUT", "/graph/limits", {"body_bytes": 1000})
        fits = mime(body="x" * (750 - len(mime(body=""))))
        self.assertEqual(len(b64(fits)), 1000)
        self.assertEqual(self.send(fits)[0].status, 202)
        self.refused(self.send(fits + "x"), 413, "RequestEntityTooLarge")
        for way, status, body in (("413_empty", 413, b""), ("200", 200, b"")):
            self.r.control("PUT", "/graph/behaviour", {"over_limit": way})
            response, data = self.send(fits + "x")
            self.assertEqual((response.status, data), (status, body))
        self.r.control("PUT", "/graph/behaviour", {"over_limit": "400"})
        self.assertIn("maximum request length",
                      self.refused(self.send(fits + "x"), 400, "BadRequest")[1]["error"]["message"])
        self.assertEqual(self.count("graph_accepted"), 1)
        self.r.control("PUT", "/graph/limits", {"body_bytes": 0, "read_bytes": 5000})
        self.assertEqual(self.send(mime(body="x" * 3000))[0].status, 202)
        with self.assertRaises((ConnectionError, OSError)):
            self.send(mime(body="x" * 9000))
        self.r.control("PUT", "/graph/limits", {"odd": 1}, expect=(400,))

    def test_length_by_default(self):
        size = 4 * 1024 * 1024 // 4 * 3
        fits = mime(body="x" * (size - len(mime(body=""))))
        self.assertEqual(self.send(fits)[0].status, 202)
        self.refused(self.send(fits + "x"), 413, "RequestEntityTooLarge")

    def test_concurrency(self):
        self.behave({"kind": "latency", "ms": 60000}, endpoint="sendmail", times=4)
        waiting = []
        for _ in range(4):
            connection = self.r.connect()
            self.addCleanup(connection.close)
            connection.request("POST", f"/v1.0/users/{RELAY}/sendMail", b64(mime()),
                               {"Authorization": "Bearer " + self.token,
                                "Content-Type": "text/plain"})
            waiting.append(connection)
        self.r.control("GET", "/wait?counter=graph_accepted&at_least=4")
        response, data = self.refused(self.send(), 429, "ApplicationThrottled")
        self.assertEqual(response.headers["Retry-After"], "1")
        self.assertIn("MailboxConcurrency", data["error"]["message"])
        other = b64(mime(sender="a@x.test"))
        self.assertEqual(self.send(mailbox="a@x.test", body=other)[0].status, 202)
        self.assertEqual(self.count("graph_max_in_flight_per_mailbox"), 5)
        self.assertEqual(self.count("graph_in_flight"), 4)
        self.r.control("PUT", "/graph/limits", {"app_concurrent": 4})
        self.refused(self.send(mailbox="a@x.test", body=other), 429, "ApplicationThrottled")

    def test_a_slot_is_free_when_the_answer_is_there(self):
        self.r.control("PUT", "/graph/limits", {"concurrent": 1})
        connections = [self.r.connect() for _ in range(2)]
        for i in range(100):
            self.assertEqual(self.send(connection=connections[i % 2])[0].status, 202)
        for connection in connections:
            connection.close()
        self.assertEqual(self.count("graph_max_in_flight_per_mailbox"), 1)

    def test_windows(self):
        self.r.control("PUT", "/graph/limits", {"requests": 2})
        for _ in range(2):
            self.assertEqual(self.send()[0].status, 202)
        response, data = self.refused(self.send(), 429, "ApplicationThrottled")
        self.assertIn("RequestRate", data["error"]["message"])
        self.assertTrue(590 <= int(response.headers["Retry-After"]) <= 600)
        self.r.control("PUT", "/graph/limits", {"upload_bytes": 300})
        self.assertEqual(self.send()[0].status, 202)
        _, data = self.refused(self.send(mime(body="x" * 200)), 429, "ApplicationThrottled")
        self.assertIn("IncomingBytes", data["error"]["message"])


class GraphMisbehaviour(GraphBase):
    def test_errors(self):
        self.behave({"kind": "graph_error", "status": 503, "code": "ErrorServerBusy",
                     "message": "busy", "inner": "deep", "headers": {"Retry-After": "9"}},
                    endpoint="graph", mailbox=RELAY.upper())
        self.assertEqual(self.send(mailbox="a@x.test",
                                   body=b64(mime(sender="a@x.test")))[0].status, 202)
        response, data = self.refused(self.send(), 503, "ErrorServerBusy")
        self.assertEqual((response.headers["Retry-After"], data["error"]["innerError"]["code"]),
                         ("9", "deep"))
        self.behave({"kind": "graph_error", "status": 504, "code": "UnknownError",
                     "message": "late", "delivered": True}, endpoint="sendmail")
        self.refused(self.send(mime(number=3)), 504, "UnknownError")
        self.assertEqual(self.messages()[-1]["message_id"], "<3@client.test>")
        self.behave({"kind": "html", "status": 504, "delivered": True}, endpoint="sendmail")
        response, data = self.send(mime(number=4))
        self.assertEqual((response.status, data[:9]), (504, b"<!DOCTYPE"))
        self.assertEqual(self.count("graph_accepted"), 3)
        self.behave({"kind": "add_headers", "headers": {"Retry-After": "1"}}, endpoint="sendmail")
        response, _ = self.send(mime(number=5))
        self.assertEqual((response.status, response.headers["Retry-After"]), (202, "1"))

    def test_accept_then_hang(self):
        self.behave({"kind": "hang", "delivered": True}, endpoint="sendmail")
        self.connection.request("POST", f"/v1.0/users/{RELAY}/sendMail", b64(mime()),
                                {"Authorization": "Bearer " + self.token,
                                 "Content-Type": "text/plain"})
        self.r.control("GET", "/wait?counter=graph_accepted&at_least=1")
        self.connection.sock.settimeout(0.2)
        with self.assertRaises(TimeoutError):
            self.connection.sock.recv(1)
        self.assertEqual(self.count("graph_in_flight"), 1)
        self.connection.close()
        deadline = time.monotonic() + 10
        while self.count("graph_in_flight") and time.monotonic() < deadline:
            pass
        self.assertEqual((self.count("graph_in_flight"), self.last()["outcome"]),
                         (0, "client_gone"))

    def test_resets(self):
        for step, accepted in (({"kind": "reset_before"}, 0),
                               ({"kind": "reset_before", "delivered": True}, 1),
                               ({"kind": "reset_in_body"}, 2),
                               ({"kind": "reset_while_reading"}, 2),
                               ({"kind": "reset_while_reading", "after_bytes": 100000}, 2)):
            self.behave(step, endpoint="sendmail")
            with self.assertRaises((ConnectionError, OSError, http.client.HTTPException)):
                response, _ = self.send(mime(body="x" * 2000000))
                self.assertIsNone(response.headers["Content-Length"])  # half a head
                raise ConnectionError
            self.connection.close()
            self.assertEqual(self.count("graph_accepted"), accepted, step)
            self.assertEqual(self.count("graph_in_flight"), 0)

    def test_drip_and_latency(self):
        self.behave([{"kind": "drip", "bytes": 50, "interval_ms": 1}, {"kind": "latency", "ms": 5}],
                    endpoint="sendmail")
        self.assertEqual(self.send()[0].status, 202)
        self.behave({"kind": "huge", "bytes": 100000, "framing": "chunked"}, endpoint="lookup")
        self.assertGreater(len(self.find("<1@client.test>")[1]["padding"]), 99999)

    def test_half_a_request(self):
        body = b64(mime())
        raw = socket.create_connection(("127.0.0.1", self.r.port))
        tls = self.r.tls.wrap_socket(raw, server_hostname="localhost")
        tls.sendall((f"POST /v1.0/users/{RELAY}/sendMail HTTP/1.1\r\nHost: x\r\nAuthorization: "
                     f"Bearer {self.token}\r\nContent-Type: text/plain\r\nContent-Length: "
                     f"{len(body)}\r\nExpect: 100-continue\r\n\r\n").encode())
        self.assertIn(b"100 Continue", tls.recv(100))
        tls.sendall(body[:50].encode())
        self.assertEqual(self.count("graph_in_flight"), 1)
        tls.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        tls.close()
        deadline = time.monotonic() + 10
        while self.count("graph_in_flight") and time.monotonic() < deadline:
            pass
        self.assertEqual((self.count("graph_in_flight"), self.count("graph_accepted")), (0, 0))
        self.assertEqual(self.last()["outcome"], "client_gone")

    def test_many_at_once(self):
        self.behave({"kind": "latency", "ms": 50}, endpoint="sendmail", times=-1)
        self.r.control("PUT", "/graph/limits", {"concurrent": 0})
        done = []

        def work(number):
            connection = self.r.connect()
            done.append(self.send(mime(number=number), connection=connection)[0].status)
            connection.close()
        threads = [threading.Thread(target=work, args=(i,)) for i in range(50)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(done, [202] * 50)
        self.assertGreater(self.count("graph_max_in_flight_per_mailbox"), 10)


class GraphDrafts(GraphBase):
    IMMUTABLE = {"Prefer": 'IdType="ImmutableId"'}

    def draft(self, text=None, **more):
        response, data = self.post("messages", b64(text or mime()), **more)
        self.assertEqual((response.status, data["isDraft"]), (201, True), data)
        return urllib.parse.quote(data["id"], safe=""), data

    def test_send_once(self):
        mid, data = self.draft(headers=self.IMMUTABLE)
        self.assertEqual((data["internetMessageId"], data["subject"]),
                         ("<1@client.test>", "number 1"))
        path = f"messages/{mid}/send"
        response, body = self.post(path, "", headers=self.IMMUTABLE)
        self.assertEqual((response.status, body), (202, b""))
        self.refused(self.post(path, "", headers=self.IMMUTABLE), 404, "ErrorItemNotFound")
        response, data = self.call("GET", f"/v1.0/users/{RELAY}/messages/{mid}",
                                   headers=self.IMMUTABLE)
        self.assertEqual((response.headers["Preference-Applied"], data["isDraft"]),
                         ('IdType="ImmutableId"', False))
        self.assertEqual([mail["endpoint"] for mail in self.messages()], ["send"])
        self.r.control("PUT", "/graph/behaviour", {"second_send": "accepted"})
        self.assertEqual(self.post(path, "")[0].status, 202)
        self.assertEqual(self.count("graph_accepted"), 1)
        self.r.control("PUT", "/graph/behaviour", {"second_send": "sends_again"})
        self.assertEqual(self.post(path, "")[0].status, 202)
        self.assertEqual(self.count("graph_accepted"), 2)

    def test_ordinary_ids_change(self):
        mid, _ = self.draft()
        self.assertEqual(self.post(f"messages/{mid}/send", "")[0].status, 202)
        self.refused(self.call("GET", f"/v1.0/users/{RELAY}/messages/{mid}"), 404,
                     "ErrorItemNotFound")

    def test_judged_when_sent(self):
        mid, _ = self.draft(mime(None))
        self.refused(self.post(f"messages/{mid}/send", ""), 400, "ErrorInvalidRecipients")
        path = f"/v1.0/users/{RELAY}/messages/{mid}"
        self.assertEqual(self.call("DELETE", path)[0].status, 204)
        self.refused(self.call("DELETE", path), 404, "ErrorItemNotFound")
        self.refused(self.post("messages", "****"), 400, "ErrorMimeContentInvalidBase64String")
        self.refused(self.call("GET", path, token=self.mint(roles=["Mail.Send"])), 403,
                     "ErrorAccessDenied")

    def test_lookup(self):
        self.send(mime(number="a'+&=<b"))
        self.send(mime(number=2))
        wanted = "<a''+&=<b@client.test>"
        response, data = self.find(wanted, "&$select=id,isDraft,parentFolderId&$top=5")
        self.assertEqual(response.status, 200, data)
        self.assertEqual([set(v) for v in data["value"]],
                         [{"@odata.etag", "id", "isDraft", "parentFolderId"}])
        self.assertFalse(data["value"][0]["isDraft"])
        self.assertIn("internetMessageId", self.last()["query"])
        reader = self.mint(roles=["Mail.ReadBasic.All"])
        self.assertEqual(len(self.find(wanted, token=reader)[1]["value"]), 1)
        self.assertEqual(self.find("<x@y>")[1]["value"], [])
        base = f"/v1.0/users/{RELAY}/messages?"
        _, data = self.call("GET", base + "$top=1")
        self.assertIn("@odata.nextLink", data)
        for query in ("$filter=subject%20eq%20'x'", "$top=0", "$odd=1"):
            self.refused(self.call("GET", base + query), 400, "BadRequest")
        self.refused(self.find("<x@y>", "&$orderby=sentDateTime"), 400, "InefficientFilter")
        folder = f"/v1.0/users/{RELAY}/mailFolders/"
        self.assertEqual(len(self.call("GET", folder + "SentItems/messages")[1]["value"]), 2)
        self.assertEqual(len(self.call("GET", folder + "Drafts/messages")[1]["value"]), 0)

    def test_lookup_lag(self):
        self.r.control("PUT", "/graph/behaviour", {"sent_lag_ms": 60000})
        self.send(mime(number=1))
        self.assertTrue(self.find("<1@client.test>")[1]["value"][0]["isDraft"])
        self.r.control("PUT", "/graph/behaviour", {"lookup_lag_ms": 60000})
        self.send(mime(number=2))
        self.assertEqual(self.find("<2@client.test>")[1]["value"], [])
        self.r.control("PUT", "/graph/behaviour", {"sent_items": "delete"})
        self.send(mime(number=3))
        self.assertEqual(self.find("<3@client.test>")[1]["value"], [])

    def test_our_header_finds_it(self):
        name = "String {00020386-0000-0000-C000-000000000046} Name X-Our-Id"
        query = urllib.parse.quote("singleValueExtendedProperties/Any(ep: ep/id eq '%s' and "
                                   "ep/value eq '42')" % name)
        path = f"/v1.0/users/{RELAY}/messages?$filter={query}"
        self.send(mime(extra="X-Our-Id: 42\r\n"))
        self.assertEqual(self.call("GET", path)[1]["value"], [])
        self.r.control("PUT", "/graph/mailboxes", {RELAY: {"named_properties": ["x-our-id"]}})
        self.send(mime(extra="X-Our-Id: 42\r\n"))
        self.assertEqual(len(self.call("GET", path)[1]["value"]), 1)

    def test_inbox(self):
        ndr = "From: postmaster@contoso.test\r\nSubject: Undeliverable\r\n\r\n5.1.10\r\n"
        self.r.control("POST", "/graph/inbox", {"mailbox": RELAY, "mime": ndr})
        _, data = self.call("GET", f"/v1.0/users/{RELAY}/mailFolders/Inbox/messages")
        self.assertEqual([v["subject"] for v in data["value"]], ["Undeliverable"])
        mid = urllib.parse.quote(data["value"][0]["id"], safe="")
        response, raw = self.call("GET", f"/v1.0/users/{RELAY}/messages/{mid}/$value")
        self.assertEqual((response.headers["Content-Type"], raw.decode()), ("text/plain", ndr))

    def json_draft(self):
        message = {"subject": "s", "body": {"contentType": "text", "content": "b"},
                   "toRecipients": [{"emailAddress": {"address": "b@x.test"}}]}
        response, data = self.post("messages", message)
        self.assertEqual(response.status, 201, data)
        return urllib.parse.quote(data["id"], safe="")

    def test_attachments(self):
        mid = self.json_draft()
        file = {"@odata.type": "#microsoft.graph.fileAttachment", "name": "a.txt",
                "contentType": "text/plain", "contentBytes": b64("hello")}
        response, data = self.post(f"messages/{mid}/attachments", file)
        self.assertEqual((response.status, data["size"], data["name"]), (201, 5, "a.txt"))
        self.refused(self.post(f"messages/{mid}/attachments", {**file, "contentBytes": "*"}), 400,
                     "RequestBodyRead")
        self.call("PATCH", f"/v1.0/users/{RELAY}/messages/{mid}", {"subject": "patched"})
        self.assertEqual(self.post(f"messages/{mid}/send", "")[0].status, 202)
        self.assertEqual(self.messages()[-1]["subject"], "patched")
        raw = base64.b64decode(self.r.control("GET", "/graph/messages/1")["raw"]).decode()
        self.assertIn('filename="a.txt"', raw)
        self.assertIn(b64("hello"), raw)
        self.refused(self.post(f"messages/{self.draft()[0]}/attachments", file), 400,
                     "ErrorInvalidOperation")
        self.r.control("PUT", "/graph/behaviour", {"draft_lag_requests": 1})
        mid = self.json_draft()
        self.refused(self.post(f"messages/{mid}/attachments", file), 404, "ErrorItemNotFound")
        self.assertEqual(self.post(f"messages/{mid}/attachments", file)[0].status, 201)

    def put(self, url, data, first, total, **headers):
        connection = self.r.connect()
        part = urllib.parse.urlparse(url)
        connection.request("PUT", f"{part.path}?{part.query}", data, {
            "Content-Type": "application/octet-stream",
            "Content-Range": f"bytes {first}-{first + len(data) - 1}/{total}", **headers})
        response = connection.getresponse()
        body = response.read()
        connection.close()
        return response, json.loads(body) if body else None

    def test_upload(self):
        self.r.control("PUT", "/graph/limits", {"session_min_bytes": 10, "chunk_bytes": 100})
        mid = self.json_draft()
        path = f"messages/{mid}/attachments/createUploadSession"
        order = {"AttachmentItem": {"attachmentType": "file", "name": "f.bin", "size": 150}}
        response, session = self.post(path, order)
        self.assertEqual((response.status, session["nextExpectedRanges"]), (201, ["0-"]))
        url, blob = session["uploadUrl"], bytes(range(150))
        self.refused(self.put(url, blob[:100], 0, 150, Authorization="Bearer x"), 401,
                     "InvalidAuthenticationToken")
        self.refused(self.put(url, blob[:101], 0, 150), 413, "RequestEntityTooLarge")
        for first, total in ((0, 151), (100, 150)):
            self.refused(self.put(url, blob[:60], first, total), 400, "invalidRequest")
        _, data = self.refused(self.put(url, blob[50:100], 50, 150), 416, "invalidRange")
        self.assertEqual(data["error"]["innerError"]["code"], "fragmentOutOfOrder")
        response, data = self.put(url, blob[:100], 0, 150)
        self.assertEqual((response.status, data["nextExpectedRanges"]), (200, ["100-"]))
        _, data = self.refused(self.put(url, blob[:100], 0, 150), 416, "invalidRange")
        self.assertEqual(data["error"]["innerError"]["code"], "fragmentOverlap")
        response, _ = self.put(url, blob[100:], 100, 150)
        self.assertEqual(response.status, 201)
        self.assertTrue(response.headers["Location"])
        self.refused(self.put(url, blob[100:], 100, 150), 404, "itemNotFound")
        self.assertNotIn("authtoken", json.dumps(self.r.control("GET", "/requests")))
        self.assertEqual(self.post(f"messages/{mid}/send", "")[0].status, 202)
        raw = base64.b64decode(self.r.control("GET", "/graph/messages/1")["raw"]).decode()
        self.assertIn(b64(blob)[:76], raw)
        order["AttachmentItem"]["size"] = 5
        self.refused(self.post(f"messages/{self.json_draft()}/attachments/createUploadSession",
                               order), 400, "ErrorAttachmentSizeShouldNotBeLessThanMinimumSize")
        self.refused(self.put(url.replace("authtoken=", "authtoken=x"), b"x", 0, 1), 404,
                     "itemNotFound")

    def test_kept_in_files(self):
        self.r.control("PUT", "/graph/behaviour", {"keep": "files"})
        self.send()
        file = self.messages()[0]["file"]
        self.assertTrue(file.endswith("/graph/1.eml"))
        with open(file, "rb") as stream:
            self.assertEqual(stream.read(), mime().encode())
        self.r.control("PUT", "/graph/behaviour", {"keep": "none"})
        self.send()
        self.assertNotIn("raw", self.r.control("GET", "/graph/messages/2"))
