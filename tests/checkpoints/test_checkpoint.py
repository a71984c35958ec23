"""Opening checkpoints: what is found where, and what is said when it is not."""

import copy
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from engine.networks.structure_flow import StructureFlow
from engine.networks.structure_vae import StructureDecoder
from engine.systems.opening import load_checkpoint
from engine.systems.trellis2.networks import load_network
from protocol.errors import EngineError
from tests.checkpoints import tiny


def refused(code: str, *words: str):
    """The block raises that EngineError, a sentence with these words, and a remedy."""

    class Refusal:
        def __enter__(self) -> None:
            pass

        def __exit__(self, kind: Any, error: Any, _trace: Any) -> bool:
            assert isinstance(error, EngineError), f"{code} expected, not {error!r}"
            assert error.code == code, error
            for word in words:
                assert word in error.message, error.message
            assert error.message.endswith(".")
            assert error.hint.endswith(".")
            return True

    return Refusal()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tiny.write_checkpoint(tmp_path / "ours")


@pytest.fixture
def stem(tmp_path: Path) -> Path:
    tiny.write_network(tmp_path / "flow", "SparseStructureFlowModel", tiny.FLOW_ARGS)
    return tmp_path / "flow"


def edit(stem: Path, change) -> None:
    tensors = load_file(stem.with_suffix(".safetensors"))
    change(tensors)
    save_file(tensors, stem.with_suffix(".safetensors"))


def test_everything_in_one_folder(folder: Path):
    checkpoint = load_checkpoint(folder)
    flow = checkpoint.network("sparse_structure_flow_model")
    assert isinstance(flow, StructureFlow)
    assert isinstance(checkpoint.network("sparse_structure_decoder"), StructureDecoder)
    assert checkpoint.network("sparse_structure_flow_model") is flow
    checkpoint.release("sparse_structure_flow_model")
    assert checkpoint.network("sparse_structure_flow_model") is not flow
    assert not flow.training
    assert not any(p.requires_grad or p.is_meta for p in flow.parameters())


def test_what_the_pipeline_says(folder: Path):
    checkpoint = load_checkpoint(folder)
    spec = checkpoint.generation
    sampler = spec.samplers["sparse_structure_sampler"]
    assert (sampler.guidance_interval, sampler.sigma_min) == ((0.6, 1.0), 1e-5)
    assert "tex_slat_sampler" not in spec.samplers
    assert spec.image_encoder is not None
    assert spec.image_encoder.args["model_name"] == "a/b"
    assert spec.default_type == "512"
    assert checkpoint.texturing is None
    latents = torch.tensor([[4.5, 3.0]])
    normalization = spec.normalizations["shape_slat_normalization"]
    assert torch.equal(normalization.normalize(latents), torch.tensor([[2.0, 1.0]]))
    assert torch.equal(normalization.denormalize(torch.tensor([[2.0, 1.0]])), latents)


def test_networks_are_loaded_when_asked_for(folder: Path):
    (folder / "ckpts/flow.safetensors").unlink()
    checkpoint = load_checkpoint(folder)
    with refused("file_missing", "ckpts/flow.safetensors"):
        checkpoint.network("sparse_structure_flow_model")
    with refused("network_absent", "shape_slat_decoder"):
        checkpoint.network("shape_slat_decoder")


@pytest.mark.parametrize("beside", ["structure", "somebody/structure"])
def test_a_network_of_another_repository_in_a_folder_beside(tmp_path: Path, beside: str):
    folder = tiny.write_checkpoint(tmp_path / "ours", at=tmp_path / beside / "ckpts/decoder")
    network = load_checkpoint(folder).network("sparse_structure_decoder")
    assert isinstance(network, StructureDecoder)


def test_a_texturing_pipeline_shares_networks(folder: Path):
    content = tiny.pipeline()
    content["args"]["models"] = {"structure_again": "ckpts/flow"}
    tiny.write_json(folder / "texturing_pipeline.json", content)
    checkpoint = load_checkpoint(folder)
    assert checkpoint.texturing is not None
    shared = checkpoint.network("structure_again")
    assert shared is checkpoint.network("sparse_structure_flow_model")
    content["args"]["models"] = {"sparse_structure_flow_model": "ckpts/another"}
    tiny.write_json(folder / "texturing_pipeline.json", content)
    with refused("pipeline_invalid", "sparse_structure_flow_model"):
        load_checkpoint(folder)


