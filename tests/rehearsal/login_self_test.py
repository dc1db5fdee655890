# SPDX-License-Identifier: Apache-2.0
"""Cases of self_test.py: logins, refresh tokens, assertions at the Entra rooms."""
import base64
import hashlib
import json
import os
import subprocess
import time
import urllib.parse

from self_test import Base, SECRET, unpack, xoauth2, Auth

SMTP = "https://outlook.office.com/SMTP.Send"
IMAP = "https://outlook.office.com/IMAP.AccessAsUser.All"
MAIL = "https://graph.microsoft.com/Mail.Send"
READ = "https://graph.microsoft.com/User.Read"
IDENTITY = "openid profile email offline_access"
DEVICE = "urn:ietf:params:oauth:grant-type:device_code"
ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
VERIFIER = "v" * 20 + "-._~" + "A" * 30
CALLBACK = "http://localhost:49152/"


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def challenge(verifier=VERIFIER):
    return b64(hashlib.sha256(verifier.encode()).digest())


class Signer:
    """A key and its self-signed certificate; signs with the openssl command."""

    def __init__(self, directory, name):
        self.key = f"{directory}/{name}.key"
        self.path = f"{directory}/{name}.pem"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj",
                        "/CN=app", "-days", "2", "-keyout", self.key, "-out", self.path],
                       check=True, capture_output=True)
        with open(self.path) as file:
            self.pem = file.read()
        self.public = subprocess.run(["openssl", "x509", "-in", self.path, "-noout", "-pubkey"],
                                     check=True, capture_output=True, text=True).stdout
        self.der = base64.b64decode("".join(self.pem.splitlines()[1:-1]))

    def jwt(self, claims, alg="RS256", **header):
        head = {"alg": alg, "typ": "JWT", **header}
        text = b64(json.dumps(head).encode()) + "." + b64(json.dumps(claims).encode())
        options = ["-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:digest"]
        out = subprocess.run(["openssl", "dgst", "-sha256", "-sign", self.key,
                              *(options if alg == "PS256" else [])],
                             input=text.encode(), capture_output=True, check=True)
        return text + "." + b64(out.stdout)


class LoginBase(Base):
    def setUp(self):
        super().setUp()
        self.r.control("DELETE", "/logins")
        self.put()

    def put(self, name="user-app", **changes):
        self.r.control("PUT", "/clients/" + name, {
            "tenant": "contoso.test", "public": True, "redirect_uris": ["http://localhost"],
            "delegated_scopes": [SMTP, IMAP, MAIL, READ], "device_interval": 0,
            "mailboxes": [],
            "users": {"alice": {"upn": "alice@x.test", "name": "Alice"},
                      "bob": {"upn": "bob@x.test", "mail": None},
                      "cut": {"state": "disabled"}, "no": {"state": "declined"}}, **changes})

    def get(self, path, params=None):
        connection = self.r.connect()
        connection.request("GET", path + ("?" + urllib.parse.urlencode(params) if params else ""))
        response = connection.getresponse()
        body = response.read().decode()
        connection.close()
        return response, body

    path = "/contoso.test/oauth2/v2.0/"

    def authorize(self, expect=302, path=None, **changes):
        params = {"client_id": "user-app", "response_type": "code", "redirect_uri": CALLBACK,
                  "scope": f"{SMTP} {IDENTITY}", "state": "S t/1", "code_challenge": challenge(),
                  "code_challenge_method": "S256", "nonce": "n1", "login_as": "alice"}
        params.update(changes)
        params = {k: v for k, v in params.items() if v is not None}
        response, body = self.get(path or self.path + "authorize", params)
        self.assertEqual(response.status, expect, body)
        if expect != 302:
            return body
        location = urllib.parse.urlsplit(response.headers["Location"])
        answer = dict(urllib.parse.parse_qsl(location.query))
        if "state" in params:
            self.assertEqual(answer["state"], "S t/1")
        answer["target"] = location._replace(query="").geturl()
        return answer

    def token(self, status=200, path=None, **form):
        form = {"client_id": "user-app", **form}
        response, data = self.r.post({k: v for k, v in form.items() if v is not None},
                                     path=path or self.path + "token")
        self.assertEqual(response.status, status, data)
        return data

    def redeem(self, code, status=200, path=None, **changes):
        return self.token(status, path, **{"grant_type": "authorization_code", "code": code,
                                           "redirect_uri": CALLBACK, "code_verifier": VERIFIER,
                                           **changes})

    def refresh(self, token, status=200, path=None, **changes):
        return self.token(status, path, **{"grant_type": "refresh_token", "refresh_token": token,
                                           **changes})

    def refused(self, data, error, *code):
        self.assertEqual((data["error"], *data.get("error_codes", [])), (error, *code), data)

    def login(self, **changes):
        return self.redeem(self.authorize(**changes)["code"])

    def states(self):
        return [t["state"] for t in self.r.control("GET", "/refresh_tokens")]

    def counters(self):
        return self.r.control("GET", "/counters")


