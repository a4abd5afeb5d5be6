#!/usr/bin/env python3
"""Has Debian's opendkim sign each case of cases.json and writes the field that it adds into the case. README.md tells the rest."""

import json
import pathlib
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
KEYS = HERE.parent / "keys"


def record(case, work):
    key = work / "key.pem"
    key.write_bytes((KEYS / case["key"]).read_bytes())
    key.chmod(0o600)
    options = {
        "Socket": "inet:8891@127.0.0.1",
        "Mode": "s",
        "RequireSafeKeys": "no",
        "KeyTable": f"file:{work}/KeyTable",
        "SigningTable": f"file:{work}/SigningTable",
        **case["options"],
    }
    (work / "KeyTable").write_text(f"key {case['domain']}:{case['selector']}:{key}\n")
    signer = ":" + case["signer"] if "signer" in case else ""
    (work / "SigningTable").write_text(f"* key{signer}\n")
    (work / "opendkim.conf").write_text("".join(f"{name} {value}\n" for name, value in options.items()))
    (work / "message").write_bytes(case["message"].encode())
    command = ["/usr/sbin/opendkim", "-x", work / "opendkim.conf", "-F", str(case["time"]), "-v", "-t", work / "message"]
    done = subprocess.run(command, capture_output=True)
    if done.returncode != 0:
        sys.exit(f"{case['name']}: {done}")
    lines = done.stdout.decode().splitlines()
    fields = [at for at, line in enumerate(lines) if line.startswith("DKIM-Signature: ")]
    if not fields:
        sys.exit(f"{case['name']} is not signed: {done}")
    (start,) = fields
    end = next((at for at in range(start + 1, len(lines)) if not lines[at].startswith("\t")), len(lines))
    return "\r\n".join(lines[start:end])


def main():
    file = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else HERE / "cases.json"
    cases = json.loads(file.read_text())
    for case in cases:
        with tempfile.TemporaryDirectory() as work:
            case["field"] = record(case, pathlib.Path(work))
    file.write_text(json.dumps(cases, indent=1) + "\n")


main()
