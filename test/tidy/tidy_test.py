"""Tests of the tree itself: bans, layers, lengths, documents, formatting.

Each failure names the file, the line and the rule, so that the message is the instruction.
"""
import json
import os
import re
import subprocess
import sys
import unittest

import bans
import functions
import layers
import pilot_fields
import source
import tcp_readme

FUNCTION_LINES_MAX = 70
FILE_LINES_MAX = 500
README_LINES_MAX = 120
RATCHET = "test/tidy/ratchet.json"


def cpp(folders=source.CODE_FOLDERS):
    return source.files(folders, source.CPP)


class Bans(unittest.TestCase):

    def test_banned_things_stay_in_their_homes(self):
        found = []
        for path in cpp(("l7", "dataplane", "control", "ca")):
            if source.test_support(path):
                continue
            code = source.code_only(source.read(path))
            for ban in bans.BANS:
                if path.startswith(ban.folders) and not path.startswith(tuple(ban.homes)):
                    found += [f"{path}:{code.count(chr(10), 0, m.start()) + 1}: {ban.name}: "
                              f"{m.group(0)}" for m in re.finditer(ban.pattern, code)]
        self.assertEqual([], found, "\n" + "\n".join(found))

    def test_third_party_headers_stay_in_their_homes(self):
        found = []
        for path in cpp(("l7", "dataplane", "control", "ca")):
            if source.test_support(path):
                continue
            for line, header in source.includes(source.read(path)):
                found += [f"{path}:{line}: {ban.name}: {header}" for ban in bans.HEADER_BANS
                          if re.match(ban.pattern, header)
                          and header.rsplit("/", 1)[-1] not in ban.except_for
                          and not path.startswith(tuple(ban.homes))]
        self.assertEqual([], found, "\n" + "\n".join(found))

    def test_finds_what_it_bans(self):
        """Goal: a rule that matches nothing would pass for ever."""
        samples = {
            "clock": "now = std::chrono::steady_clock::now();",
            "randomness": "std::mt19937 r;", "atomics": "std::atomic<int> a;",
            "locks": "absl::Mutex mu;", "threads": "std::thread t(f);",
            "thread_local": "thread_local int x;", "raw new or malloc": "p = new Foo();",
            "shared_ptr": "std::shared_ptr<Foo> f;", "exceptions": "throw x;",
            "sockets in l7": "socket(AF_INET, 0, 0);",
        }
        self.assertEqual(set(samples), {ban.name for ban in bans.BANS})
        for ban in bans.BANS:
            self.assertRegex(samples[ban.name], ban.pattern)
            hidden = source.code_only(f'// {samples[ban.name]}\nf("{samples[ban.name]}");')
            self.assertNotRegex(hidden, ban.pattern)


class Layers(unittest.TestCase):

    def test_includes_follow_the_arrows(self):
        ours = tuple(f + "/" for f in layers.CHECKED)
        found = []
        for path in cpp(layers.CHECKED):
            if source.test_support(path):
                continue
            if layers.home(path) is None:
                found.append(f"{path}: its folder is not in test/tidy/layers.py")
                continue
            found += [f"{path}:{line}: {layers.home(path)} may not include {header}"
                      for line, header in source.includes(source.read(path))
                      if header.startswith(ours) and os.path.exists(f"{source.ROOT}/{header}")
                      and not layers.allowed(path, header)]
        self.assertEqual([], found, "\n" + "\n".join(found))

    def test_targets_follow_the_arrows(self):
        """Method: Bazel's genqueries (BUILD here) list forbidden dependencies: all are empty, and
        the example, which asks for dependencies that are there, is not."""
        found = {os.path.basename(path): source.read(path).split() for path in QUERIES}
        self.assertIn("//dataplane/packet:packet", found.pop("example.found", []))
        self.assertGreater(len(found), 0)
        self.assertEqual({}, {name: labels for name, labels in found.items() if labels})

    def test_quoted_includes_name_the_path_from_the_root(self):
        found = []
        for path in cpp():
            for match in re.finditer(r'^#include "([^"]+)"', source.read(path), re.MULTILINE):
                header = match.group(1)
                if "/" not in header:
                    found.append(f"{path}: {header}")
        self.assertEqual([], found, "\n" + "\n".join(found))


