"""Commands that people can paste."""

from engine.host.command import command


def test_in_a_checkout_they_go_through_run_py() -> None:
    assert command("finish", "my rocket", "-o", "a.glb") == (
        "python run.py maquette finish 'my rocket' -o a.glb"
    )
