# SPDX-License-Identifier: Apache-2.0
"""Cases of self_test.py: managed identities, by IMDS and by Azure Arc."""
import http.client
import json
import os
import time
import urllib.parse

from self_test import Auth, Base, unpack, xoauth2

PATH = "/metadata/identity/oauth2/token"
OUTLOOK = "https://outlook.office365.com"


class Identities(Base):
    def setUp(self):
        super().setUp()
        self.directory = self.r.top.name + "/tokens"
        os.makedirs(self.directory, exist_ok=True)
        self.r.control("PUT", "/imds", {"identities": []})
        self.r.control("PUT", "/arc", {})

    def get(self, status=200, headers=None, version="2018-02-01", **changes):
        connection = http.client.HTTPConnection("127.0.0.1", self.r.ready["http_port"], timeout=10)
        query = {"api-version": version, "resource": OUTLOOK, **changes}
        connection.request("GET", PATH + "?" + urllib.parse.urlencode(
            {k: v for k, v in query.items() if v is not None}),
            headers={"Metadata": "true", **(headers or {})})
        response = connection.getresponse()
        data = response.read()
        connection.close()
        self.assertEqual(response.status, status, data)
        try:
            return response, json.loads(data)
        except ValueError:
            return response, data

    def test_imds(self):
        self.r.control("PUT", "/imds", {"identities": [
            {"client_id": "msi-1", "mailboxes": ["relay@x.test"], "lifetime": 7200}]})
        _, data = self.get()
        self.assertEqual((data["token_type"], data["expires_in"], data["resource"],
                          data["client_id"]), ("Bearer", "7200", OUTLOOK, "msi-1"))
        self.assertAlmostEqual(int(data["expires_on"]), time.time() + 7200, delta=5)
        self.assertEqual({type(v) for v in data.values()}, {str})
        _, claims = unpack(data["access_token"])
        self.assertEqual((claims["aud"], claims["appid"]), (OUTLOOK, "msi-1"))
        auth = Auth(self.r.auth_path)
        self.addCleanup(auth.close)
        self.assertIn("OK", auth.begin("XOAUTH2", xoauth2("relay@x.test", data["access_token"])))
        record = self.last()
        self.assertEqual((record["room"], record["endpoint"], record["scope"], record["client_id"]),
                         ("metadata", "imds", OUTLOOK, "msi-1"))
        self.assertEqual(self.r.control("GET", "/counters")["token_successes"], 1)

    def test_imds_choice(self):
        two = [{"client_id": "a", "object_id": "oa"}, {"client_id": "b", "msi_res_id": "/sub/B"}]
        self.r.control("PUT", "/imds", {"identities": two})
        for changes, who in ((dict(client_id="b"), "b"), (dict(object_id="oa"), "a"),
                             (dict(msi_res_id="/sub/b"), "b")):
            self.assertEqual(self.get(**changes)[1]["client_id"], who)
        self.assertIn("Multiple", self.get(400)[1]["error_description"])
        self.assertEqual(self.get(400, client_id="c")[1],
                         {"error": "invalid_request", "error_description": "Identity not found"})
        self.get(400, client_id="a", object_id="oa")
        self.r.control("PUT", "/imds", {"identities": two + [{"client_id": "s", "system": True}]})
        self.assertEqual(self.get()[1]["client_id"], "s")

    def test_imds_refusals(self):
        self.r.control("PUT", "/imds", {"identities": [{"client_id": "a"}]})
        self.get(400, headers={"Metadata": "false"})
        self.get(400, headers={"X-Forwarded-For": "10.0.0.1"})
        self.get(400, resource=None)
        self.assertEqual(self.get(400, resource=OUTLOOK + "/.default")[1]["error"],
                         "invalid_resource")
        self.get(400, version="2010-01-01")
        self.r.control("PUT", "/imds", {"identities": []})
        self.get(400)
        for status in (404, 410, 429):
            self.behave({"kind": "respond", "status": status}, endpoint="imds")
            self.get(status)
        connection = self.r.connect()
        connection.request("GET", PATH + "?api-version=2018-02-01&resource=x",
                           headers={"Metadata": "true"})
        self.assertEqual(connection.getresponse().status, 404)
        connection.close()
        self.r.control("PUT", "/imds", {"identities": [{"nobody": 1}]}, expect=(400,))

    def arc(self, status=200, **more):
        return self.get(status, version="2020-06-01", **more)

    def test_arc(self):
        self.arc(404)
        self.r.control("PUT", "/arc", {"directory": self.directory, "identity": {
            "client_id": "arc-1", "mailboxes": ["relay@x.test"]}})
        response, _ = self.arc(401)
        challenge = response.headers["WWW-Authenticate"]
        self.assertTrue(challenge.startswith("Basic realm=" + self.directory + "/"), challenge)
        path = challenge.split("realm=")[1]
        self.assertTrue(path.endswith(".key"))
        with open(path) as file:
            key = file.read()
        self.assertEqual(len(key), 64)
        self.arc(403, headers={"Authorization": "Basic x"})
        self.arc(400, headers={"Metadata": "no", "Authorization": "Basic " + key})
        _, data = self.arc(headers={"Authorization": "Basic " + key})
        self.assertEqual((data["client_id"], data["resource"]), ("arc-1", OUTLOOK))
        self.assertFalse(os.path.exists(path))
        self.arc(403, headers={"Authorization": "Basic " + key})
        self.assertEqual(self.last()["endpoint"], "arc")
        self.assertNotIn(key, json.dumps(self.r.control("GET", "/requests")))
        self.behave({"kind": "respond", "status": 500}, endpoint="arc")
        self.arc(500)

    def test_arc_outside(self):
        self.r.control("PUT", "/arc", {"directory": self.directory, "key_bytes": 5000,
                                       "realm_override": "/etc/passwd.key"})
        response, _ = self.arc(401)
        self.assertEqual(response.headers["WWW-Authenticate"], "Basic realm=/etc/passwd.key")
        written = [n for n in os.listdir(self.directory) if n.endswith(".key")]
        self.assertEqual(max(os.path.getsize(f"{self.directory}/{n}") for n in written), 5000)
