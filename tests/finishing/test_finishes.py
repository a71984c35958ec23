"""What there is to choose, what a user chose, what a checkpoint advises, and what comes of it."""

from typing import Any

import pytest

from protocol.errors import EngineError
from protocol.finishes import FINISHES, WALL, Finish, FinishAdvice, FinishChoice, finish_help


def test_a_file_of_one_mesh_gets_one_mesh_and_says_so() -> None:
    game = FINISHES["game"]
    fitting, note = game.fitting("b.obj")
    assert fitting.has_one_mesh and fitting.image_format == "png"
    assert note is not None and "b.obj holds one mesh" in note


def test_nothing_is_said_where_everything_fits() -> None:
    assert FINISHES["game"].fitting("b.GLB") == (FINISHES["game"], None)
    assert FINISHES["standard"].fitting("b.obj")[1] is None


def test_help_comes_from_the_table() -> None:
    words = finish_help()
    for name, finish in FINISHES.items():
        assert f"{name} ({finish.faces:,} faces" in words
    assert words.count("collision hull") == 1


def test_a_choice_goes_before_advice_and_advice_before_the_table() -> None:
    advice = FinishAdvice(closed=True, resolution=96, faces=50_000)
    for name, usual in FINISHES.items():
        assert FinishChoice(finish=name).settled() == usual
        advised = FinishChoice(finish=name).settled(advice)
        assert advised.closed and advised.remesh_cells == 96
        assert advised.faces == min(50_000, usual.faces)  # a bound, not a target
        assert advised.lod_shares == usual.lod_shares
    chosen = FinishChoice(faces=300_000, closed=False, texture_size=512).settled(advice)
    assert (chosen.faces, chosen.closed, chosen.texture_size) == (300_000, False, 512)
    assert FinishChoice(closed=True).settled().closed


def test_what_a_finish_has_can_be_added_and_left_out() -> None:
    rich = FinishChoice(normal_map=True, levels=3, collision_hull=True).settled()
    assert (rich.normal_map, rich.lod_shares, rich.collision_hull) == (True, (1, 0.5, 0.25), True)
    bare = FinishChoice(
        finish="game", normal_map=False, occlusion=False, levels=1, collision_hull=False
    ).settled()
    assert not bare.normal_map and not bare.occlusion and bare.has_one_mesh
    for name in FINISHES:
        usual = FinishChoice(finish=name).settled()
        assert usual.normal_map and usual.occlusion
    assert FinishChoice(finish="game").settled().lod_shares == (1.0, 0.5, 0.25, 0.125)


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"finish": "huge"}, "finish_unknown"),
        ({"faces": 3}, "face_target"),
        ({"faces": 0}, "face_target"),
        ({"texture_size": 0}, "texture_size"),
        ({"texture_size": 16384}, "texture_size"),
        ({"image_format": "gif"}, "image_format"),
        ({"levels": 0}, "job_invalid"),
        ({"levels": 5}, "job_invalid"),
        ({"levels": True}, "job_invalid"),
        ({"normal_map": 1}, "job_invalid"),
        ({"occlusion": "no"}, "job_invalid"),
        ({"wall": 0.02}, "job_invalid"),
        ({"collision_hull": "yes"}, "job_invalid"),
        ({"quads": 99}, "quads"),
        ({"quads": 1e4}, "quads"),
        ({"quads": True}, "quads"),
        ({"quads": 200_001}, "quads"),
        ({"quads": 5000, "solid": True}, "job_invalid"),
        ({"quads": 5000, "faces": 10_000}, "job_invalid"),
    ],
)
def test_an_impossible_choice_is_refused_when_it_is_made(wrong: dict[str, Any], code: str) -> None:
    with pytest.raises(EngineError) as caught:
        FinishChoice(**wrong)
    assert caught.value.code == code
    with pytest.raises(EngineError):
        Finish(faces=100, texture_size=64, remesh_cells=513)


def test_advice_from_a_file() -> None:
    assert FinishAdvice.read(None) is None
    assert FinishAdvice.read({"closed": True, "later": 1}) == FinishAdvice(closed=True)
    for wrong, words in (
        ([], "not an object"),
        ({"closed": 1}, '"closed"'),
        ({"faces": 2.5}, "2.5 faces"),
        ({"faces": 2}, "2 faces"),
        ({"resolution": "fine"}, "'fine' cells"),
        ({"resolution": 4}, "4 cells"),
    ):
        with pytest.raises(ValueError, match=words):
            FinishAdvice.read(wrong)


def test_a_solid_is_closed_and_has_a_wall() -> None:
    settled = FinishChoice(solid=True).settled()
    assert settled.solid and settled.closed and settled.wall == WALL
    assert FinishChoice(solid=True, wall=0.03).settled().wall == 0.03
    with pytest.raises(EngineError, match="cannot be open"):
        FinishChoice(solid=True, closed=False)
    for wall in (0.0, 0.5, -1, True, "thick"):
        with pytest.raises(EngineError) as error:
            FinishChoice(wall=wall)  # pyright: ignore[reportArgumentType]
        assert error.value.code == "wall"


def test_files_for_printing_have_no_textures() -> None:
    for name in ("a.stl", "a.3MF"):
        settings, note = FinishChoice(finish="game", solid=True).settled().fitting(name)
        assert not settings.textured and settings.has_one_mesh and note is not None
    assert FinishChoice().settled().fitting("a.obj")[0].textured


def test_quads_are_triangles_unless_they_are_asked_for() -> None:
    assert FinishChoice().settled().quads is None
    chosen = FinishChoice(finish="game", quads=5000, closed=True).settled()
    assert chosen.quads == 5000 and chosen.closed and len(chosen.lod_shares) == 4
    with pytest.raises(EngineError) as caught:
        FinishChoice(quads=5000, faces=10_000)
    assert "quads or faces" in str(caught.value.hint)
