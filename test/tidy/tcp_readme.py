"""What dataplane/tcp/README.md says of tests, against the tests that are there."""
import fnmatch
import re

import source

README = "dataplane/tcp/README.md"
SCRIPTS = "test/conformance/tcp/"


def scripts():
    """rfc9293/closed_drops_rst of every conformance script."""
    return [path[len(SCRIPTS):-len(".cc")] for path in source.files((SCRIPTS,), (".cc",))
            if "/" in path[len(SCRIPTS):]]


def unit_tests():
    """Suite.Name of every unit test of the data plane, alone and in the simulation."""
    found = set()
    for path in source.files(("dataplane", "test/sim"), ("_test.cc",)):
        found |= {f"{suite}.{name}" for suite, name in
                  re.findall(r"^TEST(?:_F|_P)?\((\w+), (\w+)\)", source.read(path), re.MULTILINE)}
    return found


def rows(text):
    """(line number, clause, state, remark) of every line of a table."""
    for number, line in enumerate(text.splitlines(), 1):
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("| ") and len(cells) == 3 and cells[0] != "Clause":
            yield number, *cells


def problems(text, known_scripts, known_tests):
    """What is wrong with the README's text, a line each."""
    found, named = [], set()
    for number, _, state, remark in rows(text):
        names = re.findall(r"`(rfc\d+/[\w*]+|[A-Z]\w*\.[A-Z]\w*)`", remark)
        if state not in ("done", "not done", "not wanted"):
            found.append(f"{README}:{number}: state {state!r}")
        if state == "done" and not names:
            found.append(f"{README}:{number}: done, and no test named")
        for name in names:
            hits = set(fnmatch.filter(known_scripts, name)) | ({name} & known_tests)
            if not hits:
                found.append(f"{README}:{number}: no such test: {name}")
            named |= hits
    return found + [f"{README}: does not name {s}" for s in known_scripts if s not in named]
