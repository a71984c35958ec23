"""The stages of a pipeline on a CUDA device, as far as they can run on fake tensors.

They can: both flows on cells, the flow of the structure, and a decoder that follows a pyramid. They
cannot where values make a shape: which cells a structure has (``argwhere``), which children survive
(``nonzero``), the cells of a cascade (``unique``), and every new topology, whose cells are looked
at once. ``test_what_makes_cells_of_values`` says which stages those are.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import unset_fake_temporarily

from engine.images.picture import written
from engine.report import Report
from engine.residency.models import Models
from engine.sampling.noise import Noise
from engine.sampling.spread import dense_spread
from engine.sparse import SparseTensor, conv_torch
from engine.systems.opening import load_checkpoint
from engine.systems.trellis2 import stages
from engine.systems.trellis2.names import MATERIAL_DECODER, STRUCTURE_FLOW
from engine.systems.trellis2.networks import build_network
from engine.systems.trellis2.routes import Route, offer_of, route_of
from engine.systems.trellis2.work import Work, samplers_of
from protocol.events import Event, Progress
from protocol.jobs import GenerateJob
from tests.gpu_without_card.card import (
    CUDA,
    Transfers,
    fake_pyramid,
    fake_topology,
    on_card,
    pretended_card,
)
from tests.gpu_without_card.test_networks import empty, real_topology
from tests.systems.trellis2.toy import COND, LATENT

CELLS = [[0, 0, 0, 1], [0, 0, 0, 2], [0, 1, 3, 2], [0, 3, 3, 3]]


class Steps:
    """How many copies between host and device there had been when each step was told."""

    def __init__(self) -> None:
        self.transfers = Transfers()
        self.seen: list[tuple[int, int]] = []

    def hear(self, event: Event) -> None:
        if isinstance(event, Progress) and 0 < event.step < event.steps:
            counts = len(self.transfers.to_host), len(self.transfers.to_device)
            self.seen.append(counts)

    def check(self, steps: int) -> None:
        """Between the first step and the last nothing was copied."""
        assert len(self.seen) == steps - 1
        assert len(set(self.seen)) == 1, self.seen


@pytest.fixture
def steps() -> Steps:
    return Steps()


@pytest.fixture
def work(toy: Path, steps: Steps, monkeypatch: pytest.MonkeyPatch) -> Iterator[Work]:
    """A request on the card, in its working dtypes, with tokens of a picture in host memory."""
    checkpoint = load_checkpoint(toy)
    # Networks are built outside of the fake mode, which cannot convert them.
    with pretended_card(monkeypatch, flash=True), unset_fake_temporarily():
        models = Models(checkpoint, device=CUDA)
        for name in checkpoint.models:
            models.skeleton(name)

    def load(name: str, *, device: torch.device, torso_dtype: torch.dtype) -> Any:
        assert device == CUDA
        return on_card(
            lambda: build_network(*checkpoint.description(name), torso_dtype=torso_dtype)
        )

    monkeypatch.setattr(checkpoint, "load", load)
    monkeypatch.setattr(stages, "image_tokens", lambda *_: torch.empty(1, 6, COND))
    spec = models.generation
    samplers = samplers_of(spec, GenerateJob, {})
    report = Report(steps.hear)
    with pretended_card(monkeypatch, flash=True):
        yield Work(models, report, spec, written("a cup"), Noise(0), samplers)


@pytest.fixture
def route(work: Work) -> Route:
    return route_of(offer_of(work.models), "64")


@torch.inference_mode()
def test_a_shape_and_its_texture(work: Work, route: Route, steps: Steps) -> None:
    cells = fake_topology(real_topology(CELLS))
    with steps.transfers:
        shape = stages.sample_shape(work, "shape", route.first, cells)
    steps.check(work.samplers["shape"].steps)
    steps.seen.clear()
    with steps.transfers:
        texture = stages.sample_texture(work, route.last, shape)
    steps.check(work.samplers["texture"].steps)
    for latent in (shape, texture):
        assert latent.topology is cells
        assert latent.feats.device == CUDA
        assert latent.feats.shape == (len(CELLS), LATENT)
    assert steps.transfers.to_host == []


@torch.inference_mode()
def test_the_latent_of_a_structure(work: Work, steps: Steps) -> None:
    size = work.models.skeleton(STRUCTURE_FLOW).config.resolution
    params = work.samplers["structure"]
    noise = work.noise.draw(1, LATENT, size, size, size)
    with steps.transfers:
        latent = stages._sample(
            work, "structure", STRUCTURE_FLOW, torch.empty(1, 6, COND), params, noise,
            dense_spread, cells=size**3,
        )  # fmt: skip
    steps.check(params.steps)
    assert latent.device == CUDA
    assert latent.shape == noise.shape
    assert steps.transfers.to_host == []


@torch.inference_mode()
def test_a_material_along_a_pyramid(
    toy: Path, work: Work, steps: Steps, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conv_torch, "ROW_CHUNK", {})
    pyramid = real_pyramid(work)
    latent = SparseTensor(pyramid[0].parents, empty(len(CELLS), LATENT))
    with steps.transfers:
        decoded = stages.decode_material(work, latent, pyramid)
    assert decoded.attributes.device == CUDA
    assert decoded.attributes.shape == (len(pyramid[-1].children), 6)
    assert steps.transfers.to_host == []


def real_pyramid(work: Work) -> Any:
    """Four subdivisions with every second child, on the card, with the tables of a real pass."""
    with unset_fake_temporarily():
        topology, links = real_topology(CELLS), []
        for _ in range(4):
            mask = torch.arange(8 * len(topology)).view(-1, 8) % 4 == 0
            links.append(topology.subdivide(mask))
            topology = links[-1].children
        for link in links:
            assert len(link.parents.neighbours[0]) == len(link.parents)
            assert len(link.children.neighbours[0]) == len(link.children)
        assert MATERIAL_DECODER in work.models.checkpoint.models
    return fake_pyramid(tuple(links))


@torch.inference_mode()
def test_what_makes_cells_of_values(work: Work, route: Route) -> None:
    """These stages wait for the device once or a few times each, which no sampling step does."""
    cells = fake_topology(real_topology(CELLS))
    shape = SparseTensor(cells, empty(len(CELLS), LATENT))
    cascade = route_of(offer_of(work.models), "128_cascade")

    def refused(stage: Any, *args: Any) -> None:
        with pytest.raises(Exception, match=r"nonzero|unique|_local_scalar_dense"):
            stage(work, *args)

    refused(stages._decode_structure, empty(1, LATENT, 4, 4, 4), route.first.latent_grid)
    refused(stages.decode_shape, shape)
    refused(stages.finer_cells, shape, 64, cascade)


@torch.inference_mode()
def test_a_latent_of_the_host_is_seen(work: Work, route: Route) -> None:
    real: Tensor = torch.empty(len(CELLS), LATENT)
    cells = fake_topology(real_topology(CELLS))
    shape = SparseTensor(cells, empty(len(CELLS), LATENT))
    object.__setattr__(shape, "feats", real)
    with pytest.raises(Exception, match=r"two devices|are on cpu"):
        stages.sample_texture(replace(work, noise=Noise(1)), route.last, shape)
