"""Requests on a toy checkpoint: stopping, sharing, repeating, refusing."""

import gc
import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from engine.assets.asset import Asset
from engine.assets.folder import load_asset, save_asset
from engine.host.machine import ram_in_use
from engine.report import Cancelled, CancelToken, Report
from engine.residency.models import Models
from engine.sampling.noise import Noise
from engine.systems.trellis2.generate import generate
from engine.systems.trellis2.rerun import job_again
from engine.systems.trellis2.routes import offer_of, qualities, type_names
from engine.systems.trellis2.texture import texture
from engine.systems.trellis2.upscale import upscale
from protocol.errors import EngineError
from protocol.events import Progress
from protocol.jobs import GenerateJob, TextureJob, UpscaleJob
from protocol.references import File
from protocol.samplers import Sampling
from tests.events import notes_to, progress_to
from tests.finishing.shapes import box
from tests.systems.trellis2.toy import INPUTS, ToyEncoder, given, picture, toy_models


@pytest.fixture(scope="module")
def models(toy: Path) -> Models:
    return toy_models(toy)


def job(**changes) -> GenerateJob:
    return GenerateJob(**{"picture": given(picture()), "type": "64", "seed": 3} | changes)


def same_asset(a: Asset, b: Asset) -> None:
    """Bit for bit."""
    for name in ("coarse", "shape", "texture"):
        one, other = a.latents[name], b.latents[name]
        assert torch.equal(one.coords, other.coords)
        assert torch.equal(one.feats, other.feats)
        assert one.resolution == other.resolution
    assert np.array_equal(a.voxels.grid.coords, b.voxels.grid.coords)
    assert np.array_equal(a.voxels.grid.dual_vertices, b.voxels.grid.dual_vertices)
    assert np.array_equal(a.voxels.grid.intersected, b.voxels.grid.intersected)
    assert np.array_equal(a.voxels.materials, b.voxels.materials)
    assert np.array_equal(a.mesh.vertices, b.mesh.vertices)
    assert np.array_equal(a.mesh.faces, b.mesh.faces)
    assert a.mesh.colors is not None
    assert b.mesh.colors is not None
    assert np.array_equal(a.mesh.colors, b.mesh.colors)


def test_types_and_qualities_come_from_the_files(models: Models) -> None:
    assert type_names(offer_of(models)) == ["64", "128", "128_cascade", "192_cascade"]
    assert qualities(offer_of(models)) == {
        "draft": "64",
        "standard": "128_cascade",
        "high": "192_cascade",
    }
    asset = generate(job(type=None, quality="standard"), models, Report(), INPUTS)
    assert asset.recipe["type"] == "128_cascade"
    assert asset.voxels.grid.grid_size == 128
    assert generate(job(type=None), models, Report(), INPUTS).recipe["type"] == "128_cascade"


def test_stages_and_parts_are_reported(models: Models) -> None:
    heard: list[Progress] = []
    parts: dict[str, object] = {}
    report = Report(progress_to(heard.append), on_part=parts.__setitem__)
    asset = generate(job(type="128_cascade"), models, report, INPUTS)
    stages = list(dict.fromkeys(progress.stage for progress in heard))
    assert stages == [
        "picture", "encode", "structure", "decode_structure", "shape", "upsample", "fine_shape",
        "texture", "decode_shape", "decode_material",
    ]  # fmt: skip
    assert [p.step for p in heard if p.stage == "texture"] == [0, 1, 2, 3, 4]
    assert list(parts) == ["source", "structure", "mesh"]
    assert parts["source"] is asset.picture
    cells, grid = parts["structure"]  # pyright: ignore[reportGeneralTypeIssues]
    assert grid == 4
    assert np.array_equal(cells, asset.tensors["structure"].numpy())
    assert parts["mesh"] is asset.mesh
    assert set(report.seconds) == set(stages)


