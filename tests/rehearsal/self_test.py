#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Proves the rehearsal itself: every behaviour kind, the error table, JWTs (verified by the openssl
command), the auth socket.  usage: self_test.py PATH/postbearer-rehearsal"""
import base64
import email.utils
import http.client
import json
import os
import select
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.parse

PROGRAM = os.path.abspath(sys.argv.pop(1))
SECRET = "p+&=%s ~\u00e4"
SCOPE = "https://outlook.office365.com/.default"


class UnixHttp(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("control")
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self.path)


class Rehearsal:
    def __init__(self):
        self.top = tempfile.TemporaryDirectory()
        self.dir = self.top.name + "/d"
        self.auth_path = self.top.name + "/auth"
        self.log = open(self.top.name + "/log", "w+")
        self.process = subprocess.Popen(
            [PROGRAM, "--directory", self.dir, "--auth-socket", self.auth_path,
             "--http-port", "0"],
            stderr=self.log)
        deadline = time.monotonic() + 20
        while not os.path.exists(self.dir + "/ready.json"):
            assert self.process.poll() is None and time.monotonic() < deadline
            select.select([], [], [], 0.01)
        with open(self.dir + "/ready.json") as file:
            self.ready = json.load(file)
        self.port = self.ready["https_port"]
        self.tls = ssl.create_default_context(cafile=self.dir + "/ca.pem")

    def control(self, method, path, body=None, expect=(200, 201)):
        connection = UnixHttp(self.ready["control_socket"])
        connection.request(method, path, None if body is None else json.dumps(body))
        response = connection.getresponse()
        data = json.loads(response.read())
        assert response.status in expect, (response.status, data)
        connection.close()
        return data

    def connect(self, timeout=10):
        return http.client.HTTPSConnection("localhost", self.port, context=self.tls,
                                           timeout=timeout)

    def post(self, form, tenant="contoso.test", headers=None, path=None, timeout=10):
        connection = self.connect(timeout)
        body = form if isinstance(form, str) else urllib.parse.urlencode(form)
        connection.request("POST", path or f"/{tenant}/oauth2/v2.0/token", body,
                           {"Content-Type": "application/x-www-form-urlencoded",
                            **(headers or {})})
        response = connection.getresponse()
        data = response.read()
        try:
            return response, json.loads(data)
        except ValueError:
            return response, data
        finally:
            connection.close()


def form(**changes):
    base = {"grant_type": "client_credentials", "client_id": "app1", "client_secret": SECRET,
            "scope": SCOPE}
    base.update(changes)
    return {k: v for k, v in base.items() if v is not None}


def unpack(token):
    return [json.loads(base64.urlsafe_b64decode(p + "=" * (-len(p) % 4)))
            for p in token.split(".")[:2]]


class Auth:
    """The client side of Dovecot's protocol, as smtpd(8) speaks it."""

    def __init__(self, path):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(10)
        self.sock.connect(path)
        self.file = self.sock.makefile("rw", newline="\n")
        self.greeting = []
        self.send("VERSION\t1\t0\nCPID\t77")
        while not self.greeting or self.greeting[-1] != "DONE":
            self.greeting.append(self.line())
        self.id = 0

    def close(self):
        self.file.close()
        self.sock.close()

    def send(self, text):
        self.file.write(text + "\n")
        self.file.flush()

    def line(self):
        return self.file.readline().rstrip("\n")

    def begin(self, mechanism, message=None):
        self.id += 1
        response = "" if message is None else "\tresp=" + base64.b64encode(message).decode()
        self.send(f"AUTH\t{self.id}\t{mechanism}\tservice=smtp\tnologin\tlip=127.0.0.1\tsecured"
                  + response)
        return self.line()

    def go_on(self, message):
        self.send(f"CONT\t{self.id}\t" + base64.b64encode(message).decode())
        return self.line()


def xoauth2(user, token):
    return f"user={user}\1auth=Bearer {token}\1\1".encode()