def test_no_checkpoint_at_all(tmp_path: Path):
    with refused("checkpoint_unknown", "no/such/folder"):
        load_checkpoint("no/such/folder")
    with refused("file_missing", "pipeline.json"):
        load_checkpoint(tmp_path)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (lambda c: c.pop("args"), "args"),
        (lambda c: c.update(name=3), "name"),
        (lambda c: c["args"].pop("models"), "models"),
        (lambda c: c["args"].update(models={}), "models"),
        (lambda c: c["args"].update(models={"flow": 3}), "flow"),
        (lambda c: c["args"].update(sparse_structure_sampler=[]), "sparse_structure_sampler"),
        (lambda c: c["args"]["sparse_structure_sampler"].update(params=[1]), "params"),
        (lambda c: c["args"].update(shape_slat_normalization={"mean": [1]}), "std"),
        (lambda c: c["args"]["shape_slat_normalization"].update(std=[1, 0]), "std"),
        (lambda c: c["args"]["shape_slat_normalization"].update(mean=[1]), "mean"),
        (lambda c: c["args"].update(image_cond_model="DINOv3"), "image_cond_model"),
        (lambda c: c["args"].update(default_pipeline_type=512), "default_pipeline_type"),
        (lambda c: c.update(finishing={"closed": "yes"}), "closed"),
        (lambda c: c.update(finishing={"faces": 2}), "2 faces"),
        (lambda c: c.update(qualities={"best": "512"}), "best"),
        (lambda c: c.update(qualities={"high": 512}), "high"),
    ],
)
def test_a_wrong_pipeline(tmp_path: Path, change, word: str):
    content = copy.deepcopy(tiny.pipeline())
    change(content)
    tiny.write_json(tmp_path / "pipeline.json", content)
    with refused("pipeline_invalid", "pipeline.json", word):
        load_checkpoint(tmp_path)


@pytest.mark.parametrize("text", ["", "{", "[]", "\xff", "[" * 100_000])
def test_a_pipeline_that_is_no_object(tmp_path: Path, text: str):
    (tmp_path / "pipeline.json").write_bytes(text.encode("latin-1"))
    with refused("pipeline_invalid", "pipeline.json"):
        load_checkpoint(tmp_path)


@pytest.mark.parametrize(
    "name",
    ["../ckpts/decoder", "a/../../b", "/etc/decoder", "C:/decoder", "a\\..\\b", "a//b", "./a",
     "~/decoder", "a\x00b", ".."],
)  # fmt: skip
def test_names_that_lead_elsewhere(folder: Path, name: str):
    tiny.write_json(folder / "pipeline.json", tiny.pipeline(name))
    checkpoint = load_checkpoint(folder)
    with refused("path_escapes", repr(name)):
        checkpoint.network("sparse_structure_decoder")


def test_a_description_that_does_not_fit(stem: Path):
    path = stem.with_suffix(".json")
    with refused("file_missing", "other.json"):
        load_network(stem.with_name("other"))
    for content in ([], {"name": "x"}, {"name": "SLatFlowModel", "args": []}):
        tiny.write_json(path, content)
        with refused("network_description", "flow.json"):
            load_network(stem)
    path.write_text("{")
    with refused("network_description", "flow.json"):
        load_network(stem)
    tiny.write_json(path, {"name": "Generator", "args": {}})
    with refused("network_unknown", "Generator"):
        load_network(stem)


