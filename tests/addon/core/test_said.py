"""What the panels say: of another machine that does not let us in, of pictures that are refused."""

import pytest

from blender_addon.core.process_view import ASKING, Known, engine_view
from blender_addon.core.refusals import gate_sentence, matte_note, remedy
from blender_addon.core.running import Running
from blender_addon.core.snapshot import WeightsView, WeightView
from blender_addon.protocol.errors import EngineError

RUNNING = Running(pid=1, endpoint="tcp://127.0.0.1:1", engine="maquette 0.1.0")
REFUSED = EngineError("pairing_failed", "No engine answered.", "Make another code.")


def test_pairing_in_vain_is_said_beside_the_engine_that_runs_here() -> None:
    asking = engine_view(Known(version="1", running=RUNNING, pairing=True))
    assert (asking.state, asking.pairing, asking.paired_in_vain) == ("ready", ASKING, False)
    failed = engine_view(Known(version="1", running=RUNNING, trouble=REFUSED))
    assert (failed.state, failed.sentence) == ("ready", "The engine runs.")
    assert (failed.pairing, failed.pairing_hint) == (REFUSED.message, REFUSED.hint)
    assert failed.paired_in_vain
    assert not engine_view(Known(version="1", running=RUNNING)).pairing


def test_pairing_without_an_engine_here_is_what_the_state_says() -> None:
    assert engine_view(Known(version="1", pairing=True)).state == "starting"
    failed = engine_view(Known(version="1", trouble=REFUSED))
    assert (failed.state, failed.sentence, failed.verb) == ("gone", REFUSED.message, "pair")


def test_another_trouble_is_none_of_pairing() -> None:
    known = Known(version="1", running=RUNNING, trouble=EngineError("disk_full", "Full.", ""))
    assert not engine_view(known).pairing


@pytest.mark.parametrize("code", ["background_not_plain", "matte_weights_missing"])
def test_what_is_refused_for_its_background_can_be_cut_out_by_hand(code: str) -> None:
    hint = remedy(code, "run python -m pip install something")
    assert "by hand" in hint and "pip" not in hint


def test_other_remedies_are_the_engines_own() -> None:
    assert remedy("image_unreadable", "Save it as PNG.") == "Save it as PNG."


def test_the_note_on_a_plain_background_names_no_command() -> None:
    assert "pip" not in matte_note("plain", "for difficult pictures, run pip install")
    assert matte_note("alpha", "Its own transparency.") == "Its own transparency."


def test_the_gate_is_called_as_in_the_list() -> None:
    gated = WeightView(
        name="image_encoder",
        purpose="DINOv3: reads pictures",
        bytes=1,
        missing=1,
        gated=True,
        page="x",
    )
    assert gate_sentence(WeightsView(rows=(gated,))).startswith("DINOv3: its owner")