class Codes(LoginBase):
    def test_code_flow(self):
        answer = self.authorize(prompt="select_account", login_hint="alice@x.test")
        self.assertEqual(answer["target"], CALLBACK)
        self.assertIn("session_state", answer)
        self.assertNotIn("iss", answer)
        seen = self.last()
        self.assertEqual(
            {k: seen["login"][k] for k in ("code_challenge", "code_challenge_method", "prompt",
                                           "login_hint", "nonce", "state_length", "user")},
            {"code_challenge": True, "code_challenge_method": "S256", "prompt": "select_account",
             "login_hint": "alice@x.test", "nonce": "n1", "state_length": 5, "user": "alice"})
        self.assertEqual((seen["endpoint"], seen["unknown_parameters"]), ("authorize", []))
        data = self.redeem(answer["code"], scope=f"{SMTP} {IDENTITY}")
        self.assertEqual((data["token_type"], data["expires_in"]), ("Bearer", 3600))
        _, claims = unpack(data["access_token"])
        self.assertEqual((claims["aud"], claims["upn"], claims["name"]),
                         ("https://outlook.office.com", "alice@x.test", "Alice"))
        self.assertEqual((claims["scp"], data["scope"]),
                         ("SMTP.Send openid profile email", f"{SMTP} openid profile email"))
        header, identity = unpack(data["id_token"])
        self.assertEqual(header, {"typ": "JWT", "alg": "RS256", "kid": self.r.ready["kid"]})
        self.assertEqual((identity["iss"], identity["aud"], identity["nonce"],
                          identity["preferred_username"], identity["ver"]),
                         (claims["iss"], "user-app", "n1", "alice@x.test", "2.0"))
        self.assertEqual(identity["tid"], claims["tid"])
        self.assertGreater(identity["exp"], time.time())
        auth = Auth(self.r.auth_path)
        self.addCleanup(auth.close)
        self.assertIn("OK", auth.begin("XOAUTH2", xoauth2("alice@x.test", data["access_token"])))
        record = self.last()
        self.assertEqual((record["grant_type"], record["client_auth"], record["scope"],
                          record["unknown_parameters"]),
                         ("authorization_code", "none", f"{SMTP} {IDENTITY}", []))
        self.assertEqual(self.counters()["codes_issued"], 1)
        self.refused(self.redeem(answer["code"], 400), "invalid_grant", 54005)

    def test_code_refusals(self):
        code = self.authorize()["code"]
        self.refused(self.redeem(code, 400, code_verifier="x" * 43), "invalid_grant", 501481)
        self.refused(self.redeem(code, 400, code_verifier=None), "invalid_grant", 50148)
        self.refused(self.redeem(code, 400, redirect_uri="http://localhost:49152"),
                     "invalid_grant", 500112)
        self.refused(self.redeem("x", 400), "invalid_grant", 70000)
        self.refused(self.redeem(None, 400), "invalid_request", 900144)
        self.put("other")
        self.refused(self.redeem(code, 400, client_id="other"), "invalid_grant", 70000)
        self.refused(self.redeem(code, 401, client_secret="s"), "invalid_client", 700025)
        self.redeem(code)
        self.put(code_expires=0)
        self.refused(self.redeem(self.authorize()["code"], 400), "invalid_grant", 70008)

    def test_confidential_client(self):
        self.put(public=False, secrets=[{"value": SECRET}])
        code = self.authorize()["code"]
        self.refused(self.redeem(code, 401), "invalid_client", 7000218)
        self.refused(self.redeem(code, 401, client_secret="x"), "invalid_client", 7000215)
        self.redeem(code, client_secret=SECRET)
        self.assertEqual(self.last()["client_auth"], "post")

    def test_redirects(self):
        for good in ("http://localhost", "http://localhost/", "http://localhost:1/",
                     "http://LOCALHOST:65535"):
            self.authorize(redirect_uri=good)
        for bad in ("http://localhost:1/x", "https://localhost/", "http://127.0.0.1:1/",
                    "http://localhost.evil.test/", "http://evil.test/http://localhost", ""):
            self.assertIn("AADSTS50011", self.authorize(400, redirect_uri=bad))
        self.put(redirect_uris=["http://localhost/CB", "https://a.test:8443/x"])
        self.authorize(redirect_uri="http://localhost:9/CB")
        self.authorize(redirect_uri="https://a.test:8443/x")
        self.authorize(400, redirect_uri="http://localhost:9/cb")
        self.authorize(400, redirect_uri="https://a.test/x")
        self.put(redirect_uris=["https://a.test/x"])
        self.authorize(redirect_uri="https://a.test/x")
        self.authorize(400, redirect_uri="https://a.test:8443/x")
        self.assertIn("AADSTS700016", self.authorize(400, client_id="nobody"))
        self.assertIn("AADSTS90002", self.authorize(400, path="/no.test/oauth2/v2.0/authorize"))

    def test_error_redirects(self):
        rows = ((dict(response_type="token"), "unsupported_response_type"),
                (dict(code_challenge=None), "invalid_request"),
                (dict(code_challenge_method="plain"), "invalid_request"),
                (dict(code_challenge="short"), "invalid_request"),
                (dict(scope="https://outlook.office.com/Nothing"), "invalid_scope"),
                (dict(login_as=None, prompt="none"), "login_required"),
                (dict(login_as="no"), "access_denied"))
        for changes, error in rows:
            answer = self.authorize(**changes)
            self.assertEqual(answer["error"], error)
            self.assertRegex(answer["error_description"], "^AADSTS[0-9]+: ")
            self.assertNotIn("code", answer)
        self.assertIn("AADSTS50057", self.authorize(200, login_as="cut"))
        self.assertIn("AADSTS50034", self.authorize(200, login_as="mallory"))

    def test_page(self):
        body = self.authorize(200, login_as=None, state='"><b>', login_hint="bob")
        self.assertNotIn('"><b>', body)
        self.assertIn('value="bob"', body)
        path = body.split('action="')[1].split('"')[0].replace("&amp;", "&")
        response, _ = self.r.post("user=bob&decision=approve", path=path)
        self.assertEqual(response.status, 302)
        answer = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(
            response.headers["Location"]).query))
        self.assertEqual(unpack(self.redeem(answer["code"])["access_token"])[1]["upn"],
                         "bob@x.test")
        response, _ = self.r.post("user=bob&decision=decline", path=path)
        self.assertIn("error=access_denied", response.headers["Location"])

    def test_auto_user_and_iss(self):
        self.put(auto_user="bob", send_iss=True)
        answer = self.authorize(login_as=None)
        _, claims = unpack(self.redeem(answer["code"])["id_token"])
        self.assertEqual((answer["iss"], claims["preferred_username"]),
                         (claims["iss"], "bob@x.test"))
        _, body = self.get("/contoso.test/v2.0/.well-known/openid-configuration")
        self.assertTrue(json.loads(body)["authorization_response_iss_parameter_supported"])

    def test_shared_tenants(self):
        for tenant in ("common", "organizations", "consumers"):
            path = f"/{tenant}/oauth2/v2.0/"
            code = self.authorize(path=path + "authorize")["code"]
            data = self.redeem(code, path=path + "token")
            self.refresh(data["refresh_token"], path=path + "token")
            self.assertNotIn("{tenantid}", unpack(data["id_token"])[1]["iss"])

    def test_id_token_can_be_spoilt(self):
        self.put(id_token_claims={"aud": "other", "nonce": None})
        _, claims = unpack(self.login()["id_token"])
        self.assertEqual((claims["aud"], "nonce" in claims), ("other", False))
        code = self.authorize()["code"]
        self.behave({"kind": "sign_with_foreign_key", "kid": "k9"})
        self.assertEqual(unpack(self.redeem(code)["id_token"])[0]["kid"], "k9")
        self.assertNotIn("id_token", self.login(scope=SMTP))
        self.assertNotIn("refresh_token", self.login(scope=SMTP))


