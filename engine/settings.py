"""Where Maquette keeps its files, and the user's settings, from the environment and config.toml.

Nothing here reads the environment: `engine/cli.py` does and passes it in.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from protocol.errors import EngineError
from protocol.home import data_folder

CONFIG = "config.toml"


@dataclass(frozen=True)
class Settings:
    """The user's settings; the defaults apply where nothing is set.

    Attributes:
        home: folder of everything that Maquette keeps (``MAQUETTE_HOME``).
        models: folder of the weights.
        endpoint: address of the hub, where it is not huggingface.co.
        mirrors: repository -> repository that has the same files.
        offline: never ask the hub.
    """

    home: Path
    models: Path
    endpoint: str | None = None
    mirrors: Mapping[str, str] = field(default_factory=dict)
    offline: bool = False


def read_settings(environment: Mapping[str, str], platform: str, user: Path) -> Settings:
    """The settings of ``config.toml`` in the data folder; arguments as for ``data_folder``.

    The file may be absent. What it may hold::

        [models]
        folder = "/big/disk/models"
        endpoint = "https://hub.example.org"
        offline = false
        [models.mirrors]
        "owner/repository" = "somebody/copy"

    Raises:
        EngineError: ``config_invalid``, naming the entry; ``home_invalid``.
    """
    home = data_folder(environment, platform, user)
    if home.exists() and not home.is_dir():
        raise EngineError(
            "home_invalid",
            f"{home}, the folder of everything that Maquette keeps, is a file.",
            "Set MAQUETTE_HOME to a folder, or leave it out.",
        )
    path = home / CONFIG
    models = _table(path, _content(path), "models")
    for name in models.keys() - {"folder", "endpoint", "offline", "mirrors"}:
        raise _invalid(path, f"models.{name} is not known")
    folder = _entry(path, models, "folder", str, str(home / "models"))
    mirrors = _table(path, models, "mirrors")
    for name in mirrors:
        _entry(path, mirrors, name, str, "")
    return Settings(
        home=home,
        models=home / Path(folder).expanduser(),
        endpoint=_entry(path, models, "endpoint", str, None) or environment.get("HF_ENDPOINT"),
        mirrors=mirrors,
        offline=_entry(path, models, "offline", bool, False),
    )


def _content(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise _invalid(path, str(error)) from error


def _table(path: Path, parent: dict[str, Any], name: str) -> dict[str, Any]:
    return _entry(path, parent, name, dict, {})


def _entry(path: Path, table: dict[str, Any], name: str, kind: type, default: Any) -> Any:
    value = table.get(name, default)
    if value is not default and not isinstance(value, kind):
        raise _invalid(path, f"{name} is {value!r}, which is not a {kind.__name__}")
    return value


def _invalid(path: Path, why: str) -> EngineError:
    return EngineError(
        "config_invalid",
        f"{path} cannot be used: {why}.",
        "Fix the entry, or remove the file to go back to the defaults.",
    )
