"""Mattes by BiRefNet or ISNet through the package rembg (optional extra ``matte``).

rembg's own default is RMBG, whose weights may not be used commercially, and some of its sessions
send the picture to other machines. Only the names listed here are used.
"""

import functools
import importlib.util
from pathlib import Path
from typing import Any

from PIL import Image

from engine.host.command import command
from protocol.errors import EngineError

DEFAULT_MODEL = "birefnet-general"
LICENCES = {
    "birefnet-general": "MIT",
    "birefnet-general-lite": "MIT",
    "isnet-general-use": "Apache-2.0",
}
INSTALL = 'run in Maquette\'s folder: python run.py python -m pip install -e ".[matte]"'
"""How to install the extra. On the package index, Maquette is the name of another project."""
NON_COMMERCIAL = {"bria-rmbg": "CC BY-NC 4.0"}


class RembgMatte:
    """A ``MatteNetwork`` from rembg; its session is opened with the first picture."""

    def __init__(
        self,
        model: str = DEFAULT_MODEL,
        *,
        weights_folder: str | Path | None = None,
        allow_download: bool = True,
        allow_non_commercial: bool = False,
    ) -> None:
        """Choose a network.

        Args:
            model: a key of ``LICENCES``, or of ``NON_COMMERCIAL`` when those are allowed.
            weights_folder: where ``<model>.onnx`` lies; rembg's own folder when None.
            allow_download: whether rembg may fetch missing weights (BiRefNet: about 1 GB). Never
                used with ``weights_folder``.
            allow_non_commercial: says that the licence is understood and complied with.

        Raises:
            EngineError: ``matte_model`` for an unknown name, ``matte_licence`` for
                non-commercial weights that were not allowed.
        """
        if model in NON_COMMERCIAL and not allow_non_commercial:
            raise EngineError(
                "matte_licence",
                f"The weights of {model} are licensed {NON_COMMERCIAL[model]}: "
                "not for commercial use.",
                f"Use {DEFAULT_MODEL} (MIT), or allow non-commercial weights if that is your use.",
            )
        if model not in LICENCES and model not in NON_COMMERCIAL:
            raise EngineError(
                "matte_model",
                f"There is no matte network called {model!r}.",
                f"Choose one of {', '.join(LICENCES)}.",
            )
        self.model = model
        self.weights_folder = Path(weights_folder) if weights_folder is not None else None
        self.allow_download = allow_download

    @property
    def place(self) -> tuple[str, str]:
        """Its name, and the folder of its weights; empty: rembg's own."""
        return self.model, str(self.weights_folder or "")

    def ready(self) -> bool:
        """Whether the package is installed and the weights are on this machine."""
        return _installed() and self._weights() is not None

    def alpha(self, image: Image.Image) -> Image.Image:
        """An "RGB" picture -> its matte, mode "L", of the same size.

        Raises:
            EngineError: ``matte_not_installed``, ``matte_weights_missing`` or ``matte_failed``.
        """
        if not _installed():
            raise EngineError(
                "matte_not_installed",
                "The package rembg, which removes backgrounds, is not installed.",
                f"Give a picture with a transparent background, or {INSTALL}",
            )
        try:
            mask = self._session.predict(image)[0].convert("L")
        except EngineError:
            raise
        except Exception as error:
            raise EngineError(
                "matte_failed",
                f"The matte network {self.model} failed: {error}",
                "Fetch its weights again, or give a picture with a transparent background.",
            ) from error
        if mask.size != image.size:
            mask = mask.resize(image.size, Image.Resampling.LANCZOS)
        return mask

    @functools.cached_property
    def _session(self) -> Any:
        import onnxruntime  # pyright: ignore[reportMissingImports]

        weights = self._weights()
        if weights is None and (self.weights_folder is not None or not self.allow_download):
            where = self.weights_folder or "rembg's folder"
            raise EngineError(
                "matte_weights_missing",
                f"There is no {self.model}.onnx in {where}.",
                f"While online, run {command('models', 'download', 'matte')}; or give a picture "
                "with a transparent background.",
            )
        session_class = _session_class(self.model)
        if weights is not None:
            # rembg takes weights from its own folders only, which it reads from the environment.
            session_class = type(
                "LocalWeights",
                (session_class,),
                {"download_models": classmethod(lambda cls, *args, **kwargs: str(weights))},
            )
        return session_class(self.model, onnxruntime.SessionOptions())

    def _weights(self) -> Path | None:
        if self.weights_folder is not None:
            path = self.weights_folder / f"{self.model}.onnx"
            return path if path.is_file() else None
        session_class = _session_class(self.model)
        if hasattr(session_class, "resolve_existing"):
            found = session_class.resolve_existing(f"{self.model}.onnx")
        else:  # rembg up to 2.0.7x keeps all weights in one flat folder
            found = Path(session_class.u2net_home()) / f"{self.model}.onnx"
        return Path(found) if found is not None and Path(found).is_file() else None


def _installed() -> bool:
    return all(importlib.util.find_spec(name) for name in ("rembg", "onnxruntime"))


def _session_class(model: str) -> Any:
    from rembg.sessions import sessions_class  # pyright: ignore[reportMissingImports]

    return next(kind for kind in sessions_class if kind.name() == model)
