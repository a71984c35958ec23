"""The rules of the house hold, and their checkers see a house that breaks them."""

from pathlib import Path

import pytest

from tests.house import rules

ROOT = Path(__file__).resolve().parents[2]
LARGE = {"torch", "bpy", "numba", "numpy", "PIL", "transformers", "huggingface_hub"}
BANNED = [
    ("protocol", {"torch", "bpy", "numpy", "engine"}),
    ("engine.weights", {"torch", "numba"}),
    (
        "engine.service",
        {"torch", "bpy", "numba", "transformers", "numpy", "PIL", "huggingface_hub"},
    ),
    ("engine.helper", {"torch", "bpy", "numba", "transformers"}),
    ("engine.pipe", LARGE | {"zmq"}),
    ("blender_addon.core", {"torch", "bpy", "zmq", "msgpack", "numpy"}),
]


@pytest.mark.parametrize(("package", "banned"), BANNED)
def test_import_rules(package: str, banned: set[str]) -> None:
    if not (ROOT / package.replace(".", "/")).is_dir():
        pytest.skip(f"{package} is not built yet")
    assert rules.imported_by(package, ROOT) & banned == set()


def test_import_rule_sees_an_import_in_a_submodule(tmp_path: Path) -> None:
    package = tmp_path / "shop"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "till.py").write_text("import json\nimport numpy\n")
    assert "numpy" in rules.imported_by("shop", tmp_path)
    assert "torch" not in rules.imported_by("shop", tmp_path)


def test_the_protocol_needs_no_other_packages_than_it_ships_with() -> None:
    assert rules.foreign_imports(ROOT, "protocol", {"zmq", "msgpack", "numpy"}) == []


def test_a_foreign_import_is_seen(tmp_path: Path) -> None:
    shop = tmp_path / "shop"
    shop.mkdir()
    (shop / "till.py").write_text("import json\nfrom .rich import gold\nimport zmq.utils\n")
    assert rules.foreign_imports(tmp_path, "shop", {"zmq"}) == []
    (shop / "coin.py").write_text("def count():\n    from engine import mesh\n")
    (offence,) = rules.foreign_imports(tmp_path, "shop", {"zmq"})
    assert offence.endswith("coin.py imports engine.mesh")


def order_of_rooms() -> list[str]:
    return rules.rooms_in_order((ROOT / "docs" / "architecture.md").read_text(encoding="utf-8"))


def test_rooms_import_only_what_stands_below_them() -> None:
    order = order_of_rooms()
    assert {"commands", "systems", "networks", "ovoxel", "meshing", "protocol"} <= set(order)
    assert rules.upward_imports(ROOT, order) == []


def test_rooms_of_the_extension_import_only_what_stands_below_them() -> None:
    order = ["ui", "operators", "bl", "core", "protocol"]
    assert rules.upward_imports(ROOT, order, "blender_addon") == []


def test_every_room_stands_in_the_table() -> None:
    assert rules.unlisted_rooms(ROOT, order_of_rooms()) == []


def test_no_file_imports_itself_through_others() -> None:
    assert rules.import_circles(ROOT, "engine", "protocol") == []


def test_an_import_from_above_is_seen(tmp_path: Path) -> None:
    table = "| room |\n| `engine/attic` | a |\n| engine/garden | b |\n| `engine/cellar.py` | c |\n"
    order = rules.rooms_in_order(table)
    assert order == ["attic", "cellar"]
    (tmp_path / "engine" / "attic").mkdir(parents=True)
    (tmp_path / "engine" / "attic" / "chest.py").write_text("import engine.cellar\n")
    (tmp_path / "engine" / "garden.py").write_text("import engine.attic.chest\n")
    cellar = tmp_path / "engine" / "cellar.py"
    cellar.write_text("def open():\n    from engine import attic\n")
    (offence,) = rules.upward_imports(tmp_path, order)
    assert "engine/cellar.py" in offence.replace("\\", "/")
    cellar.write_text("from engine.attic.chest import lid\n")
    assert len(rules.upward_imports(tmp_path, order)) == 1
    cellar.write_text("from .attic import chest\n")
    assert len(rules.upward_imports(tmp_path, order)) == 1
    assert rules.unlisted_rooms(tmp_path, order) == ["engine/garden stands in no table of rooms"]


def test_a_circle_is_seen(tmp_path: Path) -> None:
    shop = tmp_path / "shop"
    shop.mkdir()
    (shop / "__init__.py").write_text("")
    (shop / "door.py").write_text("import shop.till\n")
    (shop / "till.py").write_text("from shop.coin import count\n")
    (shop / "coin.py").write_text("count = 1\n")
    assert rules.import_circles(tmp_path, "shop") == []
    (shop / "coin.py").write_text("def count():\n    from .till import open\n")
    assert [line.split()[0] for line in rules.import_circles(tmp_path, "shop")] == [
        "shop.coin",
        "shop.till",
    ]


USES_ONE_KIND = {
    "engine/host/machine.py": "what the device is and how much memory it has",
    "engine/residency/memory.py": "how much of the device's memory is in use",
    "benchmarks/gpu_day/card.py": "what is measured of a card, with a stand-in on the CPU",
    "engine/sampling/cuda_graph.py": "recording sampler steps and replaying them",
    "engine/residency/streaming.py": "a stream of its own for weights on their way",
}
"""Files that may use ``torch.cuda``, ``torch.mps`` or ``torch.xpu``, each after asking whether the
device is of that kind."""