def oauthbearer(user, token):
    return f"n,a={user},\1host=localhost\1port=587\1auth=Bearer {token}\1\1".encode()


class Base(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.r = Rehearsal()

    @classmethod
    def tearDownClass(cls):
        cls.r.process.send_signal(signal.SIGTERM)
        assert cls.r.process.wait(10) == 0
        assert not os.path.exists(cls.r.dir + "/control.sock")
        cls.r.log.seek(0)
        assert SECRET not in cls.r.log.read()
        cls.r.log.close()
        cls.r.top.cleanup()

    def setUp(self):
        self.r.control("DELETE", "/behaviour")
        self.r.control("DELETE", "/records")
        self.r.control("PUT", "/auth/policy", {})
        self.r.control("PUT", "/clients/app1", {
            "tenant": "contoso.test",
            "secrets": [{"value": SECRET}, {"value": "old", "expired": True}],
            "mailboxes": ["relay@contoso.test", "*@x.test"]})

    def behave(self, do, **more):
        return self.r.control("POST", "/behaviour", {"do": do, **more})["id"]

    def last(self):
        return self.r.control("GET", "/requests")[-1]


class Entra(Base):
    def refused(self, code, error, status, changes=None, **more):
        body = changes if isinstance(changes, str) else form(**(changes or {}))
        response, data = self.r.post(body, **more)
        self.assertEqual((response.status, data["error"], data["error_codes"]),
                         (status, error, [code]), data)
        self.assertRegex(data["error_description"],
                         rf"^AADSTS{code}: .* Trace ID: \S+ Correlation ID: \S+ Timestamp: "
                         r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ$")
        for key in ("timestamp", "trace_id", "correlation_id", "error_uri"):
            self.assertIn(key, data)

    def test_errors(self):
        self.refused(900144, "invalid_request", 400, {"grant_type": None})
        self.refused(900144, "invalid_request", 400, {"scope": None})
        self.refused(900144, "invalid_request", 400, {"client_id": ""})
        self.refused(900144, "invalid_request", 400, headers={"Content-Type": "application/json"})
        self.refused(70003, "unsupported_grant_type", 400, {"grant_type": "password"})
        self.refused(700016, "unauthorized_client", 400, {"client_id": "nobody"})
        self.refused(7000215, "invalid_client", 401, {"client_secret": "wrong"})
        self.refused(7000222, "invalid_client", 401, {"client_secret": "old"})
        self.refused(7000216, "invalid_client", 401, {"client_secret": None})
        self.refused(1002012, "invalid_scope", 400, {"scope": "https://outlook.office.com/SMTP.Send"})
        self.refused(70011, "invalid_scope", 400, {"scope": SCOPE + " offline_access"})
        self.refused(500011, "invalid_resource", 400, {"scope": "outlook/.default"})
        self.refused(90002, "invalid_request", 400, tenant="nowhere.test")
        self.refused(9001023, "invalid_request", 400, tenant="common")
        self.refused(9000411, "invalid_request", 400, urllib.parse.urlencode(form()) + "&scope=x")
        self.refused(90023, "invalid_request", 400,
                     "grant_type=client_credentials&client_id=app1&client_secret=p+&=%s ~")

    def test_token(self):
        response, data = self.r.post(form(), headers={"return-client-request-id": "true",
                                                      "client-request-id": "x-1"})
        self.assertEqual(response.status, 200)
        self.assertEqual(response.headers["client-request-id"], "x-1")
        self.assertEqual((data["token_type"], data["expires_in"], data["ext_expires_in"]),
                         ("Bearer", 3600, 3600))
        self.assertNotIn("refresh_in", data)
        header, claims = unpack(data["access_token"])
        self.assertEqual(header, {"typ": "JWT", "alg": "RS256", "kid": self.r.ready["kid"]})
        self.assertEqual(claims["aud"], "https://outlook.office365.com")
        self.assertEqual((claims["roles"], claims["idtyp"], claims["appid"], claims["azp"]),
                         (["SMTP.SendAsApp"], "app", "app1", "app1"))
        self.assertNotIn("upn", claims)
        self.assertLessEqual(claims["nbf"], time.time() - 299)
        self.assertTrue(1300 < len(data["access_token"]) < 2000, len(data["access_token"]))
        self.verify_with_openssl(data["access_token"])
        self.assertEqual(self.r.control("GET", "/tokens")[-1]["token"], data["access_token"])
        self.assertNotIn(SECRET, json.dumps(self.r.control("GET", "/requests"), ensure_ascii=False))
        counters = self.r.control("GET", "/counters")
        self.assertEqual((counters["token_requests"], counters["token_successes"],
                          counters["in_flight"]), (1, 1, 0))

    def verify_with_openssl(self, token):
        signed, signature = token.rsplit(".", 1)
        path = self.r.top.name
        with open(path + "/signed", "w") as f:
            f.write(signed)
        with open(path + "/signature", "wb") as f:
            f.write(base64.urlsafe_b64decode(signature + "=="))
        out = subprocess.run(["openssl", "dgst", "-sha256", "-verify", self.r.dir +
                              "/jwt-public.pem", "-signature", path + "/signature",
                              path + "/signed"], capture_output=True, check=True, text=True)
        self.assertIn("Verified OK", out.stdout)

    def test_delegated_and_refresh_in(self):
        self.r.control("PUT", "/clients/user1", {
            "tenant": "contoso.test", "secrets": [{"value": "s"}], "user": "alice@example.test",
            "lifetime": 90000, "refresh_in": 43200, "pad_bytes": 3000, "audience": "urn:x",
            "extra_claims": {"extra": [1], "wids": None}})
        _, data = self.r.post(form(client_id="user1", client_secret="s"))
        self.assertEqual((data["expires_in"], data["refresh_in"]), (90000, 43200))
        _, claims = unpack(data["access_token"])
        self.assertEqual({claims[k] for k in ("upn", "email", "preferred_username")},
                         {"alice@example.test"})
        self.assertEqual((claims["scp"], claims["scope"], claims["aud"], claims["extra"]),
                         ("SMTP.Send", "https://outlook.office.com/SMTP.Send", "urn:x", [1]))
        self.assertNotIn("wids", claims)
        self.assertGreater(len(data["access_token"]), 4000)

    def test_discovery_and_keys(self):
        connection = self.r.connect()
        connection.request("GET", "/contoso.test/v2.0/.well-known/openid-configuration")
        document = json.loads(connection.getresponse().read())
        _, data = self.r.post(form())
        self.assertEqual(unpack(data["access_token"])[1]["iss"], document["issuer"])
        connection.request("GET", urllib.parse.urlparse(document["jwks_uri"]).path)
        key = json.loads(connection.getresponse().read())["keys"][0]
        self.assertEqual((key["kid"], key["e"]), (self.r.ready["kid"], "AQAB"))
        connection.request("GET", "/contoso.test/oauth2/v2.0/logout")
        self.assertEqual(connection.getresponse().status, 404)
        connection.close()

    def test_oidc(self):
        self.r.control("PUT", "/clients/i%3Ad", {
            "tenant": "oidc", "secrets": [{"value": SECRET}]})
        basic = base64.b64encode(("i%3Ad:" + urllib.parse.quote_plus(SECRET)).encode()).decode()
        body = {"grant_type": "client_credentials", "scope": "smtp", "resource": "urn:mail"}
        response, data = self.r.post(body, path="/oidc/token",
                                     headers={"Authorization": "Basic " + basic})
        self.assertEqual(response.status, 200, data)
        self.assertEqual(self.last()["client_auth"], "basic")
        self.assertEqual(unpack(data["access_token"])[1]["aud"], "urn:mail")
        self.assertNotIn(basic, json.dumps(self.last()))
        response, data = self.r.post(body, path="/oidc/token",
                                     headers={"Authorization": "Basic " + basic[:7]})
        self.assertEqual((response.status, data["error"]), (400, "invalid_request"))
        response, data = self.r.post(form(), path="/oidc/token")
        self.assertEqual((response.status, data["error"]), (401, "invalid_client"))
        connection = self.r.connect()
        connection.request("GET", "/oidc/.well-known/openid-configuration")
        self.assertEqual(json.loads(connection.getresponse().read())["issuer"],
                         self.r.ready["base_url"] + "/oidc")
        connection.close()


class Misbehaviour(Base):
    def test_respond_queue_after_and_times(self):
        self.behave({"kind": "respond", "status": 429, "headers": {"Retry-After": "7"},
                     "body": "slow", "content_type": "text/plain"}, after=1, times=2)
        seen = []
        for _ in range(4):
            response, _ = self.r.post(form())
            seen.append((response.status, response.headers["Retry-After"]))
        self.assertEqual(seen, [(200, None), (429, "7"), (429, "7"), (200, None)])
        self.assertEqual(self.r.control("GET", "/behaviour")[0]["used"], 2)
        self.assertEqual(self.r.control("GET", "/requests")[1]["behaviours"], ["respond"])

    def test_matching(self):
        self.behave({"kind": "html"}, client_id="other", times=-1)
        self.behave({"kind": "html"}, endpoint="keys", times=-1)
        self.assertEqual(self.r.post(form())[0].status, 200)
        connection = self.r.connect()
        connection.request("GET", "/contoso.test/discovery/v2.0/keys")
        self.assertIn(b"<html>", connection.getresponse().read())
        connection.close()

    def test_error(self):
        self.behave({"kind": "error", "aadsts": 7000222})
        response, data = self.r.post(form())
        self.assertEqual((response.status, data["error"]), (401, "invalid_client"))
        self.behave({"kind": "error", "aadsts": 50076, "suberror": "basic_action", "status": 403,
                     "headers": {"Retry-After": "3"}})
        response, data = self.r.post(form())
        self.assertEqual((response.status, data["error"], data["suberror"]),
                         (403, "invalid_grant", "basic_action"))
        self.assertEqual(self.r.control("GET", "/tokens"), [])

    def test_hang_and_release(self):
        number = self.behave({"kind": "hang"})
        connection = self.r.connect()
        connection.request("POST", "/contoso.test/oauth2/v2.0/token", urllib.parse.urlencode(form()),
                           {"Content-Type": "application/x-www-form-urlencoded"})
        self.assertTrue(self.r.control("GET", "/wait?counter=in_flight&at_least=1")["reached"])
        connection.sock.settimeout(0.2)
        with self.assertRaises(TimeoutError):
            connection.sock.recv(1)
        self.r.control("DELETE", f"/behaviour/{number}")
        connection.sock.settimeout(10)
        self.assertEqual(connection.sock.recv(1), b"")
        connection.close()
        self.assertEqual((self.last()["status"], self.last()["outcome"]), (0, "hung"))
        self.assertEqual(self.r.control("GET", "/counters")["in_flight"], 0)

    def test_hang_client_leaves(self):
        self.behave({"kind": "hang"})
        with self.assertRaises(TimeoutError):
            self.r.post(form(), timeout=0.3)
        deadline = time.monotonic() + 5
        while self.last()["outcome"] == "in_flight" and time.monotonic() < deadline:
            pass
        self.assertEqual(self.last()["outcome"], "client_gone")

    def test_hang_accept(self):
        number = self.behave({"kind": "hang_accept"})
        with self.assertRaises(TimeoutError):
            self.r.post(form(), timeout=0.3)
        self.assertEqual(self.r.post(form())[0].status, 200)
        self.r.control("DELETE", f"/behaviour/{number}")

    def test_resets(self):
        self.behave({"kind": "reset_before"})
        with self.assertRaises(ConnectionResetError):
            self.r.post(form())
        self.assertEqual(self.last()["outcome"], "reset")
        self.assertEqual(self.r.control("GET", "/tokens"), [])
        self.behave({"kind": "reset_in_body"})
        with self.assertRaises((ConnectionResetError, http.client.IncompleteRead)):
            self.r.post(form())
        self.assertEqual(self.last()["outcome"], "reset_in_body")
        self.assertEqual(len(self.r.control("GET", "/tokens")), 1)

    def test_drip_and_latency(self):
        self.behave([{"kind": "drip", "bytes": 400, "interval_ms": 40},
                     {"kind": "latency", "ms": 200}])
        start = time.monotonic()
        response, data = self.r.post(form())
        self.assertIn("access_token", data)
        self.assertGreater(time.monotonic() - start, 0.35)

    def test_huge(self):
        for framing in ("length", "chunked", "close"):
            self.behave({"kind": "huge", "bytes": 10485760, "framing": framing})
            response, data = self.r.post(form())
            self.assertEqual(response.headers["Content-Length"] is None, framing != "length")
            self.assertEqual(len(data["padding"]), 10485760)
            self.assertIn("access_token", data)

    def test_redirect_html_patch_date(self):
        self.behave({"kind": "redirect", "status": 307, "location": "https://localhost:1/x"})
        response, _ = self.r.post(form())
        self.assertEqual((response.status, response.headers["Location"]),
                         (307, "https://localhost:1/x"))
        self.behave({"kind": "html"})
        response, data = self.r.post(form())
        self.assertEqual((response.status, response.headers["Content-Type"]),
                         (200, "text/html; charset=utf-8"))
        self.behave([{"kind": "patch", "set": {"expires_in": "3599", "token_type": "bearer"},
                      "remove": ["ext_expires_in"]},
                     {"kind": "date_header", "skew_seconds": -7200}])
        response, data = self.r.post(form())
        self.assertEqual((data["expires_in"], data["token_type"]), ("3599", "bearer"))
        self.assertNotIn("ext_expires_in", data)
        date = email.utils.parsedate_to_datetime(response.headers["Date"])
        skew = time.time() - date.timestamp()
        self.assertTrue(7190 < skew < 7210, skew)

    def test_spoilt_tokens(self):
        self.behave({"kind": "sign_with_foreign_key"})
        self.behave({"kind": "sign_with_foreign_key", "kid": "k9"})
        self.behave({"kind": "expired_token"})
        tokens = [self.r.post(form())[1] for _ in range(4)]
        self.assertEqual([t["expires_in"] for t in tokens], [3600] * 4)
        auth = Auth(self.r.auth_path)
        self.addCleanup(auth.close)
        for token in tokens:
            auth.begin("XOAUTH2", xoauth2("relay@contoso.test", token["access_token"]))
        self.assertEqual([a["reason"] for a in self.r.control("GET", "/auth")],
                         ["bad signature", "unknown key", "token expired", ""])

    def test_bad_orders(self):
        for body in ({"do": {"kind": "nonsense"}}, {"do": {"kind": "hang", "x": 1}}, {}, [],
                     {"do": {"kind": "latency", "ms": "1"}}, {"when": 1, "do": {"kind": "hang"}}):
            self.r.control("POST", "/behaviour", body, expect=(400,))
        self.r.control("PUT", "/clients/x", {"tenant": 3}, expect=(400,))
        self.r.control("GET", "/nothing", expect=(404,))
        self.assertFalse(self.r.control("GET", "/wait?counter=requests&at_least=9&timeout_ms=50",
                                        expect=(504,))["reached"])

    def test_many_at_once(self):
        self.behave({"kind": "latency", "ms": 300}, times=-1)
        connections = [self.r.connect() for _ in range(300)]
        for c in connections:
            c.request("POST", "/contoso.test/oauth2/v2.0/token", urllib.parse.urlencode(form()),
                      {"Content-Type": "application/x-www-form-urlencoded"})
        self.assertEqual({c.getresponse().status for c in connections}, {200})
        for c in connections:
            c.close()
        counters = self.r.control("GET", "/counters")
        self.assertEqual((counters["token_successes"], counters["connections"]), (300, 300))
        self.assertGreater(counters["max_in_flight"], 20)

    def test_stranger_is_not_trusted(self):
        out = subprocess.run(["openssl", "verify", "-x509_strict", "-purpose", "sslserver",
                              "-CAfile", self.r.dir + "/ca.pem", self.r.dir + "/other.pem"],
                             capture_output=True)
        self.assertNotEqual(out.returncode, 0)
        for host in ("smtp.office365.com", "login.microsoftonline.com", "graph.microsoft.com",
                     "login.microsoftonline.us", "login.partner.microsoftonline.cn",
                     "graph.microsoft.us", "accounts.google.com", "oauth2.googleapis.com"):
            for ca, name in (("ca", "server"), ("other-ca", "other")):
                subprocess.run(["openssl", "verify", "-x509_strict", "-purpose", "sslserver",
                                "-verify_hostname", host, "-CAfile",
                                f"{self.r.dir}/{ca}.pem", f"{self.r.dir}/{name}.pem"],
                               check=True, capture_output=True)


class AuthSocket(Base):
    def auth(self):
        auth = Auth(self.r.auth_path)
        self.addCleanup(auth.close)
        return auth

    def mint(self, **order):
        return self.r.control("POST", "/mint", {"client_id": "app1", **order})["token"]

    def judged(self, message, mechanism="XOAUTH2"):
        self.auth().begin(mechanism, message)
        return self.r.control("GET", "/auth")[-1]["reason"]

    def test_server_first_success(self):
        auth = self.auth()
        self.assertEqual(auth.greeting[0], "VERSION\t1\t2")
        self.assertIn("MECH\tXOAUTH2", auth.greeting)
        token = self.mint()
        for user in ("relay@contoso.test", "Anyone@X.test"):
            self.assertEqual(auth.begin("XOAUTH2"), f"CONT\t{auth.id}\t")
            self.assertEqual(auth.go_on(xoauth2(user, token)), f"OK\t{auth.id}\tuser={user}")
        self.assertEqual(auth.begin("OAUTHBEARER", oauthbearer("relay@contoso.test", token)),
                         f"OK\t{auth.id}\tuser=relay@contoso.test")
        entries = self.r.control("GET", "/auth")
        self.assertEqual([e["initial_response"] for e in entries], [False, False, True])

    def test_challenge(self):
        auth = self.auth()
        token = self.mint(lifetime=-5)
        for mechanism, build, answer in (("XOAUTH2", xoauth2, b""),
                                         ("OAUTHBEARER", oauthbearer, b"\1")):
            verb, number, data = auth.begin(mechanism,
                                            build("relay@contoso.test", token)).split("\t")
            self.assertEqual(verb, "CONT")
            self.assertIn("status", json.loads(base64.b64decode(data)))
            self.assertRegex(auth.go_on(answer), rf"^FAIL\t{number}\t.*reason=token expired")
        self.assertEqual([e["challenge_answer"] for e in self.r.control("GET", "/auth")],
                         ["empty", "ctrl_a"])

    def test_reasons(self):
        user = "relay@contoso.test"
        good = self.mint()
        rows = [
            (xoauth2(user, self.mint(lifetime=0)), "token expired"),
            (xoauth2(user, self.mint(audience="https://graph.microsoft.com")), "wrong audience"),
            (xoauth2(user, self.mint(foreign_key=True)), "bad signature"),
            (xoauth2(user, self.mint(header={"kid": "x"})), "unknown key"),
            (xoauth2(user, self.mint(header={"typ": "at+jwt"})), "wrong typ"),
            (xoauth2(user, self.mint(header={"alg": "none"})), "wrong algorithm"),
            (xoauth2(user, self.mint(issuer="https://evil.test/")), "wrong issuer"),
            (xoauth2(user, self.mint(roles=["Mail.Send"])), "role missing"),
            (xoauth2("boss@contoso.test", good), "no mailbox permission"),
            (xoauth2(user, self.mint(client_id="gone")), "unknown client"),
            (xoauth2(user, self.mint(extra_claims={"nbf": int(time.time()) + 60})),
             "token not valid yet"),
            (xoauth2(user, "abc"), "not a JWT"),
            (xoauth2(user, good)[:-1], "malformed: auth= or the two final ^A are missing"),
            (xoauth2("", good), "malformed: empty or unclean user"),
            (xoauth2(user, good).replace(b"Bearer", b"bearer"), "malformed: no bearer token"),
            (xoauth2("bob@x.org", self.mint(user="bob@x.org")), ""),
        ]
        for message, reason in rows:
            self.assertEqual(self.judged(message), reason)
        self.assertEqual(self.judged(xoauth2("eve@x.org", self.mint(user="bob@x.org"))),
                         "no mailbox permission")
        self.assertEqual(self.judged(xoauth2("bob@x.org", self.mint(user="bob@x.org",
                                                                    scope="https://o/IMAP"))),
                         "scope missing")

    def test_oauthbearer_strictness(self):
        token = self.mint()
        good = oauthbearer("relay@contoso.test", token)
        self.assertEqual(self.judged(good, "OAUTHBEARER"), "")
        for bad in (good[:-1], good.replace(b"n,a=", b"n,"), good.replace(b"host=", b"h0st="),
                    good.replace(b"\1port=587", b"\1auth=x"), good.replace(b"relay", b"re=lay"),
                    good.replace(b"test,", b"test"), b""):
            self.assertRegex(self.judged(bad, "OAUTHBEARER"), "^malformed")

    def test_policy(self):
        token = self.mint(lifetime=600)
        message = xoauth2("relay@contoso.test", token)
        fingerprint = self.r.control("GET", "/tokens")[-1]["fingerprint"]
        self.r.control("PUT", "/auth/policy", {
            "audience": "https://outlook.office365.com", "role": "SMTP.SendAsApp",
            "refusal": "direct", "min_left_seconds": 660, "passwords": {"u": "p"},
            "mechanisms": ["XOAUTH2", "OAUTHBEARER", "PLAIN"]})
        auth = self.auth()
        self.assertIn("MECH\tPLAIN\tplaintext", auth.greeting)
        self.assertRegex(auth.begin("XOAUTH2", message), "^FAIL\t.*reason=too little time left")
        self.assertRegex(auth.begin("PLAIN", b"\0u\0p"), "^OK\t")
        self.assertRegex(auth.begin("PLAIN", b"\0u\0q"), "^FAIL\t.*wrong password")
        self.r.control("PUT", "/auth/policy", {"refuse_next": 1, "refusal": "temporary"})
        self.assertRegex(auth.begin("XOAUTH2", message), "^FAIL\t.*\ttemp\t")
        self.assertRegex(auth.begin("XOAUTH2", message), "^OK\t")
        self.r.control("PUT", "/auth/policy", {"revoked": [fingerprint]})
        self.assertEqual(self.judged(message), "token revoked")
        self.r.control("PUT", "/auth/policy", {"refusal": "maybe"}, expect=(400,))

    def test_odd_lines(self):
        auth = self.auth()
        self.assertRegex(auth.begin("GSSAPI"), "^CONT|^FAIL")
        auth.send("CONT\t99\tAAAA")
        self.assertRegex(auth.line(), "^FAIL\t99")
        auth.begin("XOAUTH2")
        auth.send(f"CANCEL\t{auth.id}")
        auth.send(f"CONT\t{auth.id}\tAAAA")
        self.assertRegex(auth.line(), f"^FAIL\t{auth.id}\t.*no such request")
        self.assertRegex(auth.begin("XOAUTH2", None), "^CONT")
        auth.send(f"CONT\t{auth.id}\t***")
        self.assertRegex(auth.line(), "^CONT")
        self.assertEqual(self.r.control("GET", "/auth")[-1]["reason"], "malformed: not base64")


if __name__ == "__main__":
    sys.modules["self_test"] = sys.modules["__main__"]
    from graph_self_test import *  # noqa: their cases run with ours
    from login_self_test import *  # noqa
    from google_self_test import *  # noqa
    from identity_self_test import *  # noqa
    from oidc_self_test import *  # noqa
    unittest.main(verbosity=1)
