"""`maquette models` against a hub in this process, and where things are kept."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from engine.cli import app
from engine.commands import models
from engine.systems import catalogue
from tests.weights.fake_hub import FakeHub, serving, weight

NET = {"ckpts/net.json": b"{}", "ckpts/net.safetensors": bytes(range(256)) * 500}
ENCODER = {"model.safetensors": b"encoder" * 1000}


@pytest.fixture
def hub() -> Iterator[FakeHub]:
    with serving() as hub:
        hub.files = {f"me/mine/{name}": content for name, content in NET.items()}
        hub.files["me/encoder/model.safetensors"] = ENCODER["model.safetensors"]
        yield hub


@pytest.fixture
def home(hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    encoder = weight(
        "encoder", ENCODER, repository="me/encoder", gated=True, commercial=False,
        licence="Other", conditions="be nice", groups=frozenset(),
    )  # fmt: skip
    small = {found.name: found for found in (weight("net", NET), encoder)}
    monkeypatch.setattr(models, "catalogue", lambda: small)
    monkeypatch.setattr(catalogue, "catalogue", lambda: small)
    monkeypatch.setenv("MAQUETTE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HF_ENDPOINT", hub.url)
    return tmp_path / "home"


def run(*arguments: str, typed: str | None = None):
    return CliRunner().invoke(app, ["models", *arguments], input=typed)


def test_the_whole_life_of_weights(hub: FakeHub, home: Path):
    file = home / "models/me/mine/ckpts/net.safetensors"
    assert run("path").stdout.strip() == str(home / "models")
    assert run("path", "net").stdout.strip() == str(file)
    assert not home.exists()
    result = run("download")
    assert (result.exit_code, result.stderr) == (0, "")
    assert "2 files, 125.0 KiB" in result.stdout
    assert file.read_bytes() == NET["ckpts/net.safetensors"]
    assert "Nothing to download" in run("download", "net").stdout
    result = run("verify")
    assert result.exit_code == 0
    assert result.stdout.count("ok ") == 2
    assert "encoder" not in result.stdout

    file.write_bytes(b"\1" + file.read_bytes()[1:])
    result = run("verify")
    assert result.exit_code == 2
    assert "ckpts/net.safetensors (corrupt)" in result.stderr
    assert "maquette models download --check net" in result.stderr
    result = run("download", "--check", "--offline", "net")
    assert result.exit_code == 2
    assert str(file) in result.stderr and "offline" in result.stderr
    assert file.exists()
    result = run("download", "--check", "net")
    assert result.exit_code == 0
    assert f"gets replaced: {file}" in result.stderr
    assert run("verify", "net").exit_code == 0

    result = run("remove", "net", typed="n\n")
    assert result.exit_code == 2
    assert file.exists()
    assert run("remove", "net", typed="y\n").exit_code == 0
    assert not file.exists()
    assert "Nothing to remove" in run("remove", "net", "--yes").stdout
    assert run("download", "net").exit_code == 0
    assert run("remove", "net", "--yes").exit_code == 0
    assert not file.exists()
    assert "There are no weights" in run("verify").stdout

    file.parent.mkdir(parents=True)
    file.write_bytes(b"cut short")
    result = run("verify")
    assert result.exit_code == 2
    assert "ckpts/net.safetensors (corrupt)" in result.stderr


def test_the_list(home: Path):
    run("download", "net")
    result = run("list")
    assert result.exit_code == 0
    rows = {line.split()[0]: line for line in result.stdout.splitlines() if line.split()}
    assert "125.0 KiB" in rows["net"]
    assert all(word in rows["net"].split() for word in ("MIT", "yes", "standard"))
    assert "no (1)" in rows["encoder"]
    assert rows["encoder"].split()[-1] == "no"
    assert "Other: be nice." in result.stdout
    net, encoder = json.loads(run("list", "--json").stdout)
    assert net["state"] == "present"
    assert net["commercial_use"]
    assert (encoder["state"], encoder["commercial_use"], encoder["gated"]) == (
        "absent",
        False,
        True,
    )


def test_the_real_list_names_every_licence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("MAQUETTE_HOME", str(tmp_path))
    result = run("list")
    assert result.exit_code == 0
    for words in ("DINOv3 License", "gated", "927.6 MiB", "2.4 GiB", "CC BY-NC 4.0", "~675.9 MiB"):
        assert words in result.stdout
    assert list(tmp_path.iterdir()) == []


def test_mirror_endpoint_and_offline(hub: FakeHub, home: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("HF_ENDPOINT")
    hub.files["you/copy/model.safetensors"] = ENCODER["model.safetensors"]
    hub.gated = {"me/encoder"}
    result = run("download", "encoder", "--endpoint", f"{hub.url}/")
    assert result.exit_code == 2
    assert "me/encoder is gated" in result.stderr
    words = ["download", "encoder", "--mirror", "me/encoder=you/copy"]
    assert run(*words, "--offline").exit_code == 2
    assert run(*words, "--endpoint", hub.url).exit_code == 0
    assert run("verify", "encoder").exit_code == 0


def test_config_file(hub: FakeHub, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("HF_ENDPOINT")
    hub.files["you/copy/model.safetensors"] = ENCODER["model.safetensors"]
    home.mkdir()
    config = home / "config.toml"
    config.write_text(
        f'[models]\nfolder = "{tmp_path / "disk"}"\nendpoint = "{hub.url}"\n'
        '[models.mirrors]\n"me/encoder" = "you/copy"\n'
    )
    assert run("download", "encoder").exit_code == 0
    assert (tmp_path / "disk/me/encoder/model.safetensors").is_file()
    config.write_text("[models]\noffline = true\n")
    result = run("download", "encoder")
    assert result.exit_code == 2
    assert "working offline" in result.stderr


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[models", "config.toml"),
        ("[models]\nfolder = 3", "folder is 3"),
        ("[models]\nofline = true", "models.ofline is not known"),
        ("[models.mirrors]\na = 1", "a is 1"),
        ("models = 1", "models is 1"),
    ],
)
def test_a_wrong_config_is_named(home: Path, text: str, words: str):
    home.mkdir()
    (home / "config.toml").write_text(text)
    result = run("list")
    assert result.exit_code == 2
    assert words in result.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["download", "nothing"], "no weights called nothing"),
        (["verify", "nothing"], "no weights called nothing"),
        (["remove", "nothing", "--yes"], "no weights called nothing"),
        (["path", "nothing"], "no weights called nothing"),
        (["download", "--mirror", "here"], "'here' names no mirror"),
        (["remove"], "NAME"),
    ],
)
def test_wrong_use(home: Path, arguments: list[str], words: str):
    result = run(*arguments)
    assert result.exit_code == 2
    assert words in result.stderr
    assert "Traceback" not in result.stderr
