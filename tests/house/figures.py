"""How the house is built, in numbers: ``python -m tests.house.figures`` prints them.

Lines of code are counted without comments, docstrings and blank lines. Numba kernels have no
annotations, since numba reads none; they are left out of the share of annotated functions.
"""

import ast
import statistics
import sys
from pathlib import Path

from tests.house import rules

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("engine", "protocol", "blender_addon")
_KERNELS = {"kernel", "tight", "njit"}


def figures(root: Path) -> dict[str, str]:
    """Name -> value, as the table of docs/decisions/0036-rooms.md shows them."""
    files = rules.python_files(root, *PACKAGES)
    trees = {file: ast.parse(file.read_text(encoding="utf-8")) for file in files}
    lengths = [len(file.read_text(encoding="utf-8").splitlines()) for file in files]
    functions = [
        node
        for tree in trees.values()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    plain = [node for node in functions if not _is_kernel(node)]
    public = [node for tree in trees.values() for node in _public(tree)]
    order = rules.rooms_in_order((root / "docs" / "architecture.md").read_text(encoding="utf-8"))
    return {
        "files": f"{len(files)}",
        "lines of code": f"{sum(_code_lines(file, trees[file]) for file in files):,}",
        "lines of a file, median": f"{statistics.median(lengths):.0f}",
        "lines of a file, most": f"{max(lengths)}",
        "functions over 60 lines": _share(functions, lambda node: _length(node) > 60),
        "functions with more than 7 arguments": _share(
            functions, lambda node: _arguments(node) > 7
        ),
        "annotated outside of kernels": _share(plain, _is_annotated),
        "public names with a docstring": _share(public, lambda node: bool(ast.get_docstring(node))),
        "import circles": f"{len(rules.import_circles(root, 'engine', 'protocol'))}",
        "imports from above": f"{len(rules.upward_imports(root, order))}",
        "entries of engine": f"{len(rules.entries_of_engine(root))}",
    }


def _share(nodes: list, holds) -> str:
    count = sum(map(holds, nodes))
    return f"{count / max(1, len(nodes)):.1%} ({count} of {len(nodes)})"


def _is_kernel(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    names = [d.func if isinstance(d, ast.Call) else d for d in node.decorator_list]
    return any(isinstance(name, ast.Name) and name.id in _KERNELS for name in names)


def _length(node: ast.FunctionDef) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


def _arguments(node: ast.FunctionDef) -> int:
    arguments = node.args
    return len(arguments.posonlyargs) + len(arguments.args) + len(arguments.kwonlyargs)


def _is_annotated(node: ast.FunctionDef) -> bool:
    arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
    named = [a for a in arguments if a.arg not in ("self", "cls", "_")]
    return all(a.annotation is not None for a in named)


def _public(tree: ast.Module) -> list:
    kinds = (ast.FunctionDef, ast.ClassDef)
    return [n for n in tree.body if isinstance(n, kinds) and not n.name.startswith("_")]


def _code_lines(file: Path, tree: ast.Module) -> int:
    text = file.read_text(encoding="utf-8").splitlines()
    dropped: set[int] = set()
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(node, ast.Module | ast.FunctionDef | ast.ClassDef) and body:
            first = body[0]
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                dropped.update(range(first.lineno, (first.end_lineno or first.lineno) + 1))
    return sum(
        1
        for number, line in enumerate(text, 1)
        if number not in dropped and line.strip() and not line.strip().startswith("#")
    )


if __name__ == "__main__":
    for name, value in figures(ROOT).items():
        sys.stdout.write(f"{name:40} {value}\n")
