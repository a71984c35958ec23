"""What is trained in stage 2 of the SC-VAEs: the losses of stage 1, and pictures beside them.

Pictures are taken of the decoded surface and of the O-Voxels of the truth at the same resolution
(TRELLIS.2 takes them of the original mesh, which a data folder does not keep), from cameras that
the batch brings along. Each asset, or block of one, fills the unit cube.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from engine.networks.material_vae import DecodedMaterial
from engine.networks.sc_vae import Decoded
from engine.networks.shape_vae import DecodedShape
from engine.render.camera import Camera
from engine.training.data.dataset import VoxelBatch
from engine.training.tasks.dual_surface import Frame, Surface, quads_of, split_softly, true_faces
from engine.training.tasks.ovoxel_losses import weighted_sum
from engine.training.tasks.rasterise import random_camera, rasterise
from engine.training.tasks.rendered_losses import (
    MATERIAL_PICTURES,
    SHAPE_PICTURES,
    material_picture_losses,
    shape_picture_losses,
)
from engine.training.tasks.sc_vae import MaterialVaeTask, NamedBatch, ScVaeTask, ShapeVaeTask

Result = TypeVar("Result", bound=Decoded)


@dataclass(frozen=True)
class RenderedBatch:
    """A batch of stage 1, and the cameras of each of its assets."""

    named: NamedBatch
    cameras: tuple[tuple[Camera, ...], ...]


class _RenderedTask(ABC, Generic[Result]):
    """What shape and material have in common: cameras, weights and the sum of the losses."""

    def __init__(
        self,
        stage1: ScVaeTask[Any, Any, Result],
        picture: int,
        views: int,
        weights: Mapping[str, float],
    ) -> None:
        if picture < 16 or views < 1:
            raise ValueError(f"{views} pictures of {picture} pixels: take 1 of 16 at least")
        self.stage1 = stage1
        self.picture = picture
        self.views = views
        self.weights = {**stage1.weights, **weights}

    @property
    def networks(self) -> nn.ModuleDict:
        return self.stage1.networks

    def batch(self, random: np.random.Generator) -> RenderedBatch:
        named = self.stage1.batch(random)
        cameras = tuple(
            tuple(random_camera(random) for _ in range(self.views)) for _ in named.names
        )
        return RenderedBatch(named, cameras)

    def loss(
        self, batch: RenderedBatch, generator: torch.Generator
    ) -> tuple[Tensor, dict[str, float]]:
        decoded, parts = self.stage1.decode(batch.named, generator)
        with torch.autocast(self.stage1.device.type, enabled=False):
            pictures = self._compare(batch, decoded)
        return weighted_sum(parts | pictures, self.weights)

    @abstractmethod
    def _compare(self, batch: RenderedBatch, decoded: Result) -> dict[str, Tensor]: ...

    def describe(self, batch: RenderedBatch) -> str:
        return self.stage1.describe(batch.named)

    def pictures(self, random: np.random.Generator) -> dict[str, np.ndarray]:
        """Those of stage 1."""
        return self.stage1.pictures(random)


class RenderedShapeTask(_RenderedTask[DecodedShape]):
    """The shape VAE, stage 2. Only here do split weights learn.

    Args:
        stage1: the task of stage 1, whose losses count here too.
        picture: pixels to a side of the pictures, at least 16.
        views: pictures of each asset of a batch.
        picture_weights: of the losses on pictures, see ``shape_picture_losses``.
    """

    def __init__(
        self,
        stage1: ShapeVaeTask,
        *,
        picture: int = 64,
        views: int = 1,
        picture_weights: Mapping[str, float] = SHAPE_PICTURES,
    ) -> None:
        super().__init__(stage1, picture, views, picture_weights)

    def _compare(self, batch: RenderedBatch, decoded: DecodedShape) -> dict[str, Tensor]:
        voxels, found = batch.named.voxels, []
        for rows, cameras in zip(voxels.topology.slices, batch.cameras, strict=True):
            frame, truth = _true_surface(voxels, rows)
            coords = voxels.topology.coords[rows, 1:]
            quads = quads_of(coords.cpu().numpy(), voxels.intersected[rows].cpu().numpy())
            made = split_softly(
                frame.place(coords, decoded.dual_vertices[rows].float()),
                decoded.split_weight[rows].float(),
                torch.from_numpy(quads).to(coords.device),
            )
            for camera in cameras:
                pair = (rasterise(surface, camera, self.picture) for surface in (made, truth))
                found.append(shape_picture_losses(*pair))
        return _means(found)


class RenderedMaterialTask(_RenderedTask[DecodedMaterial]):
    """The material VAE, stage 2, on the true shape; arguments as those of ``RenderedShapeTask``."""

    def __init__(
        self,
        stage1: MaterialVaeTask,
        *,
        picture: int = 64,
        views: int = 1,
        picture_weights: Mapping[str, float] = MATERIAL_PICTURES,
    ) -> None:
        super().__init__(stage1, picture, views, picture_weights)

    def _compare(self, batch: RenderedBatch, decoded: DecodedMaterial) -> dict[str, Tensor]:
        voxels, found = batch.named.voxels, []
        for rows, cameras in zip(voxels.topology.slices, batch.cameras, strict=True):
            _, surface = _true_surface(voxels, rows)
            made, truth = decoded.attributes[rows].float(), voxels.materials[rows]
            for camera in cameras:
                raster = rasterise(surface, camera, self.picture)
                found.append(material_picture_losses(raster, made, truth))
        return _means(found)


def _true_surface(voxels: VoxelBatch, rows: slice) -> tuple[Frame, Surface]:
    """The surface of one item of a batch, a vertex for each voxel, and the cube that it fills."""
    coords, dual = voxels.topology.coords[rows, 1:], voxels.dual_vertices[rows]
    places = coords.cpu().numpy()
    frame = Frame.around(places)
    faces = true_faces(places, dual.cpu().numpy(), voxels.intersected[rows].cpu().numpy())
    return frame, Surface(frame.place(coords, dual), torch.from_numpy(faces).to(coords.device))


def _means(found: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    return {name: torch.stack([parts[name] for parts in found]).mean() for name in found[0]}
