"""Finds C++ function bodies and their lengths, well enough to hold a limit.

Namespaces, classes, enums and initialisers are braces too; a body is a brace that follows a
parameter list (and what may stand between: const, noexcept, a return type, member initialisers).
"""
import re

_AFTER_PARAMETERS = re.compile(
    r"\)\s*(?:const|noexcept(?:\([^()]*\))?|override|final|mutable|volatile|&&?|"
    r"->\s*[\w:<>,\s*&]+|\s)*$")
_CONSTRUCTOR = re.compile(r"\)\s*(?:noexcept)?\s*:(?!:)")
_CONTAINERS = re.compile(r"\b(?:namespace|class|struct|union|enum)\b[^;(){}]*$|\bextern\s*$")
_CONTROL = re.compile(r"\b(?:if|for|while|switch|catch)\s*(?:constexpr\s*)?\(")
_NAME = re.compile(r"([~\w:]+(?:\s*operator\s*[^\s(]+)?)\s*\(")


def _name(head):
    for match in _NAME.finditer(head):
        if match.group(1) not in ("alignas", "decltype", "noexcept", "requires", "__attribute__"):
            return match.group(1)
    return None


def bodies(code):
    """[(name, first line, lines)] of the outermost function bodies of blanked code."""
    found, stack, head_start, body = [], [], 0, None
    for at, char in enumerate(code):
        if char == "{":
            head = code[head_start:at]
            kind = "block"
            if body is None:
                kind = _classify(head)
                if kind == "function":
                    body = (len(stack), _name(head), head_start + len(head) - len(head.lstrip()))
            stack.append(kind)
            if kind != "initialiser" and (body is None or kind == "function"):
                head_start = at + 1
        elif char == "}":
            if not stack:
                return found  # preprocessor branches with unbalanced braces: give up here
            kind = stack.pop()
            if body is not None and len(stack) == body[0]:
                first = code.count("\n", 0, body[2]) + 1
                last = code.count("\n", 0, at) + 1
                found.append((body[1] or "?", first, last - first + 1))
                body = None
            if body is None and kind != "initialiser":
                head_start = at + 1
        elif char == ";" and body is None and not _inside_initialiser(stack):
            head_start = at + 1
    return found


def _inside_initialiser(stack):
    return bool(stack) and stack[-1] == "block"


def _classify(head):
    head = re.sub(r"^[ \t]*#.*$", "", head, flags=re.MULTILINE)
    if _CONTAINERS.search(head):
        return "container"
    if head.rstrip().endswith("=") or _CONTROL.search(head):
        return "block"
    if _CONSTRUCTOR.search(head):  # y_{2} is one of its initialisers; a body follows ) or }
        return "function" if head.rstrip()[-1:] in (")", "}") else "initialiser"
    return "function" if _AFTER_PARAMETERS.search(head) else "block"
