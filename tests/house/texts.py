"""The texts of the extension that people read, found in its sources, so that no language lacks one.

python -m tests.house.texts    lists those that a language lacks
"""

import ast
import json
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from protocol.limits import QUALITIES
from protocol.stages import STAGES

ROOT = Path(__file__).resolve().parents[2]
ADDON = ROOT / "blender_addon"
LANGUAGES = ADDON / "languages"
PROCESSES = (
    *("core/set_up.py", "core/set_up_lock.py", "core/set_up_process.py", "core/order.py"),
    *("core/uv.py", "core/uv_trouble.py", "core/swap.py", "core/fetch.py", "core/plan.py"),
    *("core/diagnosis.py", "core/telling.py", "core/commands.py", "core/machine.py"),
    *("core/installed.py", "core/disk.py", "core/launch.py", "core/places.py"),
)
"""Of the set-up, whose sentences arrive complete from a process of its own, as the engine's do:
they stay in English."""
SHOWN = ("text", "name", "description", "title", "message", "confirm_text", "heading")
"""Arguments and attributes that Blender shows."""
LOUD = (
    *("debug", "info", "warning", "error", "exception", "compile", "match", "fullmatch", "sub"),
    *("undo_push", "ValueError", "TypeError", "TypeVar", "cast", "AssertionError"),
)
"""Calls whose texts are for logs, patterns and types."""
NAMES = ("PACKAGE", "Table", "Stages", "Then", "ThenFetched")
DATA = (
    "Base Color",
    "Made with Maquette",
    "Maquette Mask",
    "Metallic Roughness",
    "Roughness Metallic",
)
"""Names that data-blocks and attributes get in every language."""
SENTENCE = re.compile(r"[A-Za-z}\"'.,:)] .*[a-z]")
NOT_SHOWN = re.compile(
    r"[\\\[\]|]|;[.*]|\(\?|^[a-z_.]+$|^\d+ px$|^#|^--|%\w|^Blender on |^maquette "
)


def texts(folder: Path = ADDON) -> dict[str, str]:
    """Every text that is shown -> the file that it stands in."""
    found = {stage.label: "protocol/stages.py" for stage in STAGES.values()}
    found |= dict.fromkeys(QUALITIES, "protocol/limits.py")
    for file in sorted(folder.rglob("*.py")):
        name = file.relative_to(folder).as_posix()
        if name.startswith("protocol/") or name in PROCESSES or name == "api.py":
            continue
        source = file.read_text(encoding="utf-8")
        for text in of_source(source, drawn=not name.startswith(("bl/", "core/"))):
            found.setdefault(text, name)
    return found


def of_source(source: str, *, drawn: bool = True) -> Iterator[str]:
    """The texts of a module: what stands where Blender shows it, and every sentence.

    Args:
        drawn: it registers or draws; else labels are names of data.
    """
    tree = ast.parse(source)
    silent = set(_silent(tree))
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef) and _is_operator(node):
            yield from filter(None, [ast.get_docstring(node)])
        for part in _labels(node, drawn):
            if part not in silent:
                yield str(part.value)
        if _is_text(node) and node not in silent:
            text = node.value  # pyright: ignore[reportAttributeAccessIssue]
            if SENTENCE.search(text) and not NOT_SHOWN.search(text):
                yield text


def _labels(node: ast.AST, drawn: bool) -> Iterator[ast.Constant]:
    """Literals where Blender, or ``said``, takes a text."""
    match node:
        case ast.Call(func=ast.Name(id="said") | ast.Attribute(attr="said"), args=[value, *_]):
            yield from (part for part in _alternatives(value) if _is_text(part))  # pyright: ignore
            return
        case ast.keyword(arg=name, value=value) if drawn and name in SHOWN:
            found = list(ast.walk(value))
        case ast.Assign(targets=[ast.Name(id="bl_label")], value=value):
            found = [value]
        case ast.Tuple(elts=found) if drawn:
            pass
        case ast.IfExp() if drawn:
            found = _alternatives(node)
        case ast.Dict(values=found) if drawn:
            pass
        case _:
            return
    yield from (part for part in found if _is_label(part))  # pyright: ignore


def _alternatives(value: ast.AST) -> list[ast.AST]:
    """What an expression may come to: ``a or b``, ``a if c else b``."""
    match value:
        case ast.BoolOp(values=values):
            return list(values)
        case ast.IfExp(body=body, orelse=other):
            return [body, other]
        case _:
            return [value]


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def _is_label(node: ast.AST) -> bool:
    """Words with a capital letter, as labels have them."""
    return (
        isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and re.match(r"[A-Z0-9]+[a-z ]", node.value) is not None
        and not NOT_SHOWN.search(node.value)
    )


def _is_operator(node: ast.ClassDef) -> bool:
    return any(isinstance(base, ast.Name) and base.id == "Operator" for base in node.bases)


def _silent(tree: ast.AST) -> Iterator[ast.AST]:
    """Docstrings, annotations, pieces of f-strings, texts for logs and patterns, names of data."""
    for node in ast.walk(tree):
        hidden: list[ast.AST | None] = []
        match node:
            case ast.Expr(value=ast.Constant() as value):
                hidden = [value]
            case ast.Constant(value=value) if value in DATA:
                hidden = [node]
            case ast.JoinedStr() | ast.MatchClass():
                hidden = [node]
            case ast.AnnAssign(annotation=kind) | ast.arg(annotation=kind):
                hidden = [] if _has_property(kind) else [kind]
            case ast.FunctionDef(returns=kind):
                hidden = [kind]
            case ast.Assign(targets=[ast.Name(id=name)]) if name in NAMES:
                hidden = [node]
            case ast.Call(func=ast.Attribute(attr=name)) if name in LOUD:
                hidden = [node]
            case ast.Call(func=ast.Name(id=name)) if name in LOUD:
                hidden = [node]
            case _:
                pass
        for each in hidden:
            if each is not None:
                yield from ast.walk(each)


def _has_property(kind: ast.AST | None) -> bool:
    """Blender's properties are written as annotations: ``name: StringProperty(...)``."""
    return isinstance(kind, ast.Call)


def language(file: Path) -> dict[str, dict[str, str]]:
    """msgid -> msgstr by context."""
    return json.loads(file.read_text(encoding="utf-8"))


def placeholders(text: str) -> list[str]:
    """Names and formats of the values in a text, in alphabetical order."""
    return sorted(re.findall(r"\{[^{}]*\}", text))


def faults(table: dict[str, dict[str, str]], wanted: Iterable[str]) -> list[str]:
    """What is missing, left over, or does not agree with its English, as sentences."""
    usual, wanted = table["*"], set(wanted)
    offences = [f"{text!r} is missing" for text in sorted(wanted - set(usual))]
    offences += [f"{text!r} is shown nowhere" for text in sorted(set(usual) - wanted)]
    for context, entries in table.items():
        for text, words in entries.items():
            if text not in usual:
                offences.append(f"{text!r} of {context} does not stand under *")
            if not words.strip():
                offences.append(f"{text!r} is empty")
            elif placeholders(text) != placeholders(words):
                offences.append(f"{text!r} has other values in {words!r}")
            elif text.endswith((".", "…", ":")) != words.endswith((".", "…", ":")):
                offences.append(f"{text!r} ends otherwise in {words!r}")
    return offences


if __name__ == "__main__":
    for each in sorted(LANGUAGES.glob("*.json")):
        sys.stdout.write("\n".join([each.stem, *faults(language(each), texts())]) + "\n")
