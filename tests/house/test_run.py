"""run.py makes its environment once, repairs it when needed and says what is wrong."""

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]


class Project:
    """run.py on a folder of its own, with commands recorded instead of run."""

    def __init__(self, module: Any, root: Path) -> None:
        self.run = module
        self.commands: list[list[str]] = []
        self.failing = ""
        root.mkdir()
        self.project_file = root / "pyproject.toml"
        self.project_file.write_text("[project]")
        module.ROOT, module.VENV = root, root / ".venv"
        module.STAMP, module.PYTHON = module.VENV / "stamp", module.VENV / "python"
        module.call = self._call

    def _call(self, command: list[str]) -> int:
        kind = "venv" if "venv" in command else "pip" if "pip" in command else "command"
        self.commands.append(command)
        if kind == "venv":
            self.run.VENV.mkdir(exist_ok=True)
            self.run.PYTHON.touch()
        return 3 if kind == self.failing else 0

    def kinds(self) -> list[str]:
        """What was run since the last call."""
        kinds = ["venv" if "venv" in c else "pip" if "pip" in c else c[2] for c in self.commands]
        self.commands.clear()
        return kinds


@pytest.fixture
def project(tmp_path: Path) -> Project:
    spec = importlib.util.spec_from_file_location("run_under_test", ROOT / "run.py")
    if spec is None or spec.loader is None:
        raise RuntimeError("run.py cannot be imported")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return Project(module, tmp_path / "clone")


def test_sets_up_once(project: Project) -> None:
    assert project.run.main(["test", "-k", "x"]) == 0
    assert project.commands[-1][1:] == ["-m", "pytest", "-k", "x"]
    assert project.kinds() == ["venv", "pip", "pytest"]
    assert project.run.main(["test"]) == 0
    assert project.kinds() == ["pytest"]


def test_installs_again_when_the_project_file_changes(project: Project) -> None:
    project.run.main(["setup"])
    project.project_file.write_text("[project] # more")
    project.kinds()
    project.run.main(["test"])
    assert project.kinds() == ["pip", "pytest"]


def test_repairs_what_was_cut_short(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    project.failing = "pip"
    assert project.run.main(["test"]) == 1
    assert "pip could not install" in capsys.readouterr().err
    assert project.kinds() == ["venv", "pip"]
    project.failing = ""
    assert project.run.main(["test"]) == 0
    assert project.kinds() == ["venv", "pip", "pytest"]


def test_makes_it_again_when_its_python_is_gone(project: Project) -> None:
    project.run.main(["setup"])
    project.run.PYTHON.unlink()
    project.kinds()
    project.run.main(["test"])
    assert project.kinds() == ["venv", "pip", "pytest"]


def test_a_linked_environment_is_left_alone(project: Project, tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    project.run.VENV.symlink_to(shared)
    assert project.run.main(["test"]) == 1
    (shared / "python").touch()
    assert project.run.main(["test"]) == 0
    assert project.kinds() == ["pytest"]


def test_status_of_the_command_is_passed_on(project: Project) -> None:
    project.failing = "command"
    assert project.run.main(["test"]) == 3
    assert project.run.main(["demo"]) == 3


def test_the_demo_makes_what_fits_into_its_minute(
    project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    project.run.EXAMPLES = project.run.ROOT / "examples"
    project.run.EXAMPLES.mkdir()
    project.run.DEMO_PICTURE = project.run.EXAMPLES / "mushroom.png"
    for name in ("duck", "mushroom", "rocket", "trophy"):
        (project.run.EXAMPLES / f"{name}.png").touch()
    project.run.main(["setup"])
    seconds = 0.0

    def slow(command: list[str]) -> int:
        nonlocal seconds
        seconds += 20.0 if "generate" in command else 5.0
        return 0

    monkeypatch.setattr(project.run, "call", slow)
    monkeypatch.setattr(project.run.time, "monotonic", lambda: seconds)
    assert project.run.main(["demo"]) == 0
    # 25 s, then 45; a third picture would end at 65.
    assert seconds == 45.0
    assert "time for 1 of 3 other pictures" in capsys.readouterr().out


def test_old_python_is_one_sentence(
    project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 10, 4, "final", 0))
    assert project.run.main(["test"]) == 1
    assert "Python 3.10; Maquette needs 3.11" in capsys.readouterr().err
    assert project.commands == []


def test_a_python_without_venv_is_one_sentence(
    project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    find: Callable[..., object] = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "ensurepip" else find(name)
    )
    assert project.run.main(["test"]) == 1
    assert "python3-venv" in capsys.readouterr().err
    assert project.commands == []


def test_a_folder_that_cannot_be_written_is_one_sentence(
    project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(project.run.os, "access", lambda path, mode: False)
    assert project.run.main(["test"]) == 1
    assert f"{project.run.ROOT} cannot be written" in capsys.readouterr().err
    assert project.commands == []


def test_unknown_words_show_the_help(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    assert project.run.main(["tset"]) == 2
    assert project.run.main([]) == 2
    assert project.run.main(["--help"]) == 0
    assert "python run.py demo" in capsys.readouterr().out
    assert project.commands == []