class Lengths(unittest.TestCase):
    """A ratchet: what was too long when the rule came may stay until it is touched, and shrink."""

    def test_nothing_new_is_too_long_and_the_list_only_shrinks(self):
        known = json.loads(source.read(RATCHET))
        found = too_long()
        problems = [f"{what}: {lines} lines, at most {known.get(what, limit(what))}; split it"
                    for what, lines in found.items() if lines > known.get(what, limit(what))]
        problems += [f"{what}: now {found.get(what, 'short enough')}: update {RATCHET}"
                     for what, lines in known.items() if found.get(what) != lines
                     and found.get(what, 0) <= lines]
        self.assertEqual([], problems, "\n" + "\n".join(problems))

    def test_measures_functions(self):
        code = source.code_only(
            'namespace a {\nclass B {\n int C() const { return 1; }\n};\n'
            'B::B() : x_(1), y_{2} {\n  if (x) {\n  }\n}\n'
            'constexpr int kTable[] = {\n1,\n2};\nauto F(int a,\n int b) -> int {\n "}";\n}\n}\n')
        self.assertEqual([("C", 3, 1), ("F", 12, 4)],
                         [b for b in functions.bodies(code) if b[0] in ("C", "F")])
        self.assertEqual(3, len(functions.bodies(code)))


def limit(what):
    return FUNCTION_LINES_MAX if ":" in what else FILE_LINES_MAX - 1


def too_long():
    """{path or path:function: lines} of everything over its limit."""
    found = {}
    for path in cpp() + source.files(source.CODE_FOLDERS, (".py",)):
        text = source.read(path)
        lines = text.count("\n")
        if lines >= FILE_LINES_MAX:
            found[path] = lines
        if not path.endswith(source.CPP):
            continue
        for name, _, length in functions.bodies(source.code_only(text)):
            if length > FUNCTION_LINES_MAX:
                found[f"{path}:{name}"] = max(length, found.get(f"{path}:{name}", 0))
    return found


