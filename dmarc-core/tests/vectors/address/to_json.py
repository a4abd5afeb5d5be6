#!/usr/bin/env python3
"""Turns tests.xml and tests-original.xml into address.json: the same cases in the same order, with the domain that an address has when it is one.
Run it in this folder."""
import json
import re
import xml.etree.ElementTree as ElementTree


def domain_of(address):
    """What is behind the last "@", without comments and white space; None for an address literal and where there is no "@"."""
    bare = None
    while bare != address:
        bare, address = address, re.sub(r"\((?:[^()\\]|\\.)*\)", "", address, flags=re.DOTALL)
    local, at, domain = bare.rpartition("@")
    domain = re.sub(r"[ \t\r\n]", "", domain)
    return domain.lower() if at and not domain.startswith("[") else None


cases = []
for suite in ("tests", "tests-original"):
    for test in ElementTree.parse(f"{suite}.xml").getroot().findall("test"):
        # A control character is written as U+2400 and its number.
        text = test.findtext("address") or ""
        address = "".join(chr(ord(char) - 0x2400) if 0x2400 <= ord(char) <= 0x2421 else char for char in text)
        cases.append({
            "suite": suite,
            "id": int(test.get("id")),
            "address": address,
            "category": test.findtext("category").removeprefix("ISEMAIL_"),
            "diagnosis": test.findtext("diagnosis").removeprefix("ISEMAIL_"),
            "domain": domain_of(address),
        })
with open("address.json", "w", encoding="ascii") as target:
    json.dump(cases, target, indent=1)
    target.write("\n")
