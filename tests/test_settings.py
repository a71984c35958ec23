"""Where things are kept on each platform."""

from pathlib import Path

import pytest

from engine.settings import Settings, read_settings
from protocol.home import data_folder

USER = Path("/users/ann")


@pytest.mark.parametrize(
    ("environment", "platform", "expected"),
    [
        ({"MAQUETTE_HOME": "/m"}, "win32", "/m"),
        ({"MAQUETTE_HOME": "/m", "XDG_DATA_HOME": "/x"}, "linux", "/m"),
        ({"LOCALAPPDATA": "/local"}, "win32", "/local/Maquette"),
        ({}, "win32", "/users/ann/AppData/Local/Maquette"),
        ({}, "darwin", "/users/ann/Library/Application Support/Maquette"),
        ({"XDG_DATA_HOME": "/x"}, "linux", "/x/maquette"),
        ({"MAQUETTE_HOME": ""}, "linux", "/users/ann/.local/share/maquette"),
    ],
)
def test_data_folder(environment: dict[str, str], platform: str, expected: str):
    assert data_folder(environment, platform, USER) == Path(expected)


def test_without_a_config_file(tmp_path: Path):
    found = read_settings({"MAQUETTE_HOME": str(tmp_path)}, "linux", USER)
    assert found == Settings(tmp_path, tmp_path / "models")


def test_a_relative_folder_lies_in_the_home(tmp_path: Path):
    (tmp_path / "config.toml").write_text('[models]\nfolder = "weights"\nendpoint = "https://a"\n')
    environment = {"MAQUETTE_HOME": str(tmp_path), "HF_ENDPOINT": "https://b"}
    found = read_settings(environment, "linux", USER)
    assert found.models == tmp_path / "weights"
    assert found.endpoint == "https://a"
