"""How good a checkpoint is on assets that it has never seen: reconstruction, and generation."""

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np
from PIL import Image
from torch import nn

from engine.assets.asset import Asset
from engine.host.files import write_bytes_atomic
from engine.mesh import Mesh
from engine.meshing.nearest import nearest_on_surface
from engine.networks.material_vae import MaterialDecoder, MaterialEncoder
from engine.networks.shape_vae import ShapeDecoder, ShapeEncoder
from engine.ovoxel import dual_grid_to_mesh, sample_attributes
from engine.report import Report
from engine.residency.models import Models
from engine.systems.inputs import Inputs
from engine.systems.opening import load_checkpoint
from engine.systems.trellis2.generate import generate
from engine.systems.trellis2.networks import load_network
from engine.systems.trellis2.routes import offer_of
from engine.training.data.dataset import Dataset, Voxels
from engine.training.data.words import caption_of
from engine.training.metrics import f_score, psnr, structure_iou, surface_points
from engine.training.publish import CKPTS
from engine.training.reconstruct import ovoxels_of, reconstruct_material, reconstruct_shape
from engine.training.tasks.structure_vae import occupancy
from protocol.errors import EngineError
from protocol.jobs import GenerateJob
from protocol.references import Prompt

ASSETS = 128
POINTS = 4000
NEAR = 1 / 32
"""Of the box: how near a generated surface has to be to count."""
CELLS = 16
VIEW = 0
EMPTY = ("structure_empty", "shape_empty")
Watch = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Scores:
    """Of one asset.

    Args:
        reconstruction: F-score of the shape VAE at one voxel of the finest training grid.
        material_psnr: of the material VAE on the true voxels, decibels.
        structure_iou: of the sampled structure on its latent grid.
        cells_iou: of the generated surface's cells on a grid of 16^3.
        f_score: of the generated surface, at 1/32 of the box.
        fine_f_score: the same at 1/64.
        color_error: mean absolute difference of the base colour, from points of the true surface to
            the nearest ones of the generated surface.
    """

    reconstruction: float
    material_psnr: float
    structure_iou: float
    cells_iou: float
    f_score: float
    fine_f_score: float
    color_error: float


def evaluate_checkpoint(
    shipped: Path,
    checkpoint: Path,
    data: Path,
    *,
    count: int = ASSETS,
    type: str | None = None,
    seed: int = 0,
    view: int = VIEW,
    words: bool = False,
    watch: Watch = lambda stage, done, total: None,
) -> dict[str, tuple[str, Scores]]:
    """Measure what ships, on a data folder's held-out assets.

    Args:
        shipped: a checkpoint as ``ship`` makes it; everything is measured on its weights.
        checkpoint: as the training leaves it: it alone has the material encoder.
        data: a data folder.
        count: assets, the first of the held-out split.
        type: of the generation; None: the checkpoint's default.
        seed: of the generation.
        view: which picture of each asset is shown; odd ones come after those of the index.
        words: a caption is given instead; assets are toys then.
        watch: told how many assets of how many are done.

    Returns:
        Family and scores by name of the asset.

    Raises:
        EngineError: what reading and generating raise, but that an empty result counts as one of
            no value.
    """
    dataset = Dataset(data, "held_out")
    resolution = max(dataset.resolutions)
    models = Models(load_checkpoint(shipped, offline=True))
    side = resolution // offer_of(models).factor
    shape_encoder, shape_decoder, material_decoder = (
        load_network(shipped / CKPTS / name)
        for name in ("shape_encoder", "shape_decoder", "material_decoder")
    )
    material_encoder = load_network(checkpoint / CKPTS / "material_encoder")
    found: dict[str, tuple[str, Scores]] = {}
    chosen = range(min(count, len(dataset)))
    for index in chosen:
        watch("evaluation", index, len(chosen))
        voxels = dataset.voxels(index, resolution)
        truth = dual_grid_to_mesh(ovoxels_of(voxels, resolution).grid)
        try:
            inputs = Inputs()
            if words:
                picture = Prompt(caption_of(dataset.sources[index]))
            else:
                picture = inputs.attach(Image.fromarray(dataset.picture(index, view)))
            job = GenerateJob(picture=picture, type=type, seed=seed, matte="cutout")
            asset = generate(job, models, Report(), inputs)
        except EngineError as error:
            if error.code not in EMPTY:
                raise
            generated = (0.0, 0.0, 0.0, 0.0, 1.0)
        else:
            generated = _generated(asset, voxels, truth, resolution, side)
        found[dataset.names[index]] = (
            dataset.families[index],
            Scores(
                reconstruction(shape_encoder, shape_decoder, voxels, resolution),
                reconstruction(material_encoder, material_decoder, voxels, resolution),
                *generated,
            ),
        )
    watch("evaluation", len(chosen), len(chosen))
    return found


