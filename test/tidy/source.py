"""The tree as the tidy tests see it: its files, and C++ without comments and strings."""
import os
import re

# The test runs from Bazel's runfiles; its own file there is a link into the source tree.
ROOT = os.environ.get("MELTEMI_ROOT") or os.path.realpath(
    os.path.join(os.path.dirname(os.path.realpath(__file__)), "../.."))

CODE_FOLDERS = ("l7", "dataplane", "control", "ca", "bench", "test", "deploy")
CPP = (".cc", ".h")

_SKIPPED_FOLDERS = {"npm", "node_modules", "__pycache__"}

# A string, a character, a comment; whichever begins first wins.
_TOKEN = re.compile(
    r'R"(?P<delimiter>[^(\s]*)\(.*?\)(?P=delimiter)"|"(?:\\.|[^"\\\n])*"|'
    r"(?<![0-9a-fA-F])'(?:\\.|[^'\\\n])*'|//[^\n]*|/\*.*?\*/", re.DOTALL)


def files(folders, endings):
    """Paths from the root, sorted, of the files below `folders` with one of the endings."""
    found = []
    for folder in folders:
        for directory, names, leaves in os.walk(os.path.join(ROOT, folder)):
            names[:] = [n for n in names if n not in _SKIPPED_FOLDERS]
            found += [os.path.relpath(os.path.join(directory, leaf), ROOT)
                      for leaf in leaves if leaf.endswith(endings)]
    return sorted(found)


def read(path):
    with open(os.path.join(ROOT, path), errors="replace") as file:
        return file.read()


def code_only(text):
    """The text with comments and literals blanked; lines and columns stay where they are."""
    return _TOKEN.sub(lambda m: re.sub(r"[^\n]", " ", m.group(0)), text)


def includes(text):
    """(line number, path) of every #include of a C++ text."""
    return [(text.count("\n", 0, m.start()) + 1, m.group(1))
            for m in re.finditer(r'^[ \t]*#[ \t]*include[ \t]*[<"]([^>"]+)[>"]', text,
                                 re.MULTILINE)]


def is_test(path):
    return (path.endswith(("_test.cc", "_fuzz.cc", "_bench.cc", "_benchmark.cc"))
            or path.startswith(("test/", "bench/")) or "/testing/" in path)


def test_support(path):
    """Fakes and builders that only tests link: beside the code, named so."""
    name = os.path.basename(path)
    return is_test(path) or name.startswith(("fake_", "test_", "builders")) or \
        "_testing." in name or "_for_test" in name
