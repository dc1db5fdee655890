#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What postbearer-agent-protocol(7) says, asked of a running agent and of the codec's tables.

protocol_page_test.py AGENT PAGE MESSAGES_CC"""

import os
import re
import socket
import subprocess
import sys
import tempfile
import time

agent, page_file, messages_file = sys.argv[1:4]
page = open(page_file, encoding="utf-8").read()
source = open(messages_file, encoding="utf-8").read()
failures = []


def check(what, good):
    if not good:
        failures.append(what)
        print("FAILED:", what)


def names_in_source(table):
    body = re.search(table + r"\[\] = \{(.*?)\};", source, re.S).group(1)
    return set(re.findall(r'"([a-z_]+)"', body))


def words_between(start, end, macro):
    part = page[page.index(start):]
    return set(re.findall(macro + r" ([a-z_]+)", part[:part.index(end)]))


def page_and_codec_use_the_same_words():
    classes = words_between("The classes, and what a client does", ".El", r"\.It Cm")
    check("classes", classes == names_in_source("kClassNames"))
    codes = words_between(".It Ar code", ".It Ar message", r"\n\.Cm")
    check("codes", codes == names_in_source("kCodeNames"))
    actions = words_between(".It Cm refreshed", ".El", r"\.It Cm")
    check("actions", actions == names_in_source("kActionNames"))


class Connection:
    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(20)
        self.socket.connect(path)
        self.held = b""

    def send(self, data):
        self.socket.sendall(data)

    def answer(self):
        while b"\n\n" not in self.held and self.held[:1] != b"\n":
            more = self.socket.recv(65536)
            if not more:
                return None
            self.held += more
        block, self.held = self.held.split(b"\n\n", 1)
        return dict(line.split("=", 1) for line in block.decode().split("\n"))

    def ask(self, *lines):
        self.send(("\n".join(lines) + "\n\n").encode())
        return self.answer()

    def closed(self):
        try:
            return not self.held and self.socket.recv(1) == b""
        except ConnectionResetError:
            return True


def is_bad_request(answer):
    return (answer is not None and answer["status"] == "error" and
            answer["class"] == "bad_request" and answer["code"] == "syntax")


def whoami_rules(directory):
    return f"""
[agent]
sockets = ["{directory}/agent.sock"]
admin_socket = "{directory}/admin.sock"
allow_http_loopback = true
[provider.nobody]
type = "oidc"
token_endpoint = "http://127.0.0.1:9/token"
client_id = "x"
client_secret = "env:PROTOCOL_PAGE_SECRET"
scopes.smtp = ["mail"]
[[account]]
match = "@example.test"
provider = "nobody"
grant = "client_credentials"
[[access]]
uid = {os.getuid()}
accounts = ["*"]
resources = ["smtp"]
"""


def exchanges(path):
    one = Connection(path)
    pong = one.ask("request=ping", "unknown=attribute")
    check("ping", pong["status"] == "ok" and pong["protocol"] == "1" and "version" in pong)
    check("status stands first", list(pong)[0] == "status")
    for lines in (["request=ping", "no equals sign"], ["request=ping", "request=ping"],
                  ["request=nonsense"], ["request=ping", "Upper=x"], ["request=ping", "x=\r"],
                  ["request=token", "account=a@example.test"], ["request=token", "resource=smtp"],
                  ["request=rejected", "account=a@example.test", "resource=smtp",
                   "fingerprint=9F1C22AB"]):
        check(f"bad_request for {lines}", is_bad_request(one.ask(*lines)))
    check("the connection stays", one.ask("request=ping")["status"] == "ok")
    one.send(b"request=ping\n\nrequest=no\n\nrequest=ping\n\n")
    check("pipelined", [one.answer()["status"] for _ in range(3)] == ["ok", "error", "ok"])
    refused = one.ask("request=token", "account=a@example.test", "resource=graph")
    check("denied", refused["class"] == "denied" and refused["code"] == "access_denied")
    check("its sentence", refused["message"].startswith(
        f"uid {os.getuid()} may not use the graph token of a@example.test; "))
    refused = one.ask("request=token", "account=a@elsewhere.test", "resource=smtp")
    check("no rule", refused["class"] == "unknown_account" and refused["code"] == "no_account")
    # nobody listens at the provider's address
    refused = one.ask("request=token", "account=a@example.test", "resource=smtp", "wait_ms=20000")
    check("transient", refused["class"] == "transient" and "retry_after" in refused)
    stale = one.ask("request=rejected", "account=a@example.test", "resource=smtp",
                    "fingerprint=9f1c22ab", "detail=x", "claims=e30=")
    check("stale", stale == {"status": "ok", "action": "stale"})


def limits(path):
    whole = b"request=ping\nx="
    exact = Connection(path)
    exact.send(whole + b"y" * (8192 - len(whole) - 2) + b"\n\n")
    check("8 KiB", exact.answer()["status"] == "ok")
    large = Connection(path)
    large.send(whole + b"y" * (8192 - len(whole)))
    check("more than 8 KiB", is_bad_request(large.answer()) and large.closed())
    slow = Connection(path)
    begun = time.monotonic()
    slow.send(b"request=ping\n")
    answer = slow.answer()
    spent = time.monotonic() - begun
    check("2 seconds", is_bad_request(answer) and slow.closed() and 1.9 < spent < 10)
    half = Connection(path)
    half.send(b"request=ping\n\n")
    half.socket.shutdown(socket.SHUT_WR)  # as socat does
    check("an end that writes no more gets its answer", half.answer()["status"] == "ok")


def main():
    page_and_codec_use_the_same_words()
    with tempfile.TemporaryDirectory() as directory:
        config = os.path.join(directory, "agent.toml")
        with open(config, "w", encoding="utf-8") as file:
            file.write(whoami_rules(directory))
        environment = dict(os.environ, PROTOCOL_PAGE_SECRET="not-a-secret")
        with subprocess.Popen([agent, "--config", config], env=environment,
                              stderr=subprocess.PIPE) as process:
            try:
                line = b"x"
                while line and b"event=started" not in line:
                    line = process.stderr.readline()
                check("the agent starts", b"event=started" in line)
                path = os.path.join(directory, "agent.sock")
                exchanges(path)
                limits(path)
            finally:
                process.terminate()
                process.stderr.read()
    sys.exit(1 if failures else 0)


main()
