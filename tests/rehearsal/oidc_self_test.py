# SPDX-License-Identifier: Apache-2.0
"""Cases of self_test.py: people signing in at the generic issuer below /oidc."""
import base64
import hashlib
import json
import time
import urllib.parse

from login_self_test import ASSERTION, DEVICE, IDENTITY, LoginBase, Signer, b64
from self_test import SECRET, unpack


class OidcLogin(LoginBase):
    path = "/oidc/"

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.signer = Signer(cls.r.top.name, "oidc")

    def put(self, name="user-app", **changes):
        super().put(name, **{"tenant": "oidc", "delegated_scopes": ["smtp", "imap"], **changes})

    def authorize(self, expect=302, **changes):
        return super().authorize(expect, **{"path": "/oidc/authorize",
                                            "scope": "smtp imap " + IDENTITY, **changes})

    def bare(self, data, error):
        self.assertEqual(set(data), {"error", "error_description"})
        self.assertEqual(data["error"], error)
        self.assertNotIn("AADSTS", data["error_description"])

    def test_discovery(self):
        document = json.loads(self.get("/oidc/.well-known/openid-configuration")[1])
        root = self.r.ready["base_url"] + "/oidc"
        self.assertEqual({k: document[k] for k in (
            "authorization_endpoint", "device_authorization_endpoint", "revocation_endpoint",
            "token_endpoint", "code_challenge_methods_supported")}, {
                "authorization_endpoint": root + "/authorize",
                "device_authorization_endpoint": root + "/device_authorization",
                "revocation_endpoint": root + "/revoke", "token_endpoint": root + "/token",
                "code_challenge_methods_supported": ["S256"]})
        self.assertNotIn("authorization_response_iss_parameter_supported", document)
        self.put(send_iss=True)
        document = json.loads(self.get("/oidc/.well-known/openid-configuration")[1])
        self.assertTrue(document["authorization_response_iss_parameter_supported"])
        self.assertEqual(self.authorize()["iss"], document["issuer"])

    def test_code_and_refresh(self):
        answer = self.authorize()
        self.assertNotIn("session_state", answer)
        data = self.redeem(answer["code"])
        _, claims = unpack(data["id_token"])
        self.assertEqual((claims["iss"], claims["aud"], claims["nonce"], "tid" in claims),
                         (self.r.ready["base_url"] + "/oidc", "user-app", "n1", False))
        _, claims = unpack(data["access_token"])
        self.assertEqual((claims["upn"], claims["scp"].split()[:2]),
                         ("alice@x.test", ["smtp", "imap"]))
        again = self.refresh(data["refresh_token"], scope="imap")
        self.assertEqual(unpack(again["access_token"])[1]["scp"], "imap")
        self.bare(self.refresh(data["refresh_token"], 400, scope="pop"), "invalid_scope")
        self.bare(self.redeem(answer["code"], 400), "invalid_grant")
        self.bare(self.token(400, grant_type="password"), "unsupported_grant_type")
        self.assertEqual(self.authorize(scope="pop")["error"], "invalid_scope")
        self.assertEqual(self.authorize(code_challenge=None)["error"], "invalid_request")
        self.assertNotIn("AADSTS", self.authorize(400, redirect_uri="http://x.test/"))

    def test_strict(self):
        self.put(rotation="strict")
        first = self.login()["refresh_token"]
        second = self.refresh(first)["refresh_token"]
        self.bare(self.refresh(first, 400), "invalid_grant")
        self.bare(self.refresh(second, 400), "invalid_grant")
        self.assertEqual(self.counters()["families_revoked"], 1)

    def test_device(self):
        def begin():
            return self.r.post({"client_id": "user-app", "scope": "smtp"},
                               path="/oidc/device_authorization")[1]

        def poll(begun, status=200):
            return self.token(status, grant_type=DEVICE, device_code=begun["device_code"])
        begun = begin()
        self.assertTrue(begun["verification_uri_complete"].endswith(begun["user_code"]))
        self.bare(poll(begun, 400), "authorization_pending")
        page = urllib.parse.urlsplit(begun["verification_uri_complete"])
        body = self.get(page.path + "?" + page.query)[1]
        self.assertIn(begun["user_code"], body)
        self.r.post(f"user_code={begun['user_code']}&user=alice", path=page.path)
        self.assertNotIn("refresh_token", poll(begun))
        begun = begin()
        self.r.post(f"user_code={begun['user_code']}&user=a&decision=decline", path=page.path)
        self.bare(poll(begun, 400), "access_denied")
        self.bare(poll({"device_code": "x"}, 400), "invalid_grant")
        self.put(public=False)
        response, data = self.r.post({"client_id": "user-app", "scope": "smtp"},
                                     path="/oidc/device_authorization")
        self.assertEqual((response.status, data["error"]), (401, "invalid_client"))

    def test_client_authentication(self):
        self.put(public=False, secrets=[{"value": SECRET}], certificates=[self.signer.pem])
        self.bare(self.redeem(self.authorize()["code"], 401), "invalid_client")
        code = self.authorize()["code"]
        self.bare(self.redeem(code, 401, client_secret="x"), "invalid_client")
        token = self.redeem(code, client_secret=SECRET)["refresh_token"]
        basic = base64.b64encode(b"user-app:" + urllib.parse.quote(SECRET).encode()).decode()
        response, _ = self.r.post({"grant_type": "refresh_token", "refresh_token": token},
                                  path="/oidc/token", headers={"Authorization": "Basic " + basic})
        self.assertEqual((response.status, self.last()["client_auth"]), (200, "basic"))
        now = int(time.time())
        for alg in ("PS256", "RS256"):
            claims = {"iss": "user-app", "sub": "user-app", "jti": alg, "exp": now + 60,
                      "aud": self.r.ready["base_url"] + "/oidc/token"}
            self.refresh(token, client_assertion_type=ASSERTION,
                         client_assertion=self.signer.jwt(claims, alg))
            claims["aud"] = "https://x.test/"
            self.bare(self.refresh(token, 401, client_assertion_type=ASSERTION,
                                   client_assertion=self.signer.jwt(claims, alg)), "invalid_client")
        self.put(public=True)
        self.bare(self.token(400, grant_type="client_credentials"), "unauthorized_client")

    def revoke(self, token, **form):
        response, data = self.r.post({"client_id": "user-app", "token": token, **form},
                                     path="/oidc/revoke")
        return response.status, data

    def test_revoke(self):
        token = self.login()["refresh_token"]
        newer = self.refresh(token)["refresh_token"]
        self.put("other")
        self.assertEqual(self.revoke(newer, client_id="other"), (200, b""))
        self.refresh(newer)
        self.assertEqual(self.revoke(newer, token_type_hint="refresh_token"), (200, b""))
        record = self.last()
        self.assertEqual((record["endpoint"], record["login"]["token"],
                          record["login"]["token_type_hint"], record["unknown_parameters"]),
                         ("revoke", hashlib.sha256(newer.encode()).hexdigest()[:8],
                          "refresh_token", []))
        self.bare(self.refresh(token, 400), "invalid_grant")
        self.assertEqual(self.revoke("unknown"), (200, b""))
        self.assertEqual(self.revoke("")[0], 400)
        self.assertEqual(self.revoke("x", client_id="nobody")[0], 401)
        counters = self.counters()
        self.assertEqual((counters["revocations"], counters["families_revoked"]), (1, 1))

    def test_mint(self):
        token = self.r.control("POST", "/mint_refresh",
                               {"client_id": "user-app", "user": "bob"})["refresh_token"]
        self.assertEqual(unpack(self.refresh(token)["access_token"])[1]["upn"], "bob@x.test")
