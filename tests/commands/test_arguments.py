"""Options of verbs to choices of finishing."""

from pathlib import Path

import pytest

from engine.commands.arguments import finish_choice
from protocol.errors import EngineError

GLB = Path("chair.glb")


def test_without_finishing_options_of_a_finish_are_refused() -> None:
    assert finish_choice("none", GLB, faces=None, keep_inner=False) is None
    with pytest.raises(EngineError, match="--faces, --hull, --lods") as caught:
        finish_choice("none", GLB, faces=100, collision_hull=True, lods="files", height=None)
    assert caught.value.code == "finish_none"
    choice = finish_choice("game", GLB, faces=100)
    assert choice is not None and choice.faces == 100
