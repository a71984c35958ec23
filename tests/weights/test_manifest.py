"""The shipped facts about the published files, against themselves and against our networks."""

import hashlib
import json
import math
import re

import pytest

from engine.systems.trellis2.networks import NETWORKS, build_network
from engine.weights.manifest import NetworkFacts, manifests, pinned_revision

PUBLISHED = [
    pytest.param(network, id=stem.removeprefix("ckpts/"))
    for manifest in manifests().values()
    for stem, network in manifest.networks.items()
]
SIZES = {"F32": 4, "F16": 2, "BF16": 2}
TOTALS = {
    "ss_flow_img_dit_1_3B_64_bf16": 1_292_179_976,
    "slat_flow_img2shape_dit_1_3B_512_bf16": 1_292_253_728,
    "slat_flow_img2shape_dit_1_3B_1024_bf16": 1_292_253_728,
    "slat_flow_imgshape2tex_dit_1_3B_512_bf16": 1_292_302_880,
    "slat_flow_imgshape2tex_dit_1_3B_1024_bf16": 1_292_302_880,
    "shape_dec_next_dc_f16c32_fp16": 474_231_463,
    "tex_dec_next_dc_f16c32_fp16": 474_216_006,
    "shape_enc_next_dc_f16c32_fp16": 354_385_392,
    "tex_enc_next_dc_f16c32_fp16": 354_385_392,
}


def test_every_published_network_is_there():
    four_b = manifests()["microsoft/TRELLIS.2-4B"]
    assert {stem.removeprefix("ckpts/") for stem in four_b.networks} == TOTALS.keys()
    assert sum(network.parameters for network in four_b.networks.values()) == 8_118_511_445
    assert manifests()["microsoft/TRELLIS-image-large"].networks.keys() == {
        "ckpts/ss_dec_conv3d_16l8_fp16"
    }
    assert pinned_revision("microsoft/TRELLIS.2-4B") == "af44b45f2e35a493886929c6d786e563ec68364d"
    assert pinned_revision("somebody/else") is None


@pytest.mark.parametrize("facts", PUBLISHED)
def test_our_networks_have_the_published_tensors(facts: NetworkFacts):
    network = build_network(facts.name, facts.args)
    ours = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    assert ours == {name: tensor.shape for name, tensor in facts.tensors.items()}
    total = sum(tensor.numel() for tensor in network.state_dict().values())
    assert total == facts.parameters == TOTALS.get(facts.stem.removeprefix("ckpts/"), total)


@pytest.mark.parametrize("facts", PUBLISHED)
def test_the_tensors_make_a_file_of_the_published_size(facts: NetworkFacts):
    # The header spells out names, dtypes, shapes and offsets: a wrong digit shows in its length.
    widest_first = sorted(facts.tensors.items(), key=lambda item: (-SIZES[item[1].dtype], item[0]))
    header, offset = {}, 0
    for name, tensor in widest_first:
        end = offset + SIZES[tensor.dtype] * math.prod(tensor.shape)
        header[name] = {
            "dtype": tensor.dtype,
            "shape": tensor.shape,
            "data_offsets": (offset, end),
        }
        offset = end
    length = len(json.dumps(header, separators=(",", ":")))
    size = 8 + math.ceil(length / 8) * 8 + offset
    if facts.weights.bytes is None:
        assert 708.7e6 < size < 708.9e6
    else:
        assert size == facts.weights.bytes


@pytest.mark.parametrize("facts", PUBLISHED)
def test_the_arguments_make_the_published_json(facts: NetworkFacts):
    if facts.description.sha256 is None or facts.name == "SparseStructureDecoder":
        pytest.skip("the published file or its spacing is not known")
    text = json.dumps({"name": facts.name, "args": facts.args}, indent=4)
    # Published with lists of numbers and of empty objects on one line, lists of names on many.
    for inside in (r"[\d,\s]*?", r"[{},\s]*?"):
        text = re.sub(rf"\[\s+({inside})\s+\]", _on_one_line, text)
    assert len(text) == facts.description.bytes
    assert hashlib.sha256(text.encode()).hexdigest() == facts.description.sha256


def _on_one_line(match: re.Match[str]) -> str:
    return f"[{' '.join(match[1].split())}]"


def test_the_table_knows_every_published_class():
    networks = [facts for manifest in manifests().values() for facts in manifest.networks.values()]
    assert {facts.name for facts in networks} <= NETWORKS.keys()
