"""The checkers behind the house tests; each returns the offences it found, as sentences."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

LONGEST_FILE = 450
OUTERMOST = (
    ("engine", "cli.py"),
    ("engine", "connecting.py"),
    ("worker", "__main__.py"),
    ("blender_addon", "engine_process.py"),
)
"""Where programs come in: these may read the environment."""

# Made at run time or by git-ignored tools, so absent from a clone.
MADE_AT_RUN_TIME = (
    *(".venv", "out/", "engine.json", "store.sqlite", "config.toml"),
    *("asset.vxz", "recipe.json", "source.png", "latents.safetensors", "index.json"),
)
# Part of the layout of published checkpoints and of the folder the cases lie in, not of this one.
NOT_OURS = ("pipeline.json", "texturing_pipeline.json", "../shared/")
SUFFIXES = (
    *(".py", ".md", ".toml", ".json", ".sh", ".txt", ".yml", ".cfg"),
    *(".glb", ".gltf", ".obj", ".ply", ".stl", ".vxz", ".npz", ".safetensors", ".png"),
)


def python_files(root: Path, *folders: str) -> list[Path]:
    return sorted(file for folder in folders for file in (root / folder).rglob("*.py"))


def long_files(files: Iterable[Path]) -> list[str]:
    counts = {file: len(file.read_text(encoding="utf-8").splitlines()) for file in files}
    return [f"{f} has {n} lines" for f, n in counts.items() if n > LONGEST_FILE]


def forbidden_code(files: Iterable[Path]) -> list[str]:
    """Reading of the environment, `print` and `.cuda()`; the CLI may do the first two."""
    offences: list[str] = []
    for file in files:
        tree = ast.parse(file.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            what = _forbidden(node)
            if what is None or (file.parts[-2:] in OUTERMOST and what != ".cuda()"):
                continue
            offences.append(f"{file}:{getattr(node, 'lineno', 0)} uses {what}")
    return offences


def _forbidden(node: ast.AST) -> str | None:
    environment = ("environ", "environb", "getenv", "getenvb")
    match node:
        case ast.Attribute(value=ast.Name(id="os"), attr=name) if name in environment:
            return f"os.{name}"
        case ast.ImportFrom(module="os", names=names) if any(n.name in environment for n in names):
            return "the environment"
        case ast.Call(func=ast.Name(id="print")):
            return "print"
        case ast.Call(func=ast.Attribute(attr="cuda")):
            return ".cuda()"
        case _:
            return None


ONE_KIND = ("cuda", "mps", "xpu")
"""Modules of torch that are for one kind of device."""


def calls_of_one_kind(files: Iterable[Path], root: Path, allowed: Iterable[str]) -> list[str]:
    """Uses of ``torch.cuda`` and its like (also under other names) outside of the allowed files."""
    offences: list[str] = []
    for file in files:
        name = file.relative_to(root).as_posix()
        if name in allowed:
            continue
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            match node:
                case ast.Attribute(value=ast.Name(id="torch"), attr=attribute):
                    used = {f"torch.{attribute}"}
                case ast.Import() | ast.ImportFrom():
                    used = {".".join(module.split(".")[:2]) for module in _modules(node)}
                case _:
                    continue
            line = getattr(node, "lineno", 0)
            kinds = (kind for kind in ONE_KIND if f"torch.{kind}" in used)
            offences += [f"{name}:{line} uses torch.{kind}" for kind in kinds]
    return offences


def not_for_an_extension(files: Iterable[Path]) -> list[str]:
    """What Blender's platform forbids, or what breaks other extensions: threads of our own, `eval`
    and `exec`, changes of `sys.path`, and absolute imports of our own packages or of wheels when a
    module is loaded."""
    offences: list[str] = []
    for file in files:
        tree = ast.parse(file.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            line = getattr(node, "lineno", 0)
            for name in _modules(node) if not _relative(node) else []:
                if name.partition(".")[0] in NEVER_IN_AN_EXTENSION:
                    offences.append(f"{file}:{line} imports {name}")
            if (what := _forbidden_in_an_extension(node)) is not None:
                offences.append(f"{file}:{line} uses {what}")
        for node in tree.body:
            for name in _modules(node) if not _relative(node) else []:
                if name.partition(".")[0] in {"zmq", "msgpack"}:
                    offences.append(f"{file}:{node.lineno} imports {name} when it is loaded")
    return offences


NEVER_IN_AN_EXTENSION = {
    *("threading", "_thread", "concurrent", "multiprocessing", "asyncio"),
    *("protocol", "engine", "blender_addon", "pip", "ensurepip"),
}


def _relative(node: ast.AST) -> bool:
    return isinstance(node, ast.ImportFrom) and bool(node.level)


def _forbidden_in_an_extension(node: ast.AST) -> str | None:
    match node:
        case ast.Call(func=ast.Name(id=("eval" | "exec" | "compile" | "__import__") as name)):
            return name
        case ast.Attribute(value=ast.Name(id="sys"), attr="path"):
            return "sys.path"
        case ast.ImportFrom(module="sys", names=names) if any(n.name == "path" for n in names):
            return "sys.path"
        case _:
            return None


def imported_by(package: str, root: Path) -> set[str]:
    """Top-level names in `sys.modules` after importing every module of ``package`` afresh."""
    script = (
        "import importlib, pkgutil, sys\n"
        f"top = importlib.import_module({package!r})\n"
        "for found in pkgutil.walk_packages(top.__path__, top.__name__ + '.'):\n"
        "    if not found.name.endswith('__main__'): importlib.import_module(found.name)\n"
        "print(*sorted({name.partition('.')[0] for name in sys.modules}))\n"
    )
    # -I would drop the folder; only the current one is put on the path.
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=root, capture_output=True, text=True, timeout=120
    )
    if done.returncode != 0:
        raise RuntimeError(f"importing {package} failed:\n{done.stderr}")
    return set(done.stdout.split())


def foreign_imports(root: Path, package: str, allowed: set[str]) -> list[str]:
    """Imports from outside of ``package``, those inside functions included, that are neither of
    the standard library nor of ``allowed``."""
    ours = {package, *allowed, *sys.stdlib_module_names}
    return [
        f"{file.relative_to(root)} imports {module}"
        for file in python_files(root, package)
        for module in _absolute_imports(file)
        if module.partition(".")[0] not in ours
    ]


def _absolute_imports(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if not (isinstance(node, ast.ImportFrom) and node.level):
            yield from _modules(node)


def rooms_in_order(architecture: str) -> list[str]:
    """The rooms of the engine in the table of docs/architecture.md, from top to bottom.

    A name in back-ticks exists; ``protocol`` stands among them, below all others.
    """
    return re.findall(r"^\| `(?:engine/)?(\w+)(?:\.py)?` \|", architecture, re.MULTILINE)


def unlisted_rooms(root: Path, order: list[str]) -> list[str]:
    """Entries of engine that stand in no table, so that no rule would look at them."""
    missing = sorted(entries_of_engine(root) - set(order))
    return [f"engine/{name} stands in no table of rooms" for name in missing]


def entries_of_engine(root: Path) -> set[str]:
    """Names of the files and folders of Python in engine."""
    entries = {path.stem for path in (root / "engine").glob("*.py")} - {"__init__"}
    return entries | {path.parent.name for path in (root / "engine").glob("*/*.py")}


def upward_imports(root: Path, order: list[str], package: str = "engine") -> list[str]:
    """Imports of a room of a package that stands above the importing one."""
    offences: list[str] = []
    for file in python_files(root, package):
        parts = file.relative_to(root).with_suffix("").parts
        for module in _imports(file, ".".join(parts[:-1])):
            inside = module.startswith(f"{package}.")
            room, other = parts[1], module.split(".")[1] if inside else ""
            if room in order and other in order and order.index(other) < order.index(room):
                offences.append(f"{file.relative_to(root)} imports {module} from above")
    return offences


def import_circles(root: Path, *packages: str) -> list[str]:
    """Files that reach themselves by their imports, those inside functions included."""
    files = {
        ".".join(file.relative_to(root).with_suffix("").parts).removesuffix(".__init__"): file
        for file in python_files(root, *packages)
    }
    graph = {
        name: {
            target
            for module in _imports(file, ".".join(file.relative_to(root).parts[:-1]))
            if (target := _file_of(module, files))
        }
        - {name}
        for name, file in files.items()
    }
    # What nothing leads to, or leads nowhere, is in no circle; take it away until nothing changes.
    while True:
        reached = {target for targets in graph.values() for target in targets}
        kept = {name for name, targets in graph.items() if targets and name in reached}
        if len(kept) == len(graph):
            return [f"{name} imports itself through {sorted(graph[name])}" for name in sorted(kept)]
        graph = {name: graph[name] & kept for name in kept}


def _file_of(module: str, files: Mapping[str, Path]) -> str | None:
    """The file that an imported name lies in: ``a.b.c`` may be a module or a name in ``a.b``."""
    if module in files:
        return module
    parent = module.rpartition(".")[0]
    return parent if parent in files else None


def _imports(file: Path, package: str = "") -> Iterator[str]:
    """Imported names; ``package`` is what relative ones start from."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level and package:
            parts = package.split(".")
            base = ".".join(parts[: len(parts) - node.level + 1])
            start = f"{base}.{node.module}" if node.module else base
            yield from (f"{start}.{name.name}" for name in node.names)
        else:
            yield from _modules(node)