@pytest.mark.parametrize("stage", ["picture", "structure", "fine_shape", "decode_material"])
def test_cancelled_within_a_step_and_the_next_job_is_right(toy: Path, stage: str) -> None:
    models = toy_models(toy)
    expected = generate(job(type="128_cascade"), toy_models(toy), Report(), INPUTS)
    token = CancelToken()
    heard: list[Progress] = []

    def listen(progress: Progress) -> None:
        heard.append(progress)
        if progress.stage == stage and progress.step == min(2, progress.steps):
            token.cancel()

    with pytest.raises(Cancelled):
        generate(job(type="128_cascade"), models, Report(progress_to(listen), cancel=token), INPUTS)
    assert (heard[-1].stage, heard[-1].step) == (stage, min(2, heard[-1].steps))
    same_asset(generate(job(type="128_cascade"), models, Report(), INPUTS), expected)


def test_a_cancelled_request_does_nothing(models: Models) -> None:
    token = CancelToken()
    token.cancel()
    with pytest.raises(Cancelled):
        generate(job(), models, Report(cancel=token), INPUTS)


def test_variants_and_batches_share_what_they_can(toy: Path) -> None:
    encoder = ToyEncoder()
    models = toy_models(toy, encoder=encoder)
    jobs = job(type="128_cascade").variants(3) + job(picture=given(picture((0, 90, 200)))).variants(
        2
    )
    assets = [generate(one, models, Report(), INPUTS) for one in jobs]
    assert [asset.recipe["seed"] for asset in assets] == [3, 4, 5, 3, 4]
    assert encoder.calls == 3  # two sizes of the first picture, one of the second
    assert not torch.equal(assets[0].latents["coarse"].feats, assets[3].latents["coarse"].feats)
    for one, asset in zip(jobs, assets, strict=True):
        same_asset(asset, generate(one, toy_models(toy), Report(), INPUTS))


def test_a_stored_recipe_makes_the_same_asset_bit_for_bit(toy: Path, tmp_path: Path) -> None:
    wanted = job(
        type="128_cascade",
        seed=2**62 + 1,
        max_tokens=10_000,
        samplers={"shape": Sampling(steps=3, guidance_strength=2.5, guidance_interval=(0.3, 0.9))},
    )
    asset = generate(wanted, toy_models(toy), Report(), INPUTS)
    save_asset(asset, tmp_path / "a")
    again, inputs = job_again(load_asset(tmp_path / "a"))
    assert isinstance(again, GenerateJob)
    assert again.samplers["shape"].steps == 3
    repeated = generate(again, toy_models(toy), Report(), inputs)
    same_asset(repeated, asset)
    names = ("samplers", "checkpoint", "coarse_draws", "picture_sha256", "seed", "type")
    assert {n: repeated.recipe[n] for n in names} == {n: asset.recipe[n] for n in names}


def test_a_fast_asset_says_so_and_is_made_again_bit_for_bit(toy: Path, tmp_path: Path) -> None:
    told: list[str] = []
    steps = {name: Sampling(steps=8) for name in ("structure", "shape", "texture")}
    wanted = job(type="128_cascade", samplers=steps, fast=True)
    asset = generate(wanted, toy_models(toy), Report(notes_to(told.append)), INPUTS)
    sentence = (
        "Fast: 1 of 8 steps (structure), 2 of 8 steps (shape), 2 of 8 steps (texture) are told "
        "from the steps before them."
    )
    assert sentence in told and sentence in asset.recipe["notes"]
    reuse = {name: made["reuse_after"] for name, made in asset.recipe["samplers"].items()}
    assert reuse == {"structure": 6, "shape": 4, "texture": 4}
    save_asset(asset, tmp_path / "a")
    again, inputs = job_again(load_asset(tmp_path / "a"))
    assert isinstance(again, GenerateJob)
    repeated = generate(again, toy_models(toy), Report(), inputs)
    same_asset(repeated, asset)
    assert repeated.recipe["samplers"] == asset.recipe["samplers"]

    usual = generate(job(type="128_cascade", samplers=steps), toy_models(toy), Report(), INPUTS)
    assert "reuse_after" not in usual.recipe["samplers"]["shape"]
    assert not torch.equal(usual.latents["coarse"].feats, asset.latents["coarse"].feats)


def test_a_fast_job_with_few_steps_says_that_nothing_is_saved(toy: Path) -> None:
    told: list[str] = []
    fast, usual = (
        generate(job(fast=fast), toy_models(toy), Report(notes_to(told.append)), INPUTS)
        for fast in (True, False)
    )
    same_asset(fast, usual)
    assert told.count("Fast: so few steps that none is saved.") == 1


