"""What a job's references mean: bytes, meshes and assets, at the moment when they are needed."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from PIL import Image

from engine.assets.asset import Asset
from engine.assets.folder import load_asset
from engine.finishing.given_mesh import open_mesh
from engine.images.picture import PictureSource
from engine.mesh import Mesh
from engine.systems.kept import Kept
from protocol.errors import EngineError
from protocol.references import Attached, File, Prompt, Reference, Stored


class Inputs:
    """What travels beside a job.

    Args:
        attached: values by the names that the job gives them: a picture's bytes or an Image,
            a Mesh, an Asset.
        stored: the asset folder of an earlier job by its id; None: nothing is stored here.
        kept: what an attempt before this one left behind; None: nothing, and nothing is kept.
    """

    def __init__(
        self,
        attached: Mapping[str, Any] | None = None,
        stored: Callable[[str], Path] | None = None,
        kept: Kept | None = None,
    ) -> None:
        self.kept = kept or Kept()
        self._attached = dict(attached or {})
        self._stored = stored

    def attach(self, value: Any) -> Attached:
        """Put a value beside the job; the job is made with the reference that this gives."""
        name = f"attachment {len(self._attached) + 1}"
        self._attached[name] = value
        return Attached(name)

    def resolve(self, reference: Reference) -> Any:
        """The path of a file or of a stored asset's folder, the value that was attached, a prompt.

        Raises:
            EngineError: ``attachment_missing``, ``store_absent``, and what the store raises.
        """
        match reference:
            case File(path):
                return Path(path)
            case Attached(name):
                if name not in self._attached:
                    raise EngineError(
                        "attachment_missing",
                        f"The job names {name!r}, which was not sent with it.",
                        "Send it beside the job, under that name.",
                    )
                return self._attached[name]
            case Stored(job):
                if self._stored is None:
                    raise EngineError(
                        "store_absent",
                        f"The result of the job {job} is not known here: nothing is stored.",
                        "Give the folder of the asset instead.",
                    )
                return self._stored(job)
            case Prompt():
                return reference

    def picture(self, reference: Reference) -> PictureSource | Prompt:
        """What ``load_picture`` takes, or the words that take its place.

        Raises:
            EngineError: ``attachment_kind``, and as ``resolve``.
        """
        value = self.resolve(reference)
        if not isinstance(value, bytes | Path | Image.Image | Prompt):
            raise _kind(reference, value, "a picture")
        return value

    def mesh(
        self,
        reference: Reference,
        *,
        require_textures: bool = False,
        tell: Callable[[str], None] | None = None,
    ) -> Mesh:
        """A mesh in object space; of an asset, its surface.

        Args:
            require_textures, tell: as in ``load_mesh``.

        Raises:
            EngineError: ``attachment_kind``, as ``resolve``, ``open_mesh`` and ``load_asset``.
        """
        value = self.resolve(reference)
        if self.is_asset(reference):
            return open_mesh(self.asset(reference).mesh)
        if not isinstance(value, Mesh | Path):
            raise _kind(reference, value, "a mesh")
        return open_mesh(value, require_textures=require_textures, tell=tell)

    def is_asset(self, reference: Reference) -> bool:
        """Whether a reference means an asset rather than a mesh or a file of one.

        Raises:
            EngineError: as ``resolve``.
        """
        value = self.resolve(reference)
        return isinstance(value, Asset) or (isinstance(value, Path) and value.is_dir())

    def asset(self, reference: Reference) -> Asset:
        """An asset that was attached, or the one in a folder.

        Raises:
            EngineError: ``attachment_kind``, and as ``resolve`` and ``load_asset``.
        """
        value = self.resolve(reference)
        if isinstance(value, Path):
            return load_asset(value)
        if not isinstance(value, Asset):
            raise _kind(reference, value, "an asset")
        return value


def _kind(reference: Reference, value: object, wanted: str) -> EngineError:
    return EngineError(
        "attachment_kind",
        f"{reference} is of the kind {type(value).__name__}; {wanted} is expected there.",
        "Attach the right value to the job.",
    )
