"""What control/pilot/model/FIELDS.md says, against the parsers and the tests that are there."""
import re

import source

README = "control/pilot/model/FIELDS.md"
FOLDER = "control/pilot/"
GOLDENS = FOLDER + "translate/testdata/"
# Of every object, and what MapReader's methods are told beside names.
EVERYWHERE = {"spec", "status", "metadata", "key", "value", "values", "notValues", "kind"}
_READERS = ("In|Each|EachEntry|String|StringOr|RequiredString|StringList|StringMap|Bool|Duration|"
            "Double|Enum|Int")


def parsed(texts):
    """The names of fields that these parsers read, or refuse as not supported yet."""
    found = set()
    for text in texts:
        found |= set(re.findall(rf'(?:\.|->)(?:{_READERS})\(\s*"(\w+)"', text))
        found |= set(re.findall(r'\bRead\w+\(\w+, "(\w+)"', text))
        for names in re.findall(r"NotYet\(\{([^}]*)\}", text):
            found |= set(re.findall(r'"(\w+)"', names))
    return found - EVERYWHERE


def parsers():
    return [source.read(path) for path in source.files((FOLDER + "model",), (".cc",))
            if re.search(r"/(parse_(?!fuzz)\w+|mesh_config)\.cc$", path)]


def goldens():
    """The words of what goes into each golden test, by its name."""
    return {path[len(GOLDENS):-len(".yaml")]: set(re.findall(r"\w+", source.read(path)))
            for path in source.files((GOLDENS,), (".yaml",))}


def tests():
    """Goldens by name, and Suite.Name of Pilot's unit tests."""
    found = set(goldens())
    for path in source.files((FOLDER,), ("_test.cc",)):
        found |= {f"{suite}.{name}" for suite, name in
                  re.findall(r"^TEST(?:_F|_P)?\((\w+), (\w+)\)", source.read(path), re.MULTILINE)}
    return found


def unseen(cell, names, fields, words):
    """Fields of a row whose tests are all golden ones and do not have them. Short names are too
    often other words."""
    if not names or not all(name in words for name in names):
        return []
    seen = set().union(*(words[name] for name in names))
    return sorted(field for field in set(re.findall(r"\w+", cell)) & fields - seen
                  if len(field) > 2)


def problems(text, fields, known_tests, words):
    """What is wrong with the table's text, a line each. `words`: as goldens()."""
    found = []
    said = set(re.findall(r"\w+", text))
    for number, line in enumerate(text.splitlines(), 1):
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if not line.startswith("| ") or len(cells) != 3 or cells[0] == "Field":
            continue
        names = re.findall(r"`([\w.]+)`", cells[2])
        if cells[1].startswith("yes") and not names:
            found.append(f"{README}:{number}: served, and no test named")
        if cells[1].startswith("yes"):
            found += [f"{README}:{number}: no test named has {field}"
                      for field in unseen(cells[0], names, fields, words)]
        found += [f"{README}:{number}: no such test: {name}"
                  for name in names if name not in known_tests]
    return found + [f"{README}: does not say whether {field} is served"
                    for field in sorted(fields - said)]