def test_what_is_for_one_kind_of_device_is_used_in_guarded_places_only() -> None:
    files = rules.python_files(ROOT, "engine", "benchmarks")
    assert rules.calls_of_one_kind(files, ROOT, USES_ONE_KIND) == []
    for name in USES_ONE_KIND:
        assert len(rules.calls_of_one_kind([ROOT / name], ROOT, ())) > 0, f"{name} needs no place"


@pytest.mark.parametrize(
    "line",
    [
        "torch.cuda.synchronize()",
        "torch.mps.empty_cache()",
        "from torch.xpu import synchronize",
        "import torch.cuda",
        "from torch import cuda",
        "from torch.cuda import Event",
        "import torch.cuda.amp as amp",
        "def f(x: torch.cuda.Event): ...",
    ],
)
def test_a_use_of_one_kind_is_seen(line: str, tmp_path: Path) -> None:
    file = tmp_path / "engine.py"
    file.write_text(f"{line}\n")
    kind = next(kind for kind in rules.ONE_KIND if kind in line)
    assert rules.calls_of_one_kind([file], tmp_path, ()) == [f"engine.py:1 uses torch.{kind}"]
    assert rules.calls_of_one_kind([file], tmp_path, {"engine.py"}) == []


def test_a_mention_of_one_kind_is_no_use(tmp_path: Path) -> None:
    file = tmp_path / "engine.py"
    file.write_text("torch.backends.mps.is_built\ntorch.version.cuda\ntext = 'torch.cuda.Event'\n")
    assert rules.calls_of_one_kind([file], tmp_path, ()) == []


def test_no_forbidden_code() -> None:
    files = rules.python_files(ROOT, "engine", "protocol", "blender_addon")
    assert files
    assert rules.forbidden_code(files) == []


@pytest.mark.parametrize(
    "line",
    [
        "import os; os.environ['HOME']",
        "import os; os.getenv('HOME')",
        "from os import path, environ",
        "print('hello')",
        "network.cuda()",
        "def f(x): return x.weight.cuda(0)",
    ],
)
def test_forbidden_code_is_seen(tmp_path: Path, line: str) -> None:
    file = tmp_path / "sample.py"
    file.write_text(line)
    assert len(rules.forbidden_code([file])) == 1


def test_the_extension_does_nothing_that_blender_forbids() -> None:
    files = rules.python_files(ROOT, "blender_addon", "protocol")
    assert len(files) == len({file.resolve() for file in files}), "protocol is counted twice"
    ours = [file for file in files if "blender_addon" in file.parts]
    assert ours
    assert rules.not_for_an_extension(ours) == []


@pytest.mark.parametrize(
    "line",
    [
        "import threading",
        "def f():\n    from concurrent.futures import ThreadPoolExecutor",
        "from protocol.client import EngineClient",
        "import engine.cli",
        "import zmq",
        "from msgpack import packb",
        "eval('1')",
        "exec(text)",
        "import sys; sys.path.append('x')",
        "from sys import path",
    ],
)
def test_what_blender_forbids_is_seen(tmp_path: Path, line: str) -> None:
    file = tmp_path / "sample.py"
    file.write_text(line)
    assert len(rules.not_for_an_extension([file])) == 1


def test_what_an_extension_may_do_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "sample.py"
    file.write_text(
        "from ..protocol import wire\nimport bpy\ndef f():\n    import zmq\n    f.path\n"
    )
    assert rules.not_for_an_extension([file]) == []


def test_the_command_line_may_print_and_read_the_environment(tmp_path: Path) -> None:
    file = tmp_path / "engine" / "cli.py"
    file.parent.mkdir()
    file.write_text("import os\nprint(os.environ)\nx.cuda()\n")
    assert rules.forbidden_code([file]) == [f"{file}:3 uses .cuda()"]


def test_innocent_code_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "sample.py"
    file.write_text("import os\nos.path.join('a')\nx = 'os.environ'\ntorch.cuda.is_available()\n")
    assert rules.forbidden_code([file]) == []


def test_files_are_short() -> None:
    files = rules.python_files(ROOT, "engine", "protocol", "blender_addon", "tests", "benchmarks")
    assert rules.long_files([*files, ROOT / "run.py", ROOT / "build_addon.py"]) == []


def test_a_long_file_is_seen(tmp_path: Path) -> None:
    short, long = tmp_path / "short.py", tmp_path / "long.py"
    short.write_text("x = 1\n" * 450)
    long.write_text("x = 1\n" * 451)
    assert rules.long_files([short, long]) == [f"{long} has 451 lines"]


def test_paths_in_documents_exist() -> None:
    documents = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    assert rules.missing_paths(ROOT, documents) == []


def test_missing_paths_are_seen(tmp_path: Path) -> None:
    (tmp_path / "engine" / "ovoxel").mkdir(parents=True)
    (tmp_path / "engine" / "ovoxel" / "grid.py").write_text("")
    (tmp_path / "docs").mkdir()
    page = tmp_path / "docs" / "page.md"
    page.write_text(
        "Here: `engine/ovoxel/grid.py`, `engine/ovoxel/`, `grid.py`, `.venv`, `out/demo`.\n"
        "Not paths: `1/255`, `metallic/roughness`, `https://x.org/a.py`, `ckpts/<name>.json`, "
        "`.glb`, `np.float32`.\n"
        "Gone: `engine/sparse`, `python lost.py --fast`, [a page](other.md), `models/flow.py`.\n"
        "```text\nengine/gone.py   what it was\nengine/ovoxel/grid.py   the grid\n```\n"
    )
    found = [line.split()[2].rstrip(",") for line in rules.missing_paths(tmp_path, [page])]
    assert sorted(found) == [
        "engine/gone.py",
        "engine/sparse",
        "lost.py",
        "models/flow.py",
        "other.md",
    ]
