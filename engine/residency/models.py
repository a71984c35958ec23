"""Which weights are on the device: the only place that moves them."""

import logging
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from engine.checkpoints.checkpoint import Checkpoint
from engine.checkpoints.image_encoders import IMAGE_ENCODER, EncoderSource
from engine.checkpoints.pipeline import PipelineSpec, texturing_absent
from engine.host.machine import whole_float32, working_dtypes
from engine.images.matte import MatteNetwork
from engine.images.rembg_matte import RembgMatte
from engine.residency import memory
from engine.residency.picture_cache import PictureCache
from engine.residency.plan import Plan, Policy, Use, Weights, held_bytes, make_plan, too_small
from engine.residency.prefetch import Load, Prefetch
from engine.residency.streaming import BlockStream, streamed_bytes
from protocol.errors import EngineError

log = logging.getLogger(__name__)

HOST_SHARE = 3
"""Times the size of a network that must be free in host memory for it to be read ahead: its file,
itself, and what pinned memory is rounded up by."""


@dataclass
class _Placed:
    network: Any
    bytes: int
    stream: BlockStream | None = None


class Models:
    """The networks of a checkpoint, on a device, within a budget.

    Args:
        checkpoint: its networks; its own device and dtype are not used.
        device: where the networks run.
        dtypes: of the flows' and of the other networks' torsos; None: what the device is good at.
        budget: bytes that weights and working memory may take; None: what is free.
        policy: insist on one; None: the fastest that fits.
        encoder: the picture encoder; None: the checkpoint has one among its networks.
        matte: the network that removes backgrounds; None: what rembg has on this machine.
        ahead: whether the next network of a plan is read while one runs; None: on CUDA.

    Attributes:
        pictures: what was computed of the last picture, for every request that shows it again.
        peak_bytes: most bytes that were on the device at a time, by our own accounts, since the
            last plan.
        used: names of the checkpoint's networks that were used since the last plan.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        *,
        device: torch.device | str = "cpu",
        dtypes: tuple[torch.dtype, torch.dtype] | None = None,
        budget: int | None = None,
        policy: Policy | None = None,
        encoder: EncoderSource | None = None,
        matte: MatteNetwork | None = None,
        ahead: bool | None = None,
    ) -> None:
        self.checkpoint = checkpoint
        self.device = torch.device(device)
        self.dtypes = dtypes or working_dtypes(self.device)
        self.matte = matte or RembgMatte(allow_download=False)
        self.pictures = PictureCache()
        self.peak_bytes = 0
        self.used: set[str] = set()
        self._given_budget = budget
        self._insisted = policy
        self.policy = policy or Policy.RESIDENT
        self.budget = budget
        self._encoder = encoder
        self._placed: OrderedDict[str, _Placed] = OrderedDict()
        self._skeletons: dict[str, nn.Module] = {}
        self._weights: dict[str, Weights] = {}
        self._works_in: dict[str, torch.dtype] = {}
        wanted = self.device.type == "cuda" if ahead is None else ahead
        self._ahead = Prefetch(self.device) if wanted else None
        self._planned: tuple[Use, ...] = ()
        self._at = 0
        self._ran_out = False

    @property
    def generation(self) -> PipelineSpec:
        return self.checkpoint.generation

    @property
    def texturing(self) -> PipelineSpec:
        """What ``texturing_pipeline.json`` says.

        Raises:
            EngineError: ``texturing_absent``.
        """
        if self.checkpoint.texturing is None:
            raise texturing_absent(str(self.checkpoint.home))
        return self.checkpoint.texturing

    def has(self, name: str) -> bool:
        return name in self.checkpoint.models

    def skeleton(self, name: str) -> Any:
        """The network without its weights (on the meta device): its config and its size.

        Raises:
            EngineError: as ``Checkpoint.skeleton``.
        """
        if name not in self._skeletons:
            self._skeletons[name] = self.checkpoint.skeleton(name, torso_dtype=self.dtype(name))
        return self._skeletons[name]

    def dtype(self, name: str) -> torch.dtype:
        """The torso's dtype of a network."""
        if name not in self._works_in:
            flow, codec = self.dtypes
            choice = {"flow": flow, "codec": codec, "float32": torch.float32}
            # From the network's description, which may be on a hub.
            self._works_in[name] = choice[self.checkpoint.kind(name).works_in]
        return self._works_in[name]

    def weights(self, name: str) -> Weights:
        """How large a network is, without loading it."""
        if name not in self._weights:
            if name == IMAGE_ENCODER and self._encoder is not None:
                self._weights[name] = Weights(self._encoder.bytes, self._encoder.bytes)
            else:
                skeleton = self.skeleton(name)
                whole = memory.network_bytes(skeleton)
                self._weights[name] = Weights(whole, streamed_bytes(skeleton))
        return self._weights[name]

    def plan(self, uses: Sequence[Use]) -> Plan:
        """Choose the policy for a request, from what is free now.

        Raises:
            EngineError: ``memory_too_small`` when the least demanding policy does not fit.
        """
        if self._given_budget is None:
            free = memory.free_bytes(self.device)
            self.budget = None if free is None else free + self.bytes_on_device
        # In host memory streaming saves nothing: the host has the weights anyway.
        host = self.device.type == "cpu" and self._given_budget is None
        allowed = tuple(Policy)[: 2 if host else 3]
        if self._insisted is not None:
            allowed = (self._insisted,)
        self.used = set()
        self.peak_bytes = 0
        self.drop_ahead()
        self._planned, self._at, self._ran_out = tuple(uses), 0, False
        weights = {use.name: self.weights(use.name) for use in uses}
        plan = make_plan(uses, weights, self.budget, allowed=allowed, strict=not host)
        self.policy = plan.policy
        if self.policy is not Policy.RESIDENT:
            for name in list(self._placed):
                self._evict(name)
        log.info("Memory: %s", plan)
        return plan

    def next_policy(self) -> None:
        """After running out of memory: forget everything, and switch to the next lower policy.

        Raises:
            EngineError: ``out_of_memory`` when there is none.
        """
        self.release()
        self._ran_out = True
        if self.policy is Policy.STREAMED or self._insisted is not None:
            raise out_of_memory()
        self.policy = Policy(self.policy + 1)
        log.warning("Out of memory; continuing with: %s", self.policy)

    def has_room(self, use: Use) -> bool:
        """Whether a stage may take that much: by the plan, and not once memory has run out."""
        if self.budget is None or self._ran_out:
            return not self._ran_out
        names = {other.name for other in (*self._planned, use)}
        weights = {name: self.weights(name) for name in names}
        held = held_bytes(self.policy, use, self._planned, weights)
        return held + use.working_bytes <= self.budget

    def is_streamed(self, name: str) -> bool:
        """Whether a network that is on the device has only some of its blocks there."""
        return self._placed[name].stream is not None

    @contextmanager
    def on_device(
        self, name: str, working_bytes: int = 0, *, kept_bytes: int = 0, grows: bool = False
    ) -> Iterator[Any]:
        """A network, ready to run on the device; inside of the block float32 is never TF32, and the
        next one of the plan is read meanwhile.

        Args:
            name: of the checkpoint, or ``IMAGE_ENCODER``.
            working_bytes: what the work will need beside the weights; other networks leave the
                device for it.
            kept_bytes: the part of it that stays with the network (``PictureCache.prepared``);
                what is there already is not counted again.
            grows: the work may take all of ``room``, so nothing comes onto the device meanwhile.

        Raises:
            EngineError: ``memory_too_small``, and what loading raises.
        """
        placed = self._place(name, working_bytes, kept_bytes)
        if name != IMAGE_ENCODER:
            self.used.add(name)
        missing = working_bytes - min(kept_bytes, self.pictures.bytes_of(name))
        self._look_ahead(name, missing, here_only=grows)
        self.worked_in(missing)
        try:
            with whole_float32():
                yield placed.network
        except BaseException:
            self.drop_ahead()
            raise
        finally:
            if self.policy is not Policy.RESIDENT or placed.stream is not None:
                self._evict(name)

    def release(self) -> None:
        """Give all memory back."""
        self.drop_ahead()
        for name in list(self._placed):
            self._evict(name)
        self.pictures.forget()
        memory.return_unused(self.device)

    @contextmanager
    def a_job(self) -> Iterator[None]:
        """Around a job: however it ends, nothing that it sent for is on its way after it."""
        try:
            yield
        finally:
            self.drop_ahead()

    def drop_ahead(self) -> None:
        """Let go of a network that is on its way, if there is one."""
        if self._ahead is not None:
            self._ahead.drop()

    def _look_ahead(self, name: str, working_bytes: int, *, here_only: bool) -> None:
        """Send for the network that the plan has after this one, as far as there is room."""
        order = [use.name for use in self._planned]
        if self._ahead is None or name not in order[self._at :]:
            return
        if here_only and self._ahead.bytes_there:
            self._ahead.drop()
        self._at = order.index(name, self._at)
        following = next((n for n in order[self._at :] if self._comes(n)), None)
        if following is None or following == self._ahead.name:
            return
        size = self.weights(following).whole
        free = memory.free_bytes(torch.device("cpu"))
        self._ahead.drop()
        if free is not None and HOST_SHARE * size > free:
            return
        room = None if self.room is None else self.room - working_bytes
        stays = here_only or self.policy is Policy.STREAMED or (room is not None and size > room)
        self._ahead.begin(following, self._loader(following), 0 if stays else size)

    def _comes(self, name: str) -> bool:
        return name in self.checkpoint.models and name not in self._placed

    def _loader(self, name: str) -> Load:
        dtype = self.dtype(name)
        return lambda check: self.checkpoint.load(
            name, device="cpu", torso_dtype=dtype, check=check
        )

    def _place(self, name: str, working_bytes: int, kept_bytes: int) -> _Placed:
        if name in self._placed:
            self._placed.move_to_end(name)
            missing = working_bytes - min(kept_bytes, self.pictures.bytes_of(name))
            if self._make_room(0, missing, keep=name):
                return self._placed[name]
            # It does not fit whole beside this much work: load it again, perhaps by its blocks.
            self._evict(name)
        weights = self.weights(name)
        stream = self.policy is Policy.STREAMED
        there = self._ahead.bytes_there if self._ahead and self._ahead.name == name else 0
        if not stream and not self._make_room(weights.whole - there, working_bytes, keep=name):
            stream = weights.streamed < weights.whole
            if there:
                self.drop_ahead()
        if stream and not self._make_room(weights.streamed, working_bytes, keep=name):
            if self._strict:
                raise too_small(weights.streamed + working_bytes, self.budget or 0)
            stream = False
        self._placed[name] = self._load(name, stream)
        return self._placed[name]

    @property
    def _strict(self) -> bool:
        return self._given_budget is not None or self.device.type != "cpu"

    def _make_room(self, more: int, working_bytes: int, *, keep: str) -> bool:
        """Evict what was used longest ago until ``more`` fits; whether it does."""
        while self.budget is not None and self.bytes_on_device + more + working_bytes > self.budget:
            if self._ahead is not None and self._ahead.bytes_there and self._ahead.name != keep:
                self.drop_ahead()
                continue
            oldest = next((name for name in self._placed if name != keep), None)
            if oldest is None:
                return False
            self._evict(oldest)
        return True

    @property
    def bytes_on_device(self) -> int:
        """What is on the device now, by our own accounts."""
        networks = sum(placed.bytes for placed in self._placed.values())
        ahead = self._ahead.bytes_there if self._ahead is not None else 0
        return networks + self.pictures.prepared_bytes + ahead

    @property
    def room(self) -> int | None:
        """Bytes that are left of the budget beside what is on the device; None: no bound."""
        return None if self.budget is None else self.budget - self.bytes_on_device

    def worked_in(self, working_bytes: int) -> None:
        """Count what work takes beside what is on the device, for ``peak_bytes``."""
        self.peak_bytes = max(self.peak_bytes, self.bytes_on_device + working_bytes)

    def _evict(self, name: str) -> None:
        placed = self._placed.pop(name, None)
        if placed is not None and placed.stream is not None:
            placed.stream.close()
        self.pictures.forget_network(name)

    def _load(self, name: str, stream: bool) -> _Placed:
        if name == IMAGE_ENCODER and self._encoder is not None:
            encoder: Any = self._encoder.load()
            if isinstance(encoder, nn.Module):
                encoder = encoder.to(self.device)
            return _Placed(encoder, self._encoder.bytes)
        network = self._ahead.take(name) if self._ahead is not None else None
        if network is None:
            network = self.checkpoint.load(
                name, device="cpu" if stream else self.device, torso_dtype=self.dtype(name)
            )
        elif not stream:
            with torch.inference_mode(False):
                network.to(self.device, non_blocking=True)
        if not stream:
            return _Placed(network, self.weights(name).whole)
        return _Placed(network, self.weights(name).streamed, BlockStream(network, self.device))


def out_of_memory() -> EngineError:
    """The error for work that failed twice."""
    return EngineError(
        "out_of_memory",
        "The device ran out of memory, also with less of the model on it.",
        "Choose a lower quality, or close other programs that use the device.",
    )


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an exception says that memory ran out, on any device."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    text = str(error)
    return isinstance(error, RuntimeError) and (
        "out of memory" in text or "can't allocate memory" in text
    )
