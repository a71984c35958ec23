"""A further system of networks: what it says of itself below is all that it takes."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor, nn

from engine.assets.asset import Asset
from engine.assets.folder import load_asset, save_asset
from engine.assets.recipe import RECIPE_VERSION
from engine.checkpoints.build import NetworkKind
from engine.commands.arguments import samplings
from engine.finishing.given_mesh import voxelise
from engine.report import Report
from engine.residency.models import Models
from engine.residency.plan import Use
from engine.sampling.noise import Noise
from engine.session import deliver, open_models, run
from engine.settings import Settings
from engine.systems.describing import describe_checkpoint
from engine.systems.inputs import Inputs
from engine.systems.opening import load_checkpoint
from engine.systems.system import System
from engine.systems.table import SYSTEMS
from engine.weights.hub import Source
from engine.weights.store import Store
from protocol.checkpoints import CheckpointDescription, QualityRow
from protocol.errors import EngineError
from protocol.finishes import FinishChoice
from protocol.jobs import GenerateJob, MakingJob, TextureJob
from protocol.plain import to_dict
from protocol.references import File
from protocol.samplers import Sampling
from tests.finishing.shapes import box

PICTURE = Path(__file__).parents[2] / "examples" / "mushroom.png"


# --- the system -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class BoxConfig:
    latent_channels: int


class BoxFlow(nn.Module):
    """From a latent to the three sides of a box."""

    def __init__(self, config: BoxConfig, *, torso_dtype: torch.dtype) -> None:
        super().__init__()
        self.config = config
        self.sides = nn.Linear(config.latent_channels, 3, dtype=torso_dtype)

    def forward(self, latent: Tensor) -> Tensor:
        return self.sides(latent).sigmoid() + 0.2


def networks() -> Mapping[str, NetworkKind]:
    return {"BoxFlowModel": NetworkKind(BoxFlow, BoxConfig, "flow")}


def expect(job: MakingJob, models: Models) -> tuple[str, ...]:
    return ("shape", "voxels")


def generate(job: MakingJob, models: Models, report: Report, inputs: Inputs) -> Asset:
    """A latent (not sparse) -> a mesh -> O-Voxels, as systems without O-Voxels of their own do."""
    assert isinstance(job, GenerateJob)
    models.plan([Use("box_flow", 1000)])
    published = models.generation.samplers["box_sampler"]
    steps = job.samplers.get("box", Sampling()).over(published).steps
    config = models.skeleton("box_flow").config
    with torch.inference_mode(), models.on_device("box_flow", 1000) as flow:
        latent = Noise(job.seed).draw(1, config.latent_channels)
        with report.stage("shape", steps) as step:
            step(steps)
        sides = flow(latent)[0].tolist()
    mesh = box(sides)
    voxels = voxelise(mesh, 16, report)
    recipe = {
        "version": RECIPE_VERSION, "system": "boxes", "kind": "generate", "seed": job.seed,
        "resolution": 16, "latents": [], "job": to_dict(job),
        "samplers": {"box": {"steps": steps}},
    }  # fmt: skip
    picture = Image.open(inputs.picture(job.picture)).convert("RGBA")  # pyright: ignore[reportArgumentType]
    return Asset(voxels, {}, recipe, picture, tensors={"tokens": latent})


def describe(home: Source, store: Store) -> CheckpointDescription:
    row = QualityRow(name="standard", words="boxes", type="8", resolution=8)
    return CheckpointDescription(
        checkpoint=str(home), name="", small=False, system="boxes", qualities=(row,),
        quality="standard",
    )  # fmt: skip


def rerun(asset: Asset) -> tuple[MakingJob, Inputs]:
    return GenerateJob(picture=File(str(PICTURE)), seed=asset.recipe["seed"]), Inputs()


BOXES = System(
    name="boxes",
    pipelines=frozenset({"BoxPipeline"}),
    jobs={GenerateJob: ("box",)},
    networks=networks,
    describe=describe,
    expect=expect,
    run=generate,
    rerun=rerun,
)


# --- and its use ----------------------------------------------------------------------------------


@pytest.fixture
def checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkpoint of the system, which names no picture encoder."""
    monkeypatch.setitem(SYSTEMS, "boxes", BOXES)
    sampler = {"name": "FlowEulerGuidanceIntervalSampler", "params": {"steps": 5}}
    folder = tmp_path / "checkpoint"
    folder.mkdir()
    args = {"models": {"box_flow": "box"}, "box_sampler": sampler}
    (folder / "pipeline.json").write_text(json.dumps({"name": "BoxPipeline", "args": args}))
    (folder / "box.json").write_text(
        json.dumps({"name": "BoxFlowModel", "args": {"latent_channels": 4}})
    )
    generator = torch.Generator().manual_seed(0)
    weights = {
        "sides.weight": torch.randn(3, 4, generator=generator),
        "sides.bias": torch.zeros(3),
    }
    save_file(weights, folder / "box.safetensors")
    return folder


