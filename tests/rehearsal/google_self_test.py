# SPDX-License-Identifier: Apache-2.0
"""Cases of self_test.py: Google's rooms."""
import json
import time
import urllib.parse

from login_self_test import LoginBase, Signer, VERIFIER, challenge
from self_test import Auth, SECRET, unpack, xoauth2

GMAIL = "https://mail.google.com/"
SERVICE = "urn:ietf:params:oauth:grant-type:jwt-bearer"
CALLBACK = "http://127.0.0.1:49152/"


class GoogleBase(LoginBase):
    path = "/google/token"

    def put(self, name="user-app", **changes):
        super().put(name, **{"tenant": "google", "public": False, "secrets": [{"value": SECRET}],
                             "redirect_uris": ["http://127.0.0.1"], "delegated_scopes": [GMAIL],
                             **changes})

    def consent(self, expect=302, **changes):
        return self.authorize(expect, **{"path": "/google/o/oauth2/v2/auth",
                                         "redirect_uri": CALLBACK, "access_type": "offline",
                                         "scope": GMAIL + " openid email profile", **changes})

    def token(self, status=200, path=None, **form):
        return super().token(status, self.path, **{"client_secret": SECRET, **form})

    def redeem(self, code, status=200, **changes):
        return super().redeem(code, status, **{"redirect_uri": CALLBACK, **changes})

    def google_refused(self, data, error, description=None):
        self.assertEqual(data["error"], error)
        self.assertEqual(data["error_description"], description or data["error_description"])
        self.assertNotIn("error_codes", data)

    def judged(self, user, token):
        auth = Auth(self.r.auth_path)
        self.addCleanup(auth.close)
        auth.begin("XOAUTH2", xoauth2(user, token))
        return self.r.control("GET", "/auth")[-1]["reason"]


class Google(GoogleBase):
    def test_consent_and_refresh(self):
        data = self.redeem(self.consent()["code"])
        self.assertTrue(data["access_token"].startswith("ya29."))
        self.assertTrue(data["refresh_token"].startswith("1//"))
        self.assertEqual((data["token_type"], data["scope"]),
                         ("Bearer", GMAIL + " openid email profile"))
        _, claims = unpack(data["id_token"])
        self.assertEqual((claims["iss"], claims["email"], claims["nonce"]),
                         (self.r.ready["base_url"] + "/google", "alice@x.test", "n1"))
        again = self.refresh(data["refresh_token"])
        self.assertNotIn("refresh_token", again)
        self.assertNotIn("session_state", self.consent())
        self.assertEqual(self.judged("alice@x.test", again["access_token"]), "")
        self.assertEqual(self.judged("bob@x.test", again["access_token"]), "no mailbox permission")
        counters = self.counters()
        self.assertEqual((counters["token_requests"], counters["token_successes"],
                          counters["refresh_requests"]), (2, 2, 1))

    def test_offline_and_prompt(self):
        self.assertNotIn("refresh_token", self.redeem(self.consent(access_type=None)["code"]))
        self.assertNotIn("refresh_token", self.redeem(self.consent()["code"]))
        self.assertIn("refresh_token", self.redeem(self.consent(prompt="consent")["code"]))
        self.assertIn("refresh_token", self.redeem(self.consent(login_as="bob")["code"]))

    def test_refusals(self):
        code = self.consent()["code"]
        for changes, status, error, description in (
                (dict(client_secret=None), 400, "invalid_request", "client_secret is missing."),
                (dict(client_secret="x"), 401, "invalid_client", None),
                (dict(client_id="nobody"), 401, "invalid_client", "The OAuth client was not found."),
                (dict(redirect_uri="http://127.0.0.1:1/"), 400, "redirect_uri_mismatch", None),
                (dict(code_verifier="x" * 43), 400, "invalid_grant", "Invalid code verifier."),
                (dict(code_verifier=None), 400, "invalid_grant", "Missing code verifier."),
                (dict(grant_type="password"), 400, "unsupported_grant_type", None)):
            self.google_refused(self.redeem(code, status, **changes), error, description)
        token = self.redeem(code)["refresh_token"]
        self.google_refused(self.redeem(code, 400), "invalid_grant", "Malformed auth code.")
        self.google_refused(self.refresh("x", 400), "invalid_grant",
                            "Token has been expired or revoked.")
        self.r.control("POST", "/refresh_tokens/revoke", {"user": "alice"})
        self.google_refused(self.refresh(token, 400), "invalid_grant",
                            "Token has been expired or revoked.")
        self.assertIn("redirect_uri_mismatch", self.consent(400, redirect_uri="http://x.test/"))
        self.assertIn("invalid_client", self.consent(400, client_id="nobody"))
        self.assertEqual(self.consent(login_as="no")["error"], "access_denied")
        self.put("user-app", users={"alice": {"state": "mfa"}})
        token = self.redeem(self.consent(prompt="consent")["code"])["refresh_token"]
        self.assertEqual(self.refresh(token, 400)["error_subtype"], "invalid_rapt")

    def test_realms_are_apart(self):
        token = self.redeem(self.consent()["code"])["refresh_token"]
        self.put("user-app", tenant="*", public=True)
        data = self.r.post({"grant_type": "refresh_token", "client_id": "user-app",
                            "refresh_token": token})[1]
        self.assertEqual(data["error_codes"], [70000])

    def revoke(self, token):
        response, data = self.r.post({"token": token}, path="/google/revoke")
        return response.status, data.get("error")

    def test_revoke(self):
        data = self.redeem(self.consent()["code"])
        self.assertEqual(self.judged("alice@x.test", data["access_token"]), "")
        self.assertEqual(self.revoke(data["access_token"]), (200, None))
        self.assertEqual(self.judged("alice@x.test", data["access_token"]), "token revoked")
        self.assertEqual(self.revoke(data["refresh_token"]), (200, None))
        self.assertEqual(self.last()["endpoint"], "revoke")
        self.google_refused(self.refresh(data["refresh_token"], 400), "invalid_grant")
        self.assertEqual(self.revoke(data["refresh_token"]), (400, "invalid_token"))
        self.assertEqual(self.revoke("x"), (400, "invalid_token"))
        self.assertEqual(self.counters()["revocations"], 2)
        self.assertNotIn(data["refresh_token"], json.dumps(self.r.control("GET", "/requests")))
        self.behave({"kind": "html", "status": 500}, endpoint="revoke")
        response, _ = self.r.post({"token": "x"}, path="/google/revoke")
        self.assertEqual(response.status, 500)

    def test_discovery_and_behaviour(self):
        document = json.loads(self.get("/google/.well-known/openid-configuration")[1])
        self.assertEqual(document["issuer"], self.r.ready["base_url"] + "/google")
        keys = json.loads(self.get(urllib.parse.urlsplit(document["jwks_uri"]).path)[1])
        self.assertEqual(keys["keys"][0]["kid"], self.r.ready["kid"])
        token = self.redeem(self.consent()["code"])["refresh_token"]
        self.behave({"kind": "patch", "set": {"expires_in": "3599"}}, endpoint="google_token",
                    grant="refresh_token")
        self.assertEqual(self.refresh(token)["expires_in"], "3599")
        self.put("user-app", opaque=False)
        self.assertEqual(unpack(self.refresh(token)["access_token"])[1]["aud"], GMAIL)


