"""What is downloaded for a group is enough for it, and every file of it is needed."""

import shutil
from pathlib import Path

import pytest

from engine.report import Report
from engine.residency.models import Models
from engine.systems.catalogue import choose
from engine.systems.trellis2.generate import generate
from engine.systems.trellis2.texture import texture
from engine.systems.trellis2.upscale import upscale
from protocol.jobs import GenerateJob, TextureJob, UpscaleJob
from tests.finishing.shapes import box
from tests.systems.trellis2.toy import INPUTS, given, picture, toy_models

TOY_NAMES = {
    "structure_flow": "sparse_structure_flow_model",
    "structure_decoder": "sparse_structure_decoder",
    "shape_flow_512": "shape_slat_flow_model_64",
    "shape_flow_1024": "shape_slat_flow_model_128",
    "texture_flow_512": "tex_slat_flow_model_64",
    "texture_flow_1024": "tex_slat_flow_model_128",
    "shape_decoder": "shape_slat_decoder",
    "material_decoder": "tex_slat_decoder",
    "shape_encoder": "shape_slat_encoder",
}
"""Weight of the catalogue -> the toy network in its place; the toy's levels are 64 and 128."""


@pytest.mark.parametrize("group", ["draft", "standard", "high", "texture"])
def test_the_files_of_a_group_are_what_it_takes(toy: Path, tmp_path: Path, group: str) -> None:
    folder = tmp_path / "model"
    (folder / "ckpts").mkdir(parents=True)
    for name in ("pipeline.json", "texturing_pipeline.json"):
        shutil.copy(toy / name, folder)
    present = {TOY_NAMES[w.name] for w in choose([group]) if w.name in TOY_NAMES}
    for name in present:
        for suffix in ("json", "safetensors"):
            shutil.copy(toy / "ckpts" / f"{name}.{suffix}", folder / "ckpts")
    models = toy_models(folder)
    assert _run(group, models) == present


def _run(group: str, models: Models) -> set[str]:
    """Everything that a group is for; gives the networks that were used."""
    mesh = box((1, 0.6, 0.4))
    if group == "texture":
        texture(TextureJob(mesh=given(mesh), picture=given(picture())), models, Report(), INPUTS)
        return models.used
    generate(GenerateJob(picture=given(picture()), quality=group), models, Report(), INPUTS)
    used = set(models.used)
    if group == "high":
        upscale(UpscaleJob(source=given(mesh), picture=given(picture())), models, Report(), INPUTS)
        used |= models.used
    return used