def test_what_a_job_says_itself_goes_before_what_fast_would_choose(toy: Path) -> None:
    own = Sampling(steps=8, reuse_after=2)
    asset = generate(job(samplers={"shape": own}, fast=True), toy_models(toy), Report(), INPUTS)
    assert asset.recipe["samplers"]["shape"]["reuse_after"] == 2
    finer = upscale(
        UpscaleJob(source=given(asset), type="192_cascade"), toy_models(toy), Report(), INPUTS
    )
    assert finer.recipe["samplers"]["shape"]["reuse_after"] == 2
    textured = TextureJob(
        mesh=given(box((1, 1, 1))), picture=given(picture()), resolution=64, fast=True
    )
    made = texture(textured, toy_models(toy), Report(), INPUTS)
    assert made.recipe["samplers"]["texture"]["reuse_after"] == 4


@pytest.mark.parametrize("kind", ["generate", "texture", "upscale"])
def test_fast_is_true_or_false(kind: str) -> None:
    with pytest.raises(EngineError, match="fast is true or false"):
        if kind == "generate":
            job(fast="yes")
        elif kind == "texture":
            TextureJob(mesh=File("a"), picture=File("b"), fast=1)  # pyright: ignore
        else:
            UpscaleJob(source=File("a"), fast=None)  # pyright: ignore


@pytest.mark.slow
def test_a_hundred_jobs_leave_nothing_behind(toy: Path) -> None:
    models = toy_models(toy)
    steps = {name: Sampling(steps=1) for name in ("structure", "shape", "texture")}

    def tensors() -> int:
        gc.collect()
        return sum(issubclass(type(thing), torch.Tensor) for thing in gc.get_objects())

    counts, memory = [], []
    for seed in range(100):
        colour = (seed * 2, 90, 30)
        generate(
            job(seed=seed % 3, picture=given(picture(colour)), samplers=steps),
            models,
            Report(),
            INPUTS,
        )
        if seed % 20 == 19:
            counts.append(tensors())
            memory.append(ram_in_use() or 0)
    assert len(set(counts[1:])) == 1
    # A job's latents and voxels are about a megabyte; what stays of one would add up to 60.
    assert memory[-1] - memory[1] < 16e6
    models.release()
    assert tensors() < counts[-1]


def test_notes_are_told_and_kept_in_the_recipe(toy: Path) -> None:
    told: list[str] = []
    report = Report(notes_to(told.append))
    asset = generate(job(type="192_cascade", max_tokens=150), toy_models(toy), report, INPUTS)
    assert any("was lowered" in note for note in told)
    assert asset.recipe["notes"] == report.notes == told
    report.note(told[0])
    assert len(told) == len(set(told)) == 3


def test_a_surface_is_made_only_for_who_listens(models: Models) -> None:
    assert "mesh" not in vars(generate(job(), models, Report(), INPUTS))
    assert "mesh" in vars(generate(job(), models, Report(on_part=lambda name, value: None), INPUTS))


def test_the_models_matte_network_is_asked(toy: Path) -> None:
    class Matte:
        calls = 0

        def ready(self) -> bool:
            return True

        def alpha(self, image: Image.Image) -> Image.Image:
            self.calls += 1
            return disc("L", 0, 255)

    matte = Matte()
    models = toy_models(toy, matte=matte)
    photograph = given(png(disc("RGB", (30, 90, 60), (20, 60, 200))))
    asset = generate(job(picture=photograph), models, Report(), INPUTS)
    mesh = box((1, 0.6, 0.4))
    texture(
        TextureJob(mesh=given(mesh), picture=photograph, resolution=64), models, Report(), INPUTS
    )
    report = Report()
    wanted = UpscaleJob(source=given(asset), type="128_cascade", picture=photograph)
    upscale(wanted, models, report, INPUTS)
    assert matte.calls == 3
    assert any("by a network" in note for note in report.notes)


