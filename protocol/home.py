"""Where Maquette keeps what it makes for a user: the engine and its clients must agree on it."""

from collections.abc import Mapping
from pathlib import Path


def data_folder(environment: Mapping[str, str], platform: str, user: Path) -> Path:
    """``MAQUETTE_HOME``, else the platform's folder for a user's data.

    Args:
        environment: ``os.environ``.
        platform: ``sys.platform``.
        user: the user's home folder.
    """
    if wanted := environment.get("MAQUETTE_HOME"):
        return Path(wanted).expanduser()
    if platform == "win32":
        return Path(environment.get("LOCALAPPDATA") or user / "AppData/Local") / "Maquette"
    if platform == "darwin":
        return user / "Library/Application Support/Maquette"
    return Path(environment.get("XDG_DATA_HOME") or user / ".local/share") / "maquette"