class Refreshing(LoginBase):
    def test_lenient(self):
        first = self.login()["refresh_token"]
        second = self.refresh(first)["refresh_token"]
        self.assertNotEqual(first, second)
        self.refresh(first)
        self.refresh(second)
        self.assertEqual(self.states(), ["valid"] * 4)
        record = self.last()
        self.assertEqual(record["login"]["refresh_token"],
                         hashlib.sha256(second.encode()).hexdigest()[:8])
        self.assertEqual(record["login"]["issued_refresh_token"],
                         self.r.control("GET", "/refresh_tokens")[-1]["fingerprint"])
        counters = self.counters()
        self.assertEqual((counters["refresh_requests"], counters["refresh_successes"],
                          counters["refresh_reuse"]), (3, 3, 0))
        self.assertNotIn(second, json.dumps(self.r.control("GET", "/requests")))

    def test_strict(self):
        self.put(rotation="strict")
        other = self.login()["refresh_token"]
        first = self.login()["refresh_token"]
        second = self.refresh(first)["refresh_token"]
        third = self.refresh(second)["refresh_token"]
        self.assertEqual(self.states(), ["valid", "used", "used", "valid"])
        self.refused(self.refresh(first, 400), "invalid_grant", 70000)
        self.assertEqual(self.states(), ["valid"] + ["revoked"] * 3)
        self.refused(self.refresh(third, 400), "invalid_grant", 50173)
        self.refresh(other)
        counters = self.counters()
        self.assertEqual((counters["refresh_reuse"], counters["families_revoked"],
                          counters["refresh_requests"], counters["refresh_successes"]),
                         (1, 1, 5, 3))

    def test_none(self):
        self.put(rotation="none")
        token = self.login()["refresh_token"]
        for _ in range(2):
            self.assertNotIn("refresh_token", self.refresh(token))
        self.assertEqual(self.states(), ["valid"])

    def test_resources(self):
        both = f"{SMTP} {MAIL} {READ} offline_access"
        token = self.login(scope=both)["refresh_token"]
        self.assertEqual(unpack(self.refresh(token)["access_token"])[1]["aud"],
                         "https://outlook.office.com")
        data = self.refresh(token, scope=f"{MAIL} offline_access")
        _, claims = unpack(data["access_token"])
        self.assertEqual((claims["aud"], claims["scp"]),
                         ("https://graph.microsoft.com", "Mail.Send"))
        data = self.refresh(token, scope="https://graph.microsoft.com/.default")
        self.assertEqual(set(unpack(data["access_token"])[1]["scp"].split()),
                         {"Mail.Send", "User.Read"})
        self.assertEqual(data["scope"], f"{MAIL} {READ}")
        self.refused(self.refresh(token, 400, scope=f"{MAIL} {SMTP}"), "invalid_scope", 28000)
        data = self.refresh(token, 400, scope=IMAP)
        self.refused(data, "invalid_grant", 65001)
        self.assertEqual(data["suberror"], "consent_required")
        self.login(scope=IMAP)
        self.refresh(token, scope=IMAP)
        self.assertEqual(unpack(self.refresh(token, scope="Mail.Send")["access_token"])[1]["aud"],
                         "https://graph.microsoft.com")

    def test_refusals(self):
        self.put("other")
        token = self.login()["refresh_token"]
        self.refused(self.refresh("x", 400), "invalid_grant", 70000)
        self.refused(self.refresh(token, 400, client_id="other"), "invalid_grant", 70000)
        self.refused(self.refresh(None, 400), "invalid_request", 900144)
        self.refused(self.refresh(token, 401, client_secret="x"), "invalid_client", 700025)
        self.refused(self.refresh(token, 401, client_secret=""), "invalid_client", 700025)
        for state, code, suberror in (("disabled", 50057, None), ("mfa", 50076, "basic_action"),
                                      ("password_changed", 50173, "bad_token"),
                                      ("inactive", 700082, "bad_token"),
                                      ("blocked", 53003, "message_only"),
                                      ("sign_in_frequency", 70043, "token_expired")):
            self.put(users={"alice": {"state": state}})
            data = self.refresh(token, 400)
            self.refused(data, "invalid_grant", code)
            self.assertEqual(data.get("suberror"), suberror)
        self.put(users={"bob": {}})
        self.refused(self.refresh(token, 400), "invalid_grant", 50034)
        self.put()
        self.refresh(token)
        self.assertEqual(self.r.control("POST", "/refresh_tokens/revoke", {"user": "alice"}),
                         {"revoked": 2})
        self.refused(self.refresh(token, 400), "invalid_grant", 50173)

    def test_mint_and_revoke(self):
        token = self.r.control("POST", "/mint_refresh",
                               {"client_id": "user-app", "user": "alice@x.test"})["refresh_token"]
        for scope in (SMTP, IMAP, MAIL):
            self.refresh(token, scope=scope)
        entry = self.r.control("GET", "/refresh_tokens")[0]
        self.assertEqual((entry["client"], entry["user"], entry["state"]),
                         ("user-app", "alice", "valid"))
        self.assertEqual(self.r.control("POST", "/refresh_tokens/revoke",
                                        {"fingerprint": entry["fingerprint"]}), {"revoked": 1})
        self.refused(self.refresh(token, 400), "invalid_grant", 50173)
        self.r.control("POST", "/mint_refresh", {"client_id": "user-app", "user": "nobody"},
                       expect=(400,))
        narrow = self.r.control("POST", "/mint_refresh", {"client_id": "user-app", "user": "bob",
                                                          "scope": SMTP})["refresh_token"]
        self.refused(self.refresh(narrow, 400, scope=MAIL), "invalid_grant", 65001)
        self.put(preconsented=["*"])
        self.refresh(narrow, scope=MAIL)

    def test_grant_filter(self):
        token = self.login()["refresh_token"]
        self.behave({"kind": "error", "aadsts": 90033}, grant="refresh_token", times=1)
        self.login()
        self.refused(self.refresh(token, 503), "temporarily_unavailable", 90033)
        self.refresh(token)
        self.behave({"kind": "html"}, grant="device_code")
        self.refresh(token)
        response, _ = self.r.post({"grant_type": DEVICE, "client_id": "user-app",
                                   "device_code": "x"})
        self.assertEqual(response.headers["Content-Type"], "text/html; charset=utf-8")

    def test_served_and_lost(self):
        self.put(rotation="strict")
        token = self.login()["refresh_token"]
        self.behave({"kind": "reset_before", "delivered": True}, grant="refresh_token")
        with self.assertRaises(ConnectionResetError):
            self.refresh(token)
        self.assertEqual(self.states(), ["used", "valid"])