class Documents(unittest.TestCase):

    def test_every_path_in_architecture_exists(self):
        # A path in backquotes that has a slash; a pattern's star or brace ends it.
        named = re.findall(r"`((?:[\w.-]+/)+[\w.-]*)[^`]*`", source.read("ARCHITECTURE.md"))
        self.assertGreater(len(named), 20)
        known = ("l7", "dataplane", "control", "ca", "proto", "deploy", "bench", "test", ".ci")
        missing = [p for p in named if p.split("/")[0] in known
                   and not os.path.exists(os.path.join(source.ROOT, p))]
        self.assertEqual([], missing)

    def test_every_path_in_readme_exists(self):
        named = re.findall(r"(?<![\w/-])(?:deploy|test|bench|l7|dataplane|control)/[\w./-]*\w",
                           source.read("README.md"))
        self.assertEqual([], [p for p in named
                              if not os.path.exists(os.path.join(source.ROOT, p))])

    def test_readme_is_short(self):
        self.assertLessEqual(source.read("README.md").count("\n"), README_LINES_MAX)

    def test_the_tcp_readme_and_the_tests_agree(self):
        text = source.read(tcp_readme.README)
        scripts = tcp_readme.scripts()
        self.assertGreater(len(list(tcp_readme.rows(text))), 50)
        self.assertGreaterEqual(len(scripts), 150)
        found = tcp_readme.problems(text, scripts, tcp_readme.unit_tests())
        self.assertEqual([], found, "\n" + "\n".join(found))

    def test_finds_what_the_tcp_readme_says_wrongly(self):
        text = ("| a | done | none |\n| b | done | `rfc1/gone` |\n| c | maybe | `rfc1/here` |\n"
                "| d | done | `Tcp.Gone`, `Tcp.Here`, `rfc1/here*` |\n")
        found = tcp_readme.problems(text, ["rfc1/here", "rfc1/unnamed"], {"Tcp.Here"})
        self.assertEqual(["1: done, and no test named", "2: no such test: rfc1/gone",
                          "3: state 'maybe'", "4: no such test: Tcp.Gone",
                          " does not name rfc1/unnamed"], [f.split(":", 1)[1] for f in found])

    def test_pilots_table_of_fields_says_what_the_parsers_do(self):
        fields, tests = pilot_fields.parsed(pilot_fields.parsers()), pilot_fields.tests()
        self.assertGreater(len(fields), 150)
        self.assertGreater(len(tests), 40)
        found = pilot_fields.problems(source.read(pilot_fields.README), fields, tests,
                                      pilot_fields.goldens())
        self.assertEqual([], found, "\n" + "\n".join(found))

    def test_finds_what_pilots_table_says_wrongly(self):
        fields = pilot_fields.parsed(['map.In("here", f); x.NotYet({"gone", "also"});',
                                      'ReadPort(map, "port"); spec.Int("weight", 1, 2)'])
        self.assertEqual({"here", "gone", "also", "port", "weight"}, fields)
        text = ("| here, port | yes | |\n| gone | yes | `golden`, `T.Gone` |\n"
                "| weight | no | |\n| here, port | yes | `golden` |\n")
        found = pilot_fields.problems(text, fields, {"golden"}, {"golden": {"here"}})
        self.assertEqual(["1: served, and no test named", "2: no such test: T.Gone",
                          "4: no test named has port", " does not say whether also is served"],
                         [f.split(":", 1)[1] for f in found])

    def test_headers_have_guards_named_by_path(self):
        found = []
        for path in source.files(("l7", "dataplane", "control", "ca"), (".h",)):
            guard = "MELTEMI_" + re.sub(r"\W", "_", path).upper() + "_"
            if f"#ifndef {guard}\n#define {guard}\n" not in source.read(path):
                found.append(f"{path}: {guard}")
        self.assertEqual([], found, "\n" + "\n".join(found))

    def test_nothing_is_left_for_later_without_an_issue(self):
        found = []
        for path in cpp() + source.files(source.CODE_FOLDERS, (".py", "BUILD", ".bzl")):
            if path.startswith("test/tidy/"):
                continue
            for number, line in enumerate(source.read(path).splitlines(), 1):
                if re.search(r"\b(?:FIXME|XXX|HACK)\b", line) or re.search(
                        r"\bTODO\b(?!\([\w-]+\).*issue \d+)", line):
                    found.append(f"{path}:{number}: {line.strip()}")
        self.assertEqual([], found, "\n" + "\n".join(found))

    def test_the_tree_does_not_know_where_it_was_written(self):
        # Machine-local folders mean nothing to a reader elsewhere.
        words = re.compile("/" + r"tmp/s/|/" + r"work/|build" + "slot")
        found = [f"{path}:{number}"
                 for path in source.files(("",), source.CPP + (".py", ".md", ".yaml", ".bzl",
                                                               "BUILD", "WORKSPACE", "run",
                                                               "test", "demo", "setup"))
                 if not path.startswith(("bazel-", "proto/npm"))
                 for number, line in enumerate(source.read(path).splitlines(), 1)
                 if words.search(line)]
        self.assertEqual([], found)


class Format(unittest.TestCase):

    def test_clang_format_has_nothing_to_say(self):
        paths = cpp()
        done = subprocess.run(["clang-format", "--dry-run", "--ferror-limit=1", *paths],
                              cwd=source.ROOT, capture_output=True, text=True, check=False)
        bad = sorted({line.split(":")[0] for line in done.stderr.splitlines()
                      if "warning: code should be clang-formatted" in line
                      or "error: code should be clang-formatted" in line})
        self.assertEqual([], bad, "\nrun: clang-format -i " + " ".join(bad))
        self.assertEqual(0, done.returncode, done.stderr[:2000])

    def test_lines_of_python_fit(self):
        found = [f"{path}:{number}"
                 for path in source.files(source.CODE_FOLDERS, (".py",))
                 for number, line in enumerate(source.read(path).splitlines(), 1)
                 if len(line) > 100]
        self.assertEqual([], found)


QUERIES = [a for a in sys.argv[1:] if a.endswith((".forbidden", ".found"))]

if __name__ == "__main__":
    if "--write-ratchet" in sys.argv:
        with open(os.path.join(source.ROOT, RATCHET), "w") as ratchet:
            json.dump(too_long(), ratchet, indent=1, sort_keys=True)
            ratchet.write("\n")
        sys.exit(0)
    unittest.main(argv=[sys.argv[0]], verbosity=1)
