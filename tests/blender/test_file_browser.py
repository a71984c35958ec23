"""Where the file browser opens that chooses a picture."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import bpy
import pytest

from tests.blender import addon

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
pytestmark = pytest.mark.usefixtures("blank")


def test_the_file_browser_opens_where_the_last_picture_was(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    sources = addon.module("operators.sources")
    monkeypatch.setattr(sources, "last_folder", None)
    chosen: list[str] = []
    session = SimpleNamespace(
        chosen=SimpleNamespace(choose=lambda picture, matte: chosen.append(picture.title))
    )
    monkeypatch.setattr(sources, "session", lambda: session)

    def opened() -> str:
        operator = SimpleNamespace(directory="")
        shown: list[Any] = []
        manager = SimpleNamespace(fileselect_add=shown.append)
        context = SimpleNamespace(window_manager=manager)
        sources.MAQUETTE_OT_open_picture.invoke(operator, context, None)
        assert shown == [operator]
        return operator.directory

    assert opened() == ""  # Blender's own choice
    copy = tmp_path / "duck.png"
    copy.write_bytes((EXAMPLES / "duck.png").read_bytes())
    bpy.ops.maquette.open_picture(filepath=str(copy))
    bpy.ops.maquette.example_picture()  # which lies where nobody wants to be
    assert chosen == ["duck", "mushroom"]
    assert Path(opened()) == tmp_path
    copy.unlink()
    tmp_path.rmdir()
    assert opened() == ""