def _modules(node: ast.AST) -> list[str]:
    match node:
        case ast.ImportFrom(module=str(module), names=names):
            return [f"{module}.{name.name}" for name in names]
        case ast.Import(names=names):
            return [name.name for name in names]
        case _:
            return []


def missing_paths(root: Path, documents: Iterable[Path]) -> list[str]:
    """Paths that documents name and that are nowhere in the project."""
    names = {p.name for p in _project_files(root)}
    offences: list[str] = []
    for document in documents:
        for mention in paths_in(document.read_text(encoding="utf-8"), root):
            if mention.startswith(MADE_AT_RUN_TIME) or mention.startswith(NOT_OURS):
                continue
            near = (root / mention, document.parent / mention)
            # A bare name may lie in any folder: the text around it says in which.
            if any(p.exists() for p in near) or ("/" not in mention and mention in names):
                continue
            offences.append(f"{document.relative_to(root)} names {mention}, which does not exist")
    return offences


def paths_in(text: str, root: Path) -> Iterator[str]:
    """Paths in back-ticks, in Markdown links, and at the start of lines of ``text`` blocks."""
    fences = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
    for language, block in fences.findall(text):
        if language == "text":
            first_words = [line.split()[0] for line in block.splitlines() if line.strip()]
            yield from (word for word in first_words if looks_like_path(word, root))
    prose = fences.sub("", text)
    for span in re.findall(r"`([^`\n]+)`", prose):
        yield from (word for word in span.split() if looks_like_path(word, root))
    for target in re.findall(r"\]\(([^)\s]+)\)", prose):
        if "://" not in target and not target.startswith(("#", "mailto:")):
            yield target.partition("#")[0]


def looks_like_path(word: str, root: Path) -> bool:
    """Whether a word of code means a file of this project.

    A path is plain characters only (so no URL, no placeholder such as <name> or *), and either
    ends in a suffix we know, after a name, or has a slash and starts at the project's root.
    """
    if not re.fullmatch(r"[\w.][\w./-]*", word) or re.fullmatch(r"[\d./]+", word):
        return False
    if word.endswith(SUFFIXES):
        return not word.startswith(".") or "/" in word
    first, slash, _ = word.partition("/")
    return bool(slash) and (first.startswith(".") or (root / first).exists())


def _project_files(root: Path) -> Iterator[Path]:
    for path in root.iterdir():
        if path.name.startswith(".") and path.name != ".ci":
            continue
        yield path
        if path.is_dir() and path.name not in ("out", "build", "dist"):
            yield from path.rglob("*")
