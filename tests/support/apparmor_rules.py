#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Whether an AppArmor profile permits a list of accesses: apparmor_rules.py FLAT_PROFILE ACCESSES

FLAT_PROFILE is what `apparmor_parser -p` prints: includes resolved. ACCESSES has lines
`MODES PATH`, and `!MODES PATH` for what must not be permitted; modes are those of apparmor.d(5).
Only rules for files are looked at; the kernel's word is another matter."""

import re
import sys


def without_comments(text):
    return "\n".join(re.sub(r"(^|\s)#.*", "", line) for line in text.split("\n"))


def variables_of(text):
    values = {"pid": ["[0-9]*"], "tid": ["[0-9]*"]}
    for name, sign, rest in re.findall(r"^\s*@\{(\w+)\}\s*(\+?=)\s*(.*)$", text, re.M):
        words = [word.rstrip("/") for word in rest.split()]  # @{run}/x is one slash, not two
        values[name] = values.get(name, []) + words if sign == "+=" else words
    return values


def expanded(path, values, depth=0):
    """The path with its variables turned into {a,b} alternations."""
    found = re.search(r"@\{(\w+)\}", path)
    if not found or depth > 8:
        return path
    words = values.get(found.group(1), ["/nowhere"])
    choice = "{" + ",".join(words) + "}" if len(words) > 1 else words[0]
    return expanded(path[:found.start()] + choice + path[found.end():], values, depth + 1)


def regex_of(glob):
    out = ""
    at = 0
    while at < len(glob):
        c = glob[at]
        if glob.startswith("**", at):
            out += "[^\0]+" if glob[at - 1] == "/" and at + 2 == len(glob) else "[^\0]*"
            at += 1
        elif c == "*":
            out += "[^/\0]+" if glob[at - 1] == "/" and at + 1 == len(glob) else "[^/\0]*"
        elif c == "?":
            out += "[^/\0]"
        elif c == "[":
            end = glob.index("]", at)
            out += glob[at:end + 1]
            at = end
        elif c in "{},":
            out += {"{": "(?:", "}": ")", ",": "|"}[c]
        elif c == "\\":
            at += 1
            out += re.escape(glob[at])
        elif c == "/":
            out += "/"
        else:
            out += re.escape(c)
        at += 1
    return re.compile(out + r"\Z")


def file_rules(text):
    values = variables_of(text)
    rules = []
    pattern = re.compile(
        r"^\s*((?:(?:audit|deny|allow|owner)\s+)*)((?:/|@\{)\S*)\s+([a-zA-Z]+)\s*,", re.M)
    for words, path, modes in pattern.findall(text):
        rules.append(("deny" in words, regex_of(expanded(path, values)), set(modes)))
    return rules


def permitted(rules, modes, path):
    allowed = set()
    for is_deny, pattern, letters in rules:
        if pattern.match(path):
            if is_deny and letters & modes:
                return False
            if not is_deny:
                allowed |= letters
    return modes <= allowed


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        rules = file_rules(without_comments(file.read()))
    wrong = checked = 0
    with open(sys.argv[2], encoding="utf-8") as file:
        for line in file:
            if not line.strip() or line.startswith("#"):
                continue
            modes, path = line.split()
            refusal = modes.startswith("!")
            checked += 1
            if permitted(rules, set(modes.lstrip("!")), path) == refusal:
                print(f"{sys.argv[2]}: {'permitted' if refusal else 'not permitted'}: {line.strip()}")
                wrong += 1
    if checked < 20 or len(rules) < 50:
        print(f"{sys.argv[2]}: only {checked} accesses, {len(rules)} rules: that is no test")
        wrong += 1
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
