"""A generation with random networks on the cells of a real mesh: its stages and their work.

Networks only: no picture is read, no mesh made. Times do not depend on what weights hold, so they
are those of the published networks; the results mean nothing.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from engine.bench.networks import RandomCheckpoint, Reduction, predicting
from engine.bench.scene import load_scene
from engine.bench.work import forward_flop, matrix_rate, prepare_flop
from engine.networks.bound_flow import BoundFlow
from engine.networks.sc_vae import Pyramid, ScVaeDecoder
from engine.residency.models import Models
from engine.residency.plan import Plan as MemoryPlan
from engine.residency.plan import Policy, Use
from engine.sampling import (
    Spread,
    dense_spread,
    guided_steps,
    sample,
    sparse_spread,
    stepping,
)
from engine.sampling.euler import asked_at
from engine.sparse import SparseTensor
from engine.sparse.backends import Backend
from engine.systems.trellis2 import needs
from engine.systems.trellis2.names import (
    MATERIAL_DECODER,
    SHAPE_DECODER,
    STRUCTURE_DECODER,
    STRUCTURE_FLOW,
)
from protocol.errors import EngineError
from protocol.samplers import SamplerParams

TYPES = {
    "512": (None, 512, "512"),
    "1024": (None, 1024, "1024"),
    "1024_cascade": (512, 1024, "1024"),
    "1536_cascade": (512, 1536, "1024"),
}
"""Type -> resolution of the first shape in a cascade, final resolution, its networks."""
RATIO = 16

# As in the published pipeline.json.
STRUCTURE_SAMPLER = SamplerParams(
    steps=12, guidance_strength=7.5, guidance_rescale=0.7, guidance_interval=(0.6, 1), rescale_t=5
)
SHAPE_SAMPLER = SamplerParams(
    steps=12, guidance_strength=7.5, guidance_rescale=0.5, guidance_interval=(0.6, 1), rescale_t=3
)
TEXTURE_SAMPLER = SamplerParams(
    steps=12, guidance_strength=1, guidance_rescale=0, guidance_interval=(0.6, 0.9), rescale_t=3
)


@dataclass(frozen=True)
class Request:
    """What to measure.

    Attributes:
        kind: a key of ``TYPES``.
        mesh: whose cells are taken.
        tokens: about how many on a latent grid of 64^3.
        device, flow_dtype, decoder_dtype: where, and dtypes of the torsos.
        reduction: how networks and grids are made smaller.
        steps: sampler steps of every stage; None: the published 12.
        budget: bytes that weights and working memory may take; None: what is free.
        policy: insist on one; None: the fastest that fits.
        unprepared: keys and values of the picture are computed in every pass, and the passes
            without it attend to zeros: what ``prepare`` saves.
        ahead: the next network is read while one runs, which disturbs the seconds of stages.
    """

    kind: str
    mesh: Path
    tokens: int
    device: torch.device
    flow_dtype: torch.dtype
    decoder_dtype: torch.dtype
    reduction: Reduction = field(default_factory=Reduction)
    steps: int | None = None
    budget: int | None = None
    policy: Policy | None = None
    unprepared: bool = False
    ahead: bool = False


@dataclass(frozen=True)
class Stage:
    """A planned stage.

    Attributes:
        name: "shape 1024".
        network: published name of its network.
        parameters, bytes: of its weights.
        cells: tokens, or cells that come out of a decoder.
        forwards: passes through the network.
        flop: of a flow; None for decoders.
        use: what it is planned to need beside the weights.
        working: the same in bytes, once the policy is known.
        run: does the work with the network on the device.
        warm_up: one pass that is not counted, or nothing.
    """

    name: str
    network: str
    parameters: int
    bytes: int
    cells: int
    forwards: int
    flop: int | None
    use: Use
    working: Callable[[], int]
    run: Callable[[nn.Module], object]
    warm_up: Callable[[nn.Module], object]


@dataclass(frozen=True)
class Plan:
    """What will be done.

    Attributes:
        stages: in order.
        rate: FLOP per second of the device's matrix products.
        models: the networks, ready to be used.
        memory: their policy, and the bytes planned.
    """

    request: Request
    stages: tuple[Stage, ...]
    rate: float
    models: Models
    memory: MemoryPlan

    @property
    def flop(self) -> int:
        return sum(stage.flop or 0 for stage in self.stages)


def make_plan(request: Request) -> Plan:
    """Voxelise the mesh and count; nothing large is on the device yet.

    Raises:
        EngineError: ``bench_type``, ``bench_reduction``, ``memory_too_small``, and what reading a
            mesh raises.
    """
    if request.kind not in TYPES:
        raise EngineError(
            "bench_type",
            f"There is no type {request.kind}.",
            f"Choose one of {', '.join(TYPES)}.",
        )
    coarse, resolution, suffix = TYPES[request.kind]
    reduction, device = request.reduction, request.device
    final = reduction.grid(resolution, RATIO)
    first = reduction.grid(coarse, RATIO) if coarse else None
    scene = load_scene(request.mesh, request.tokens)
    planner = _Planner(request)
    stages = [planner.structure(), planner.structure_decoder()]
    if first is not None:
        pyramid = scene.pyramid(first, device)
        stages.append(planner.flow("shape 512", "shape_slat_flow_model_512", pyramid, 512))
        stages.append(planner.upsample(pyramid, first, final))
    fine = scene.pyramid(final, device)
    name, pixels = str(resolution), 512 if suffix == "512" else 1024
    stages += [
        planner.flow(f"shape {name}", f"shape_slat_flow_model_{suffix}", fine, pixels),
        planner.flow(f"texture {name}", f"tex_slat_flow_model_{suffix}", fine, pixels),
        planner.decoder("decode_shape", SHAPE_DECODER, fine),
        planner.decoder("decode_material", MATERIAL_DECODER, fine),
    ]
    memory = planner.models.plan([stage.use for stage in stages])
    rate = matrix_rate(device, request.flow_dtype)
    return Plan(request, tuple(stages), rate, planner.models, memory)


class _Planner:
    """Makes stages out of networks and cells."""

    def __init__(self, request: Request) -> None:
        self.request = request
        self.device = request.device
        self.generator = torch.Generator().manual_seed(0)
        self.models = Models(
            RandomCheckpoint(request.reduction, request.device),
            device=request.device,
            dtypes=(request.flow_dtype, request.decoder_dtype),
            budget=request.budget,
            policy=request.policy,
            ahead=request.ahead,
        )

    def structure(self) -> Stage:
        config = self._config(STRUCTURE_FLOW)
        shape = (1, config.in_channels, *[config.resolution] * 3)
        noise = self._noise(*shape)
        return self._flow(
            "structure", STRUCTURE_FLOW, STRUCTURE_SAMPLER, noise,
            config.resolution**3, 512, lambda x: x, (), dense_spread,
        )  # fmt: skip

    def flow(self, name: str, network: str, pyramid: Pyramid, pixels: int) -> Stage:
        cells = pyramid[0].parents
        config = self._config(network)
        noise = self._noise(len(cells), config.out_channels)
        extra = config.in_channels - config.out_channels
        more = (SparseTensor(cells, self._noise(len(cells), extra)),) if extra else ()
        return self._flow(
            name, network, TEXTURE_SAMPLER if extra else SHAPE_SAMPLER, noise, len(cells), pixels,
            lambda x: SparseTensor(cells, x), more, sparse_spread(cells.offsets),
        )  # fmt: skip

    def _flow(
        self,
        name: str,
        network: str,
        sampler: SamplerParams,
        noise: Tensor,
        tokens: int,
        pixels: int,
        wrap: Callable[[Tensor], Any],
        more: tuple[Any, ...],
        spread: Spread,
    ) -> Stage:
        config = self._config(network)
        if self.request.steps is not None:
            sampler = replace(sampler, steps=self.request.steps)
        # Class token, four registers, a token for each patch of 16 pixels.
        side = max(1, math.ceil(pixels / 16 * self.request.reduction.scale))
        picture = self._noise(1, 5 + side * side, config.cond_channels)
        context, guided = picture.shape[1], guided_steps(sampler)

        def bound(flow: Any) -> BoundFlow:
            conditions = {True: picture, False: torch.zeros_like(picture)}
            if not self.request.unprepared:
                conditions = {
                    True: flow.prepare(picture, zero_shortcut=False),
                    False: flow.prepare_zeros(len(picture)),
                }
            return BoundFlow(flow, conditions, wrap, more)

        def planned() -> tuple[Use, Backend]:
            return needs.guided_use(self.models, network, tokens, context, sampler)

        def warm_up(flow: Any) -> None:
            time, passes = torch.full((1,), 1000.0, device=self.device), bound(flow)
            for asked in planned()[1].run(asked_at(1.0, sampler)):
                passes(noise, time, asked)

        def run(flow: Any) -> Tensor:
            x, streamed = noise, self.models.is_streamed(network)
            with stepping(
                bound(flow), self.device, guidance=planned()[1], recordable=not streamed
            ) as velocity:
                for step in sample(velocity, noise, sampler, spread=spread):
                    x = step.x
            return x

        flop = sampler.steps * forward_flop(config, tokens, context) + prepare_flop(config, context)
        flop += guided * forward_flop(config, tokens, 0)
        # Keys and values of the picture go with the stage: nothing is kept.
        use = replace(needs.exact_flow_use(self.models, network, tokens, context), kept_bytes=0)
        return self._stage(
            name, use, tokens, sampler.steps + guided, flop, run,
            working=lambda: planned()[0].working_bytes, warm_up=warm_up,
        )  # fmt: skip

    def structure_decoder(self) -> Stage:
        size = self._config(STRUCTURE_FLOW).resolution
        latent = self._noise(1, 8, size, size, size)
        narrowest = min(self._config(STRUCTURE_DECODER).channels)
        use = Use(STRUCTURE_DECODER, needs.structure_bytes(4 * size, narrowest))
        return self._stage(
            "decode_structure", use, (4 * size) ** 3, 1, None, lambda decoder: decoder(latent)
        )

    def upsample(self, pyramid: Pyramid, first: int, final: int) -> Stage:
        latent = SparseTensor(pyramid[0].parents, self._noise(len(pyramid[0].parents), 32))

        def run(decoder: Any) -> None:
            with predicting(decoder, pyramid):
                slabs = needs.slabs_of(self.models, SHAPE_DECODER)
                voxels = decoder.upsample(latent, len(pyramid), slabs=slabs)
            cells = ((voxels.coords[:, 1:] + 0.5) / first * (final // RATIO)).int()
            torch.unique(cells, dim=0)

        def working() -> int:
            return needs.codec_room(self.models, SHAPE_DECODER, len(latent), upsample=True)

        use = needs.codec_use(self.models, SHAPE_DECODER, len(latent), upsample=True)
        cells = len(pyramid[-1].children)
        return self._stage("upsample", use, cells, 1, None, run, working=working)

    def decoder(self, name: str, network: str, pyramid: Pyramid) -> Stage:
        latent = SparseTensor(pyramid[0].parents, self._noise(len(pyramid[0].parents), 32))

        def run(decoder: Any) -> Tensor:
            if not isinstance(decoder, ScVaeDecoder):
                raise TypeError(f"{network} is a {type(decoder).__name__}")
            slabs = needs.slabs_of(self.models, network)
            return decoder(latent, pyramid, slabs=slabs).raw.feats

        def working() -> int:
            return needs.codec_room(self.models, network, len(latent))

        use = needs.codec_use(self.models, network, len(latent))
        cells = len(pyramid[-1].children)
        return self._stage(name, use, cells, 1, None, run, working=working)

    def _stage(
        self,
        name: str,
        use: Use,
        cells: int,
        forwards: int,
        flop: int | None,
        run: Callable[[Any], object],
        *,
        working: Callable[[], int] | None = None,
        warm_up: Callable[[Any], object] = lambda network: None,
    ) -> Stage:
        return Stage(
            name=name,
            network=use.name,
            parameters=sum(
                weight.numel() for weight in self.models.skeleton(use.name).parameters()
            ),
            bytes=self.models.weights(use.name).whole,
            cells=cells,
            forwards=forwards,
            flop=flop,
            use=use,
            working=working or (lambda: use.working_bytes),
            run=run,
            warm_up=warm_up,
        )

    def _config(self, network: str) -> Any:
        return self.models.skeleton(network).config

    def _noise(self, *shape: int) -> Tensor:
        return torch.randn(shape, generator=self.generator).to(self.device)