def test_the_limit_of_tokens_is_never_silent(models: Models) -> None:
    report = Report()
    asset = generate(job(type="192_cascade", max_tokens=150), models, report, INPUTS)
    assert asset.voxels.grid.grid_size == asset.recipe["resolution"] < 192
    assert asset.recipe["asked_resolution"] == 192
    assert any("lowered from 192 to" in note for note in report.notes)
    assert any("lowered from 192 to" in note for note in asset.recipe["notes"])
    lowest = generate(job(type="192_cascade", max_tokens=1), models, Report(), INPUTS)
    assert lowest.voxels.grid.grid_size == 128


def test_draws_go_on_where_others_ended() -> None:
    first = Noise(5)
    first.draw(1, 3, 2, 2, 2)
    first.draw(7, 5)
    expected = first.draw(9, 4)
    assert torch.equal(Noise(5, [(1, 3, 2, 2, 2), (7, 5)]).draw(9, 4), expected)


def png(image: Image.Image, kind: str = "PNG", **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


BAD_PICTURES = {
    "image_unreadable": b"no picture",
    "image_too_small": png(Image.new("RGB", (1, 1), (9, 9, 9))),
    "image_no_foreground": png(Image.new("RGBA", (1, 1), (9, 9, 9, 0))),
    "image_too_large": png(Image.new("1", (20_000, 5_000))),
}


@pytest.mark.parametrize("code", BAD_PICTURES)
def test_pictures_that_are_refused(models: Models, code: str) -> None:
    with pytest.raises(EngineError) as caught:
        generate(job(picture=given(BAD_PICTURES[code])), models, Report(), INPUTS)
    assert caught.value.code == code
    assert caught.value.hint


def test_no_foreground(models: Models) -> None:
    empty = png(Image.new("RGBA", (30, 30), (0, 0, 0, 0)))
    with pytest.raises(EngineError, match="no object"):
        generate(job(picture=given(empty)), models, Report(), INPUTS)


def disc(mode: str, background, colour) -> Image.Image:
    image = Image.new(mode, (60, 40), background)
    image.paste(colour, (20, 10, 45, 30))
    return image


def test_unusual_pictures_work(models: Models) -> None:
    frames = [disc("RGBA", (0, 0, 0, 0), (i * 90, 0, 200, 255)) for i in range(2)]
    turned = Image.Exif()
    turned[0x0112] = 6
    grey = np.zeros((40, 60), np.uint16)
    grey[10:30, 20:45] = 60_000
    for data in (
        png(frames[0], "WEBP", save_all=True, append_images=frames[1:]),
        png(disc("CMYK", (0, 0, 0, 0), (0, 200, 200, 0)), "JPEG"),
        png(Image.fromarray(grey)),
        png(disc("RGB", (255, 255, 255), (20, 60, 200)), "JPEG", exif=turned, quality=95),
    ):
        assert len(generate(job(picture=given(data)), models, Report(), INPUTS).mesh.faces) > 0


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"seed": -1}, "seed_invalid"),
        ({"seed": 2**63}, "seed_invalid"),
        ({"seed": 1.5}, "seed_invalid"),
        ({"type": "64", "quality": "draft"}, "job_invalid"),
        ({"max_tokens": 0}, "job_invalid"),
        ({"type": None, "quality": "best"}, "quality_unknown"),
        ({"type": "512"}, "type_unknown"),
        ({"type": "130_cascade"}, "type_unknown"),
        ({"type": "64_cascade"}, "type_unknown"),
        ({"type": "../64"}, "type_unknown"),
    ],
)
def test_requests_that_are_refused(models: Models, changes: dict, code: str) -> None:
    with pytest.raises(EngineError) as caught:
        generate(job(**changes), models, Report(), INPUTS)
    assert caught.value.code == code


def test_other_jobs_are_checked_too(toy: Path) -> None:
    with pytest.raises(EngineError, match="steps"):
        Sampling(steps=0)
    with pytest.raises(EngineError, match="resolution"):
        TextureJob(mesh=File("m.glb"), picture=File("p.png"), resolution=5)
    with pytest.raises(EngineError, match="mesh alone"):
        upscale(UpscaleJob(source=File("m.glb")), toy_models(toy), Report())
    with pytest.raises(EngineError, match="variants"):
        job().variants(0)
