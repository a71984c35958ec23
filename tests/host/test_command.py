"""Commands that people can paste."""

from engine.host.command import command, python_command


def test_in_a_checkout_they_go_through_run_py() -> None:
    assert command("finish", "my rocket", "-o", "a.glb") == (
        "python run.py maquette finish 'my rocket' -o a.glb"
    )
    assert python_command("-m", "pip", "install", "rembg") == (
        "python run.py python -m pip install rembg"
    )