class GoogleService(GoogleBase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.signer = Signer(cls.r.top.name, "sa")
        cls.other = Signer(cls.r.top.name, "sa2")

    def setUp(self):
        super().setUp()
        self.r.control("PUT", "/google/service_accounts", {"accounts": [
            {"client_email": "sa@p.test", "client_id": "1234", "public_key": self.signer.public,
             "private_key_id": "k1", "subjects": ["*@x.test"]}]})

    def ask(self, status=200, signer=None, alg="RS256", kid="k1", **changes):
        now = int(time.time())
        claims = {"iss": "sa@p.test", "sub": "alice@x.test", "scope": GMAIL, "iat": now,
                  "exp": now + 3600, "aud": self.r.ready["base_url"] + self.path, **changes}
        assertion = (signer or self.signer).jwt({k: v for k, v in claims.items() if v is not None},
                                                alg, kid=kid)
        response, data = self.r.post({"grant_type": SERVICE, "assertion": assertion},
                                     path=self.path)
        self.assertEqual(response.status, status, data)
        return data

    def test_good(self):
        data = self.ask()
        self.assertEqual(set(data), {"access_token", "expires_in", "token_type"})
        self.assertEqual(self.judged("alice@x.test", data["access_token"]), "")
        record = self.last()
        self.assertEqual((record["client_id"], record["client_auth"], record["scope"],
                          record["login"]["user"]), ("1234", "assertion", GMAIL, "alice@x.test"))
        self.behave({"kind": "respond", "status": 503}, endpoint="google_token", grant="jwt-bearer")
        self.ask(503)

    def test_refusals(self):
        now = int(time.time())
        short = "Invalid JWT: Token must be a short-lived token"
        for changes, status, error, words in (
                (dict(signer=self.other), 400, "invalid_grant", "Invalid JWT Signature."),
                (dict(alg="PS256"), 400, "invalid_grant", "Invalid JWT Signature."),
                (dict(kid="k2"), 400, "invalid_grant", "Invalid JWT Signature."),
                (dict(iss="x@p.test"), 400, "invalid_grant", "account not found"),
                (dict(aud="https://x.test/"), 400, "invalid_grant", "audience"),
                (dict(exp=now + 3700), 400, "invalid_grant", short),
                (dict(iat=now - 7200, exp=now - 3600), 400, "invalid_grant", short),
                (dict(iat=now + 600), 400, "invalid_grant", short),
                (dict(scope=None), 400, "invalid_scope", "missing scope"),
                (dict(scope="https://x.test/a"), 401, "unauthorized_client", "unauthorized"),
                (dict(sub="alice@y.test"), 401, "unauthorized_client", "unauthorized")):
            data = self.ask(status, **changes)
            self.assertEqual(data["error"], error, data)
            self.assertIn(words, data["error_description"])
        self.r.control("PUT", "/google/service_accounts", {"accounts": [{"x": 1}]}, expect=(400,))