class Devices(LoginBase):
    def begin(self, status=200, **changes):
        form = {"client_id": "user-app", "scope": f"{SMTP} {IDENTITY}", **changes}
        response, data = self.r.post(form, path=self.path + "devicecode")
        self.assertEqual(response.status, status, data)
        return data

    def poll(self, begun, status=200, **changes):
        return self.token(status, grant_type=DEVICE, device_code=begun["device_code"], **changes)

    def approve(self, begun, user="alice", expect=(200,)):
        self.r.control("POST", "/device/approve", {"user_code": begun["user_code"], "user": user},
                       expect=expect)

    def device(self):
        return self.r.control("GET", "/device")[-1]

    def test_flow(self):
        self.put(device_expires=120, device_interval=7)
        begun = self.begin()
        self.assertEqual((begun["expires_in"], begun["interval"]), (120, 7))
        self.assertIn(begun["user_code"], begun["message"])
        self.assertIn(begun["verification_uri"], begun["message"])
        self.assertNotIn("verification_uri_complete", begun)
        self.refused(self.poll(begun, 400), "authorization_pending", 70016)
        self.put()
        begun = self.begin()
        self.approve(begun)
        data = self.poll(begun)
        self.assertEqual(unpack(data["id_token"])[1]["preferred_username"], "alice@x.test")
        self.refresh(data["refresh_token"])
        self.refused(self.poll(begun, 400), "invalid_grant", 54005)
        self.assertEqual(self.counters()["device_polls"], 3)
        self.assertNotIn(begun["device_code"], json.dumps(self.r.control("GET", "/requests")))
        self.assertNotIn(begun["device_code"], json.dumps(self.r.control("GET", "/device")))

    def test_slow_down(self):
        self.put(device_interval=60)
        begun = self.begin()
        self.poll(begun, 400)
        for demanded in (65, 70):
            self.refused(self.poll(begun, 400), "slow_down", 70016)
            self.assertEqual(self.device()["demanded_interval"], demanded)
        self.assertEqual([(p["early"], p["answer"]) for p in self.device()["polls"]],
                         [(False, "authorization_pending"), (True, "slow_down"),
                          (True, "slow_down")])
        counters = self.counters()
        self.assertEqual((counters["device_polls"], counters["device_polls_too_early"]), (3, 2))
        self.assertTrue(self.last()["login"]["early"])

    def test_ordered_slow_downs(self):
        self.put(device_slow_downs=1)
        begun = self.begin()
        self.refused(self.poll(begun, 400), "slow_down", 70016)
        self.assertEqual((self.device()["demanded_interval"],
                          self.counters()["device_polls_too_early"]), (5, 0))
        self.behave({"kind": "reset_before"}, grant=DEVICE)
        with self.assertRaises(ConnectionResetError):
            self.poll(begun)
        self.assertEqual([p["early"] for p in self.device()["polls"]], [False, True])

    def test_ends(self):
        for order, error in (("authorization_declined", "authorization_declined"),
                             ("access_denied", "access_denied")):
            begun = self.begin()
            self.r.control("POST", "/device/deny", {"user_code": begun["user_code"], "as": order})
            self.refused(self.poll(begun, 400), error, 65004)
        begun = self.begin()
        self.approve(begun, "no")
        self.refused(self.poll(begun, 400), "authorization_declined", 65004)
        self.refused(self.poll({"device_code": "x"}, 400), "bad_verification_code", 70018)
        self.put("other")
        self.refused(self.poll(self.begin(), 400, client_id="other"), "bad_verification_code",
                     70018)
        self.put(device_expires=0)
        begun = self.begin()
        self.refused(self.poll(begun, 400), "expired_token", 70019)
        self.approve(begun, expect=(409,))
        self.put()
        begun = self.begin()
        for user in ("cut", "mallory", ""):
            self.approve(begun, user, expect=(409,))
        self.refused(self.poll(begun, 400), "authorization_pending", 70016)

    def test_begin_refusals(self):
        self.refused(self.begin(400, scope=""), "invalid_request", 900144)
        self.refused(self.begin(400, client_id=""), "invalid_request", 900144)
        self.refused(self.begin(400, client_id="x"), "unauthorized_client", 700016)
        self.refused(self.begin(400, scope="https://outlook.office.com/No"), "invalid_scope", 70011)
        self.refused(self.begin(400, scope=f"{SMTP} {MAIL}"), "invalid_scope", 28000)
        for body, code in (("client_id=user-app&scope=a b", 90023),
                           ("client_id=user-app&scope=a&scope=b", 9000411)):
            _, data = self.r.post(body, path=self.path + "devicecode")
            self.refused(data, "invalid_request", code)
        self.assertEqual(self.get(self.path + "devicecode")[0].status, 405)
        self.behave({"kind": "error", "aadsts": 90055}, endpoint="devicecode")
        self.refused(self.begin(429), "temporarily_unavailable", 90055)

    def test_public_client_flows(self):
        self.put(public=False)
        begun = self.begin()
        self.approve(begun)
        self.refused(self.poll(begun, 401), "invalid_client", 7000218)
        self.put()
        self.refused(self.poll(begun, 401, client_secret="s"), "invalid_client", 700025)
        self.poll(begun)

    def test_page(self):
        begun = self.begin()
        path = urllib.parse.urlsplit(begun["verification_uri"]).path
        self.assertIn("<form", self.get(path)[1])
        _, body = self.r.post(f"user_code={begun['user_code'].lower()}&user=bob", path=path)
        self.assertIn(b"You have signed in", body)
        self.assertEqual(unpack(self.poll(begun)["access_token"])[1]["upn"], "bob@x.test")
        _, body = self.r.post(f"user_code={begun['user_code']}&user=bob", path=path)
        self.assertIn(b"Check the code", body)
        begun = self.begin()
        self.r.post(f"user_code={begun['user_code']}&user=bob&decision=decline", path=path)
        self.refused(self.poll(begun, 400), "authorization_declined", 65004)


