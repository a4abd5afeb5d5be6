"""Runs programs like dkimsign many times in one process: starting Python and loading dkimpy takes longer than they do.

A request is a line of words with tabs between them: the file that is standard input, the file for standard output, the program, its arguments.
The answer is a line: exit code, tab, the last thing that the program said on standard error, in its log, or as it ended.
"""
import io
import logging
import runpy
import sys

requests, answers = sys.stdin, sys.stdout
said = []


class Said(logging.Handler):
    def emit(self, record):
        said.append(record.getMessage())


# Neither program lets its user see what dkimpy logs (dkimverify's option -v is refused by its own parser).
logging.getLogger("dkimpy").addHandler(Said(logging.WARNING))

for request in requests:
    message, output, program, *arguments = request.rstrip("\n").split("\t")
    said.clear()
    with open(message, "rb") as file:
        octets = file.read()
    written, complaints = io.BytesIO(), io.StringIO()
    # Both are kept until the end: the programs detach what they use, and a text stream that goes takes its bytes with it.
    texts = io.TextIOWrapper(io.BytesIO(octets)), io.TextIOWrapper(written)
    sys.argv = [program, *arguments]
    sys.stdin, sys.stdout, sys.stderr = *texts, complaints
    code = 0
    try:
        runpy.run_path(program, run_name="__main__")
    except SystemExit as end:
        code = end.code or 0
    except Exception as error:
        code = 1
        said.append(f"{type(error).__name__}: {error}")
    finally:
        sys.stdin, sys.stdout, sys.stderr = sys.__stdin__, sys.__stdout__, sys.__stderr__
    try:
        texts[1].flush()
    except ValueError:
        pass  # detached
    with open(output, "wb") as file:
        file.write(written.getvalue())
    said.extend(complaints.getvalue().splitlines())
    if code and not said:
        said.extend(written.getvalue().decode("utf-8", "replace").splitlines()[-1:])
    last = " ".join(said[-1].split()) if said else ""
    print(code, last, sep="\t", file=answers, flush=True)