def reconstruction(
    encoder: nn.Module, decoder: nn.Module, voxels: Voxels, resolution: int
) -> float:
    """How well an auto-encoder gives back an asset: an entry of ``Scores``.

    Args:
        encoder, decoder: of a shape VAE (``Scores.reconstruction``) or of a material VAE
            (``Scores.material_psnr``).
        voxels: of the asset at ``resolution``.
    """
    if isinstance(encoder, MaterialEncoder):
        assert isinstance(decoder, MaterialDecoder)
        materials = reconstruct_material(encoder, decoder, voxels)
        return psnr(materials, voxels.materials / 255)
    assert isinstance(encoder, ShapeEncoder) and isinstance(decoder, ShapeDecoder)
    made = reconstruct_shape(encoder, decoder, voxels, resolution)
    if len(made.grid.coords) == 0:
        return 0.0
    mesh = dual_grid_to_mesh(made.grid, made.split_weight)
    truth = dual_grid_to_mesh(ovoxels_of(voxels, resolution).grid)
    return f_score(mesh, truth, 1 / resolution, samples=POINTS)


def _generated(
    asset: Asset, voxels: Voxels, truth: Mesh, resolution: int, side: int
) -> tuple[float, float, float, float, float]:
    """Structure IoU (cells ``side`` an axis), IoU of cells, two F-scores, error of base colours."""
    structure = asset.tensors.get("structure")
    assert structure is not None
    sampled = np.zeros((side,) * 3, bool)
    sampled[tuple(structure.numpy().T)] = True
    wanted = occupancy([voxels.coords], resolution, side)[0, 0]
    grid = asset.voxels.grid
    made = grid.coords * CELLS // grid.grid_size
    cells = np.zeros((CELLS,) * 3, bool)
    cells[tuple(made.T)] = True
    mesh = dual_grid_to_mesh(grid, asset.voxels.split_weight)
    return (
        structure_iou(sampled, wanted),
        structure_iou(cells, occupancy([voxels.coords], resolution, CELLS)[0, 0]),
        f_score(mesh, truth, NEAR, samples=POINTS),
        f_score(mesh, truth, NEAR / 2, samples=POINTS),
        color_error(asset, mesh, voxels, truth, resolution),
    )


def color_error(
    asset: Asset, mesh: Mesh, voxels: Voxels, truth: Mesh, resolution: int
) -> float:  # fmt: skip
    """Mean absolute difference of the base colour (sRGB, 0 to 1), see ``Scores``.

    Args:
        asset, mesh: what was generated, and its surface in the unit cube.
        voxels, truth, resolution: the true asset and its surface.
    """
    if len(mesh.faces) == 0:
        return 1.0
    points = surface_points(truth, POINTS, np.random.default_rng(0))
    nearest, _ = nearest_on_surface(mesh.vertices, mesh.faces, points)
    got = asset.voxels.materials_at(nearest.astype(np.float32))[:, :3]
    wanted = sample_attributes(
        voxels.coords.astype(np.int32),
        voxels.materials[:, :3].astype(np.float32) / 255,
        ((points + 0.5) * resolution).astype(np.float32),
    )
    return float(np.abs(got - wanted).mean())


def table_of(found: dict[str, tuple[str, Scores]]) -> str:
    """Markdown: a row for all assets, then one for each family, with the means."""
    families: dict[str, list[Scores]] = defaultdict(list)
    for family, scores in found.values():
        families[family].append(scores)
    every = [scores for _, scores in found.values()]
    names = [field.name for field in fields(Scores)]
    lines = [f"| family | assets | {' | '.join(names)} |", "| --- " * (len(names) + 2) + "|"]
    for family, scores in [("all", every), *sorted(families.items())]:
        cells = " | ".join(f"{value:.3f}" for value in mean_scores(scores))
        lines.append(f"| {family} | {len(scores)} | {cells} |")
    return "\n".join(lines)


def mean_scores(scores: Sequence[Scores]) -> Iterable[float]:
    """The mean of each entry."""
    return np.array([list(asdict(each).values()) for each in scores]).mean(axis=0).tolist()


def save_scores(path: Path, found: dict[str, tuple[str, Scores]]) -> None:
    """Write all scores as JSON.

    Raises:
        EngineError: ``unwritable``.
    """
    content = {name: {"family": f, **asdict(scores)} for name, (f, scores) in found.items()}
    write_bytes_atomic(path, (json.dumps(content, indent=1) + "\n").encode())