@pytest.fixture
def models(checkpoint: Path, tmp_path: Path) -> Models:
    settings = Settings(home=tmp_path, models=tmp_path / "models", offline=True)
    return open_models(settings, checkpoint=str(checkpoint), device="cpu")


def job(**changes) -> GenerateJob:
    return GenerateJob(**{"picture": File(str(PICTURE)), "seed": 3} | changes)


def test_it_generates_and_its_assets_are_stored(models: Models, tmp_path: Path) -> None:
    assert models.dtype("box_flow") == models.dtypes[0]
    report = Report()
    asset = run(job(samplers={"box": Sampling(steps=2)}), models, report)
    assert models.used == {"box_flow"}
    assert asset.voxels.grid.grid_size == 16
    assert asset.recipe["samplers"]["box"]["steps"] == 2
    assert set(report.seconds) == {"shape", "voxels"}
    save_asset(asset, tmp_path / "a")
    back = load_asset(tmp_path / "a")
    assert torch.equal(back.tensors["tokens"], asset.tensors["tokens"])
    again, inputs = SYSTEMS[back.recipe["system"]].rerun(back)
    repeated = run(again, models, Report(), inputs)
    assert np.array_equal(repeated.voxels.grid.coords, asset.voxels.grid.coords)
    assert np.array_equal(repeated.voxels.grid.dual_vertices, asset.voxels.grid.dual_vertices)
    assert not np.array_equal(
        run(job(seed=4), models, Report()).voxels.grid.coords, asset.voxels.grid.coords
    )


def test_it_is_described(checkpoint: Path, tmp_path: Path) -> None:
    found = describe_checkpoint(str(checkpoint), Store(tmp_path / "models", offline=True))
    assert (found.name, found.system, found.small) == (checkpoint.name, "boxes", False)


def test_a_job_for_another_system_is_refused(models: Models) -> None:
    for wrong, code in (
        (job(system="trellis2"), "system_differs"),
        (job(system="tango"), "system_unknown"),
        (TextureJob(mesh=File("a.glb"), picture=File("a.png")), "job_unsupported"),
    ):
        with pytest.raises(EngineError) as caught:
            run(wrong, models, Report())
        assert caught.value.code == code
        assert caught.value.hint


def test_its_assets_are_delivered(models: Models, tmp_path: Path) -> None:
    asset = run(job(), models, Report())
    done = deliver(asset, tmp_path / "box.glb", FinishChoice(finish="game"), Report())
    assert done.finished is not None and done.files[0].stat().st_size > 0
    assert load_asset(done.folder).recipe["finish"]["file"] == "box.glb"


def test_the_command_line_knows_its_stages(models: Models) -> None:
    assert samplings(["box=7"], None, GenerateJob) == {"box": Sampling(steps=7)}
    for stage, kind in (("box", TextureJob), ("sphere", GenerateJob)):
        with pytest.raises(EngineError, match=f"--steps {stage}=7"):
            samplings([f"{stage}=7"], None, kind)


def test_a_checkpoint_of_no_known_system_is_refused(checkpoint: Path) -> None:
    text = (checkpoint / "pipeline.json").read_text().replace("BoxPipeline", "CardPipeline")
    (checkpoint / "pipeline.json").write_text(text)
    with pytest.raises(EngineError, match="'CardPipeline'") as caught:
        load_checkpoint(checkpoint, offline=True)
    assert caught.value.code == "system_unknown"