def test_weights_that_are_not_there_or_not_safetensors(stem: Path):
    weights = stem.with_suffix(".safetensors")
    whole = weights.read_bytes()
    for content in (b"", b"PK\x03\x04", pickle.dumps({"a": 1}), whole[: len(whole) // 2]):
        weights.write_bytes(content)
        with refused("tensors_not_safetensors", "flow.safetensors"):
            load_network(stem)
    weights.unlink()
    with refused("tensors_missing_file", "flow.safetensors"):
        load_network(stem)


def test_pickles_are_never_read(stem: Path):
    class Bomb:
        def __reduce__(self):
            return Path.touch, (stem.with_name("exploded"),)

    stem.with_suffix(".safetensors").write_bytes(pickle.dumps(Bomb()))
    with refused("tensors_not_safetensors"):
        load_network(stem)
    assert not stem.with_name("exploded").exists()


def test_tensors_that_do_not_fit(stem: Path):
    name = "blocks.1.mlp.mlp.0.weight"
    weights = stem.with_suffix(".safetensors")
    whole = weights.read_bytes()

    def check(change, code: str, *words: str) -> None:
        weights.write_bytes(whole)
        edit(stem, change)
        with refused(code, *words):
            load_network(stem)

    check(lambda t: t.pop(name), "tensor_missing", name)
    check(lambda t: t.update(more=torch.ones(1)), "tensor_extra", "more")
    check(lambda t: t.update(new=t.pop(name)), "tensor_missing", name, "new")
    rows, columns = 60, 24
    check(
        lambda t: t.update({name: torch.zeros(rows, columns + 1)}),
        "tensor_shape", name, "[60, 25]", "[60, 24]",
    )  # fmt: skip
    check(lambda t: t.update({name: t[name].char()}), "weights_without_scales", name)
    for dtype in (torch.int64, torch.bool, torch.float64, torch.complex64):
        check(lambda t, dtype=dtype: t.update({name: t[name].to(dtype)}), "tensor_dtype", name)


def test_positions_in_a_file_are_accepted_when_right(stem: Path):
    expected = load_network(stem)
    assert isinstance(expected, StructureFlow)
    phases = expected.get_buffer("rope_phases")
    assert phases.dtype == torch.complex64
    edit(stem, lambda t: t.update(rope_phases=phases.clone()))
    assert torch.equal(load_network(stem).get_buffer("rope_phases"), phases)
    for wrong in (phases.conj().resolve_conj().clone(), phases[1:].clone(), phases.real.clone(),
                  torch.zeros(phases.shape, dtype=torch.int32)):  # fmt: skip
        edit(stem, lambda t, wrong=wrong: t.update(rope_phases=wrong))
        with refused("tensor_derived", "rope_phases"):
            load_network(stem)


@pytest.mark.parametrize("stored", [torch.float16, torch.bfloat16, torch.float32])
@pytest.mark.parametrize("torso", [None, torch.bfloat16, torch.float16])
def test_stored_dtypes_become_the_policys(stem: Path, stored: torch.dtype, torso):
    edit(stem, lambda t: t.update({k: v.to(stored) for k, v in t.items()}))
    network = load_network(stem, torso_dtype=torso)
    assert isinstance(network, StructureFlow)
    kept = load_file(stem.with_suffix(".safetensors"))
    for name, tensor in network.state_dict().items():
        inside = "blocks." in name and (".to_" in name or ".mlp." in name)
        assert tensor.dtype == ((torso or torch.float32) if inside else torch.float32), name
        assert torch.equal(tensor, kept[name].to(tensor.dtype))


def test_numbers_that_are_none_are_refused(stem: Path):
    def spoil(tensors: dict) -> None:
        tensors["out_layer.weight"][0, 0] = torch.nan

    edit(stem, spoil)
    with refused("tensor_not_finite", "out_layer.weight", "not finite"):
        load_network(stem)


def test_numbers_that_a_narrower_dtype_cannot_hold_are_refused(stem: Path):
    name = "blocks.0.mlp.mlp.0.weight"

    def widen(tensors: dict) -> None:
        tensors[name][0, 0] = 70_000.0

    edit(stem, widen)
    load_network(stem, torso_dtype=torch.bfloat16)
    with refused("tensor_not_finite", name, "float16"):
        load_network(stem, torso_dtype=torch.float16)


def test_normalisation_must_fit_the_latent(tmp_path: Path):
    described = tiny.pipeline()
    described["args"]["models"]["shape_slat_flow_model_512"] = "ckpts/flow"
    folder = tiny.write_checkpoint(tmp_path / "ours")
    tiny.write_json(folder / "pipeline.json", described)
    with refused("pipeline_invalid", "2 channels", "shape_slat_flow_model_512 has 4"):
        load_checkpoint(folder).network("shape_slat_flow_model_512")


@pytest.mark.parametrize("name", ["~nosuchuser/x", "a\0b", "x" * 5000])
def test_a_checkpoint_of_an_impossible_name(name: str):
    with refused("checkpoint_unknown"):
        load_checkpoint(name)