class Assertions(LoginBase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.old = Signer(cls.r.top.name, "old")
        cls.new = Signer(cls.r.top.name, "new")

    def setUp(self):
        super().setUp()
        self.put("cert-app", public=False, certificates=[self.old.pem, self.new.pem],
                 roles=["SMTP.SendAsApp"])
        self.count = 0

    def claims(self, **changes):
        self.count += 1
        now = int(time.time())
        claims = {"aud": self.r.ready["base_url"] + self.path + "token", "iss": "cert-app",
                  "sub": "cert-app", "jti": f"{now}-{self.count}-{id(self)}", "nbf": now - 60,
                  "exp": now + 300, **changes}
        return {k: v for k, v in claims.items() if v is not None}

    def ask(self, assertion, status=200, **changes):
        return self.token(status, **{
            "grant_type": "client_credentials", "client_id": "cert-app",
            "scope": "https://outlook.office365.com/.default",
            "client_assertion_type": ASSERTION, "client_assertion": assertion, **changes})

    def signed(self, alg="PS256", signer=None, **changes):
        signer = signer or self.old
        return signer.jwt(self.claims(**changes), alg,
                          **{"x5t#S256": b64(hashlib.sha256(signer.der).digest())})

    def test_certificate(self):
        for signer in (self.old, self.new):
            for alg in ("PS256", "RS256"):
                data = self.ask(self.signed(alg, signer))
                self.assertEqual(unpack(data["access_token"])[1]["appid"], "cert-app")
                record = self.last()
                self.assertEqual((record["client_auth"], record["login"]["assertion"],
                                  record["unknown_parameters"]),
                                 ("assertion", "certificate " + alg, []))
        self.ask(self.old.jwt(self.claims(), x5t=b64(hashlib.sha1(self.old.der).digest())))
        assertion = self.signed()
        self.ask(assertion)
        self.ask(assertion)
        self.assertNotIn(assertion, json.dumps(self.r.control("GET", "/requests")))

    def test_refusals(self):
        now = int(time.time())
        s256 = {"x5t#S256": b64(hashlib.sha256(self.old.der).digest())}
        rows = [
            (self.signed(exp=now - 1), 700024), (self.signed(nbf=now + 400), 700024),
            (self.signed(exp=None), 700024), (self.signed(aud="https://else.test/"), 700023),
            (self.signed(sub="else"), 700021), (self.signed(jti=None), 50027),
            (self.signed(iss="else"), 70021), ("a.b", 50027),
            (self.new.jwt(self.claims(), "PS256", **s256), 700027),
            (self.old.jwt(self.claims(), "PS256"), 700027),
            (self.old.jwt(self.claims(), "PS256", **{"x5t#S256": s256["x5t#S256"] + "="}), 700027),
            (self.signed()[:-8] + "AAAAAAAA", 700027),
            (self.old.jwt(self.claims(), "none", **s256), 700027),
        ]
        for assertion, code in rows:
            status = 400 if code == 70021 else 401
            data = self.ask(assertion, status)
            self.assertEqual(data["error_codes"], [code], data)
        self.ask(self.signed(), 400, client_assertion_type="x")
        self.ask(self.signed(), 400, client_secret="s")
        jti = self.signed(jti="same")
        self.ask(jti)
        self.refused(self.ask(self.signed(jti="same", exp=now + 301), 401), "invalid_client", 50027)

    def test_fallbacks(self):
        self.put("cert-app", public=False, certificates=[self.new.pem],
                 assertion_algorithms=["RS256"], refuse_replay=True)
        self.refused(self.ask(self.signed("PS256", self.new), 401), "invalid_client", 700027)
        self.refused(self.ask(self.signed("RS256", self.old), 401), "invalid_client", 700027)
        assertion = self.signed("RS256", self.new)
        self.ask(assertion)
        self.refused(self.ask(assertion, 401), "invalid_client", 50027)

    def test_delegated_by_certificate(self):
        self.put("cert-app", public=False, certificates=[self.new.pem])
        code = self.authorize(client_id="cert-app")["code"]
        self.redeem(code, client_id="cert-app", client_assertion_type=ASSERTION,
                    client_assertion=self.signed("PS256", self.new))

    def test_federated(self):
        self.put("cert-app", public=False, federated=[
            {"issuer": "https://k8s.test", "subject": "system:sa:x",
             "audience": "api://AzureADTokenExchange", "public_key": self.new.public}])

        def make(signer=self.new, alg="RS256", **changes):
            now = int(time.time())
            return signer.jwt({"iss": "https://k8s.test", "sub": "system:sa:x",
                               "aud": "api://AzureADTokenExchange", "exp": now + 60, **changes}, alg)
        self.ask(make())
        self.ask(make())
        self.assertEqual(self.last()["login"]["assertion"], "federated RS256")
        for assertion, code in ((make(sub="System:sa:x"), 700213), (make(aud="x"), 700212),
                                (make(iss="https://other.test"), 700211),
                                (make(self.old), 50013), (make(alg="PS256"), 50013),
                                (make(exp=1), 700024)):
            self.assertEqual(self.ask(assertion, 401)["error_codes"], [code])


class Me(LoginBase):
    def me(self, token, query=""):
        connection = self.r.connect()
        connection.request("GET", "/v1.0/me" + query, headers={"Authorization": "Bearer " + token})
        response = connection.getresponse()
        data = json.loads(response.read())
        connection.close()
        return response.status, data

    def test_me(self):
        for user, mail, name in (("alice", "alice@x.test", "Alice"), ("bob", None, "bob")):
            data = self.login(scope=f"{READ} {SMTP} offline_access", login_as=user)
            status, me = self.me(data["access_token"])
            self.assertEqual((status, me["mail"], me["userPrincipalName"], me["displayName"]),
                             (200, mail, user + "@x.test", name))
            self.assertEqual(me["id"], unpack(data["access_token"])[1]["oid"])
            self.assertEqual(self.last()["endpoint"], "me")
            smtp = self.refresh(data["refresh_token"], scope=SMTP)["access_token"]
            self.assertEqual(self.me(smtp)[0], 401)
        _, me = self.me(data["access_token"], "?$select=mail,id")
        self.assertEqual(set(me), {"@odata.context", "mail", "id"})
        self.assertEqual(self.me(self.login(scope=MAIL)["access_token"])[0], 403)
        app = self.r.control("POST", "/mint", {"client_id": "app1",
                                               "audience": "https://graph.microsoft.com"})["token"]
        self.assertEqual(self.me(app)[0], 400)
        self.behave({"kind": "graph_error", "status": 503}, endpoint="me")
        self.assertEqual(self.me(data["access_token"])[0], 503)
