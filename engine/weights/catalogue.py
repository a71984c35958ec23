"""Every weight that Maquette uses: what it is for, its files, its licence.

Sizes and hashes come from the manifests. RMBG-2.0, which the published ``pipeline.json`` names for
backgrounds, is left out on purpose: its licence (CC BY-NC 4.0) forbids commercial use, and
BiRefNet (MIT) does the same work.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache

from engine.host.command import command
from engine.weights.hub_names import DINOV3, GATED, REMBG, TRELLIS, TRELLIS2
from engine.weights.manifest import FileFacts, NetworkFacts, manifests
from protocol.errors import EngineError
from protocol.limits import QUALITIES

LICENCES = {
    "MIT": (True, ""),
    "DINOv3 License": (True, "its terms must go along when the weights are passed on"),
}
"""Licence -> whether commercial use is allowed, and what else it requires."""

USES = (*QUALITIES, "texture")
GROUPS = (*USES, "all")

_SIZE = {"F32": 4, "F16": 2, "BF16": 2}
_JSON_BYTES = 4096  # a generous guess for descriptions of unknown size


@dataclass(frozen=True)
class WeightFile:
    """A file of a weight.

    Attributes:
        name: path inside of the repository, and inside of its folder on disk.
        bytes: size; where it is not published, an estimate from the tensors.
        exact: whether ``bytes`` is the published size.
        sha256: published hash, or None.
        url: where it lies, if not on the hub.
    """

    name: str
    bytes: int
    exact: bool
    sha256: str | None
    url: str | None = None


@dataclass(frozen=True)
class Weight:
    """A network, or whatever else is downloaded as one.

    Attributes:
        name: what users call it.
        purpose: one line.
        repository: owner/repository on the hub, which also is its folder in the store.
        revision: commit that the hashes belong to.
        files: what is downloaded.
        licence: its name.
        commercial: whether the licence allows commercial use.
        conditions: what else the licence requires, or nothing.
        gated: whether its owner requires a login and consent.
        groups: qualities and ``texture`` that need it; empty: optional.
    """

    name: str
    purpose: str
    repository: str
    revision: str
    files: tuple[WeightFile, ...]
    licence: str
    commercial: bool
    conditions: str
    gated: bool
    groups: frozenset[str]

    @property
    def bytes(self) -> int:
        return sum(file.bytes for file in self.files)

    @property
    def exact(self) -> bool:
        return all(file.exact for file in self.files)


@cache
def catalogue() -> Mapping[str, Weight]:
    """Every weight by name, in the order in which a generation uses them."""
    flow, every = "ckpts/slat_flow_", frozenset(USES)
    generate, fine = every - {"texture"}, every - {"draft"}
    weights = [
        _plain("pipeline", "settings of the pipelines", TRELLIS2, every,
               "pipeline.json", "texturing_pipeline.json"),
        _plain("image_encoder", "DINOv3: pictures to tokens", DINOV3, every,
               "config.json", "model.safetensors"),
        _plain("matte", "BiRefNet: removes backgrounds", REMBG, every, "birefnet-general.onnx"),
        _plain("matte_lite", "small BiRefNet, faster", REMBG, frozenset(),
               "birefnet-general-lite.onnx"),
        _network("structure_flow", "which cells are occupied", TRELLIS2, generate,
                 "ckpts/ss_flow_img_dit_1_3B_64_bf16"),
        _network("structure_decoder", "structure latent to cells", TRELLIS, generate,
                 "ckpts/ss_dec_conv3d_16l8_fp16"),
        _network("shape_flow_512", "shape at 512", TRELLIS2, generate,
                 f"{flow}img2shape_dit_1_3B_512_bf16"),
        _network("shape_flow_1024", "shape at 1024 and more", TRELLIS2, generate & fine,
                 f"{flow}img2shape_dit_1_3B_1024_bf16"),
        _network("texture_flow_512", "materials at 512", TRELLIS2, frozenset({"draft"}),
                 f"{flow}imgshape2tex_dit_1_3B_512_bf16"),
        _network("texture_flow_1024", "materials at 1024 and more", TRELLIS2, fine,
                 f"{flow}imgshape2tex_dit_1_3B_1024_bf16"),
        _network("shape_decoder", "shape latent to O-Voxels", TRELLIS2, generate,
                 "ckpts/shape_dec_next_dc_f16c32_fp16"),
        _network("material_decoder", "texture latent to materials", TRELLIS2, every,
                 "ckpts/tex_dec_next_dc_f16c32_fp16"),
        _network("shape_encoder", "meshes to shape latents", TRELLIS2,
                 frozenset({"texture", "high"}), "ckpts/shape_enc_next_dc_f16c32_fp16"),
        _network("material_encoder", "materials to texture latents", TRELLIS2, frozenset(),
                 "ckpts/tex_enc_next_dc_f16c32_fp16"),
    ]  # fmt: skip
    return {weight.name: weight for weight in weights}


def choose(names: Iterable[str]) -> list[Weight]:
    """The weights that names of weights or groups stand for, each once, in catalogue order.

    Raises:
        EngineError: ``weights_unknown``.
    """
    wanted = set(names)
    for name in sorted(wanted - catalogue().keys() - set(GROUPS)):
        raise EngineError(
            "weights_unknown",
            f"There are no weights called {name}.",
            f"Give {', '.join(GROUPS)}, or names of this list: {command('models', 'list')}",
        )
    return [
        weight
        for weight in catalogue().values()
        if "all" in wanted or weight.name in wanted or weight.groups & wanted
    ]


def _plain(name: str, purpose: str, repository: str, groups: frozenset[str], *files: str) -> Weight:
    known = manifests()[repository].files
    chosen = tuple(_file(file, known[file], _JSON_BYTES, repository) for file in files)
    return _weight(name, purpose, repository, groups, chosen)


def _network(name: str, purpose: str, repository: str, groups: frozenset[str], stem: str) -> Weight:
    facts = manifests()[repository].networks[stem]
    files = (
        _file(f"{stem}.json", facts.description, _JSON_BYTES, repository),
        _file(f"{stem}.safetensors", facts.weights, _tensor_bytes(facts), repository),
    )
    return _weight(name, purpose, repository, groups, files)


def _weight(
    name: str,
    purpose: str,
    repository: str,
    groups: frozenset[str],
    files: tuple[WeightFile, ...],
) -> Weight:
    manifest = manifests()[repository]
    commercial, conditions = LICENCES[manifest.licence]
    return Weight(
        name=name,
        purpose=purpose,
        repository=repository,
        revision=manifest.revision,
        files=files,
        licence=manifest.licence,
        commercial=commercial,
        conditions=conditions,
        gated=repository in GATED,
        groups=groups,
    )


def _file(name: str, facts: FileFacts, estimate: int, repository: str) -> WeightFile:
    return WeightFile(
        name=name,
        bytes=estimate if facts.bytes is None else facts.bytes,
        exact=facts.bytes is not None,
        sha256=facts.sha256,
        url=_REMBG_URLS[name] if repository == REMBG else None,
    )


def _tensor_bytes(facts: NetworkFacts) -> int:
    return sum(_SIZE[t.dtype] * math.prod(t.shape) for t in facts.tensors.values())


_RELEASE = "https://github.com/danielgatis/rembg/releases/download/v0.0.0/"
# rembg publishes them as a release, under longer names than it stores them by.
_REMBG_URLS = {
    "birefnet-general.onnx": f"{_RELEASE}BiRefNet-general-epoch_244.onnx",
    "birefnet-general-lite.onnx": f"{_RELEASE}BiRefNet-general-bb_swin_v1_tiny-epoch_232.onnx",
}
