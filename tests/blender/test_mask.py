"""The matte painted by hand: undone like anything else, and never left in a file."""

from pathlib import Path
from typing import Any

import bpy
import numpy as np
import pytest

from tests.blender import addon
from tests.blender.gui.states import states

pytestmark = pytest.mark.usefixtures("blank")
SIDE = 8


class Session:
    """Has a cut-out, and takes a mask."""

    def __init__(self) -> None:
        rows = np.full((SIDE, SIDE, 4), 255, np.uint8)
        rows[:, : SIDE // 2, 3] = 0
        self.cut_out: Any = (SIDE, SIDE, rows.tobytes())
        self.picture: Any = None
        self.used: Any = None
        self.chosen = self

    def use_mask(self, width: int, height: int, rows: bytes) -> None:
        self.used = np.frombuffer(rows, np.uint8).reshape(height, width, 4)


@pytest.fixture
def session(monkeypatch: pytest.MonkeyPatch) -> Session:
    made = Session()
    tick = addon.module("bl.tick")
    monkeypatch.setattr(tick, "session", lambda: made)
    known = states(addon.module("core.snapshot"))
    shown = next(s for s in known.values() if s.picture.cut_out)
    monkeypatch.setattr(tick, "snapshot", lambda: shown)
    return made


def masks() -> list[Any]:
    return [image for image in bpy.data.images if addon.module("bl.matte").MASK in image]


def test_what_was_painted_is_used_and_the_image_goes(session: Session) -> None:
    assert bpy.ops.maquette.paint_mask() == {"FINISHED"}
    (mask,) = masks()
    pixels = np.empty(SIDE * SIDE * 4, np.float32)
    mask.pixels.foreach_get(pixels)
    pixels[3::4] = 1
    mask.pixels.foreach_set(pixels)
    mask.update()
    assert mask.is_dirty
    assert bpy.ops.maquette.use_mask() == {"FINISHED"}
    assert (session.used[..., 3] == 255).all()
    assert masks() == []


def test_painting_is_a_step_that_can_be_undone(session: Session) -> None:
    bpy.ops.ed.undo_push(message="Before")
    bpy.ops.maquette.paint_mask("EXEC_DEFAULT", True)  # as a button does: with its undo step
    assert masks()
    bpy.ops.ed.undo()
    assert masks() == []


def test_a_mask_that_was_saved_unused_is_gone_when_its_file_is_opened(
    session: Session, tmp_path: Path
) -> None:
    bpy.ops.maquette.paint_mask()
    masks()[0].use_fake_user = True
    file = str(tmp_path / "a.blend")
    bpy.ops.wm.save_as_mainfile(filepath=file)
    bpy.ops.wm.open_mainfile(filepath=file)
    assert masks() == []


def test_a_mask_that_was_saved_with_the_images_can_still_be_used(session: Session) -> None:
    bpy.ops.maquette.paint_mask()
    (mask,) = masks()
    mask.pack()
    assert not mask.is_dirty
    assert bpy.ops.maquette.use_mask() == {"FINISHED"}
    assert session.used is not None


def test_where_there_is_no_cut_out_the_whole_picture_is_painted_on(session: Session) -> None:
    rows = np.full((SIDE, SIDE, 4), 200, np.uint8).tobytes()
    session.cut_out = None
    session.picture = addon.module("core.pictures").PictureIn(
        title="a", rows=rows, width=SIDE, height=SIDE
    )
    addon.module("bl.matte").paint(bpy.context, session)
    (mask,) = masks()
    assert tuple(mask.size) == (SIDE, SIDE)
    addon.module("bl.matte").use(session)
    assert session.used.tobytes() == rows
