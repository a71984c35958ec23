"""Where the shared cases of inputs find what they look at."""

from pathlib import Path
from typing import Any

from engine.finishing import convert
from engine.images.picture import load_picture as load_picture
from engine.images.reading import read_image as read_image
from engine.ovoxel.ovoxel_file import load_ovoxels as load_ovoxels
from engine.readers.load import load_mesh as load_mesh
from engine.report import Report
from protocol.errors import EngineError as EngineError


def mesh_file_to_ovoxels(source: Path, target: Path, **options: Any) -> convert.Conversion:
    return convert.mesh_file_to_ovoxels(source, target, Report(), **options)
