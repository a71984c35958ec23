"""The list of files in docs/files.md: the files of FOLDERS with what their docstrings say first.

python -m tests.house.tree    writes it
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "files.md"
FOLDERS = ("protocol", "blender_addon", "engine", "benchmarks")
HEAD = """# Files

Every Python file of the folders protocol, blender_addon, engine and benchmarks, in the words of its
own docstring. `python -m tests.house.tree` writes this page and a test keeps it true. What rooms
are for is in [architecture.md](architecture.md).
"""


def page(root: Path) -> str:
    """The whole page."""
    return HEAD + "".join(_folders(root))


def _folders(root: Path) -> Iterator[str]:
    for top in FOLDERS:
        folders = {file.parent for file in (root / top).rglob("*.py")}
        for folder in sorted(folders):
            name = folder.relative_to(root).as_posix()
            init = folder / "__init__.py"
            about = f"{first_sentence(init)}\n\n" if init.exists() and init.stat().st_size else ""
            files = [file for file in sorted(folder.glob("*.py")) if file != init]
            lines = "".join(f"- `{file.name}` {first_sentence(file)}\n" for file in files)
            yield f"\n## {name}\n\n{about}{lines}"


def first_sentence(file: Path) -> str:
    """What the docstring of a module says first, in one line."""
    text = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
    paragraph = " ".join(text.split("\n\n")[0].split())
    return re.split(r"(?<=[.?])\s", paragraph)[0]


def entries_of_tree(readme: str) -> set[str]:
    """Names at the start of lines in the README's ``text`` block."""
    block = re.search(r"^```text\n(.*?)^```", readme, re.MULTILINE | re.DOTALL)
    lines = block.group(1).splitlines() if block else []
    return {line.split()[0].rstrip("/") for line in lines if line.strip()}


if __name__ == "__main__":
    PAGE.write_text(page(ROOT), encoding="utf-8")
