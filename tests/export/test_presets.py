"""What files can hold of a preset."""

from engine.export.presets import PRESETS


def test_a_file_of_one_mesh_gets_one_mesh_and_says_so() -> None:
    game = PRESETS["game"]
    fitting, note = game.fitting("b.obj")
    assert fitting.has_one_mesh and fitting.image_format == "png"
    assert note is not None and "b.obj holds one mesh" in note


def test_nothing_is_said_where_everything_fits() -> None:
    assert PRESETS["game"].fitting("b.GLB") == (PRESETS["game"], None)
    assert PRESETS["standard"].fitting("b.obj")[1] is None
