"""How fast: full-size networks with random weights on the cells of a real mesh, stage by stage."""

import time
from collections.abc import Iterator
from typing import Any

import torch

from benchmarks.gpu_day import card
from benchmarks.gpu_day.ahead import visits
from benchmarks.gpu_day.parts import Day, Part, Row
from engine.bench.networks import Reduction
from engine.bench.plan import Plan, Request, Stage, make_plan
from engine.bench.run import Measured, run_plan
from engine.bench.work import timed
from engine.host.machine import working_dtypes
from engine.residency import memory
from engine.residency.plan import Policy
from engine.sampling.passes import GRAPH, GUIDANCE, LAUNCHED, ONE_BATCH, STEPS, TWO_PASSES
from engine.sparse.backends import preferring
from engine.sparse.convolution import CONVOLUTION

SMALL = Reduction(width=48, blocks=1, scale=0.03125)
TOKENS = 9600
AIMS = {"512": (1.0, 4), "1024_cascade": (5.0, 6), "1536_cascade": (15.0, 10)}
"""Type -> seconds of all networks while they stay, and gigabytes under the lean policy, which may
take twice as long."""
PLAIN = ("sdpa", "torch", TWO_PASSES)
"""Backends of attention, of guided steps and of all else that are plain torch."""
WAYS = tuple(
    (guidance, steps) for steps in (LAUNCHED, GRAPH) for guidance in (TWO_PASSES, ONE_BATCH)
)
"""A guided step, and how a pass is begun."""
FINISH_GRID, FINISH_FACES, FINISH_TEXTURE, FINISH_AIM = 608, 1_000_000, 4096, 3.0
"""Voxels an axis (2.5 million faces), and what is made of them; seconds."""


def _plan(day: Day, kind: str, policy: Policy, **more: Any) -> Plan:
    device = torch.device(day.device)
    flow_dtype, decoder_dtype = working_dtypes(device)
    return make_plan(Request(
        kind, card.EXAMPLES / "lantern.glb", TOKENS, device, flow_dtype, decoder_dtype,
        reduction=SMALL if day.rehearse else Reduction(), steps=2 if day.rehearse else None,
        policy=policy, **more,
    ))  # fmt: skip


def _run(
    day: Day, what: str, plan: Plan, *, aim: float | None = None, aim_bytes: int | None = None
) -> Iterator[Row | Measured]:
    """A row for each stage as it is done, and what was measured of it; at last one for all."""
    measured: list[Measured] = []
    for found in run_plan(plan):
        measured.append(found)
        yield found
        yield _stage_row(f"{what}: {found.stage.name}", plan, found)
    total = sum(found.seconds for found in measured)
    flows = sum(found.seconds for found in measured if found.stage.flop is not None)
    peak = max((found.peak for found in measured if found.peak is not None), default=None)
    right, wanted = None, ""
    if day.on_card and not day.rehearse and aim is not None:
        right, wanted = total <= aim, f"{aim:g} s"
        if aim_bytes is not None and peak is not None:
            right, wanted = right and peak <= aim_bytes, f"{wanted}, {aim_bytes / 1e9:g} GB"
    measured_peak = "?" if peak is None else f"{peak / 1e9:.2f}"
    yield Row(
        f"{what}: all networks",
        f"{total:.3f} s, flows {flows:.3f} s at {plan.flop / flows / 1e12:.3g} TFLOP/s, "
        f"{plan.flop / flows / plan.rate:.0%} of the matrix rate of {plan.rate / 1e12:.3g}; "
        f"peak {measured_peak} of planned {plan.memory.peak_bytes / 1e9:.2f} GB",
        wanted,
        right,
        {"seconds": total, "peak_bytes": peak, "planned_bytes": plan.memory.peak_bytes,
         "flop": plan.flop, "matrix_rate": plan.rate},
    )  # fmt: skip


def _stage_row(what: str, plan: Plan, found: Measured) -> Row:
    stage, seconds = found.stage, found.seconds
    text = f"{seconds:.3f} s"
    more: dict[str, Any] = {
        "seconds": seconds, "cells": stage.cells, "passes": stage.forwards, "flop": stage.flop,
        "planned_bytes": found.planned, "peak_bytes": found.peak, "matrix_rate": plan.rate,
    }  # fmt: skip
    if stage.flop is not None:
        rate = stage.flop / seconds
        text += f", {rate / 1e12:.3g} TFLOP/s ({rate / plan.rate:.0%} of the matrix rate)"
    if found.peak is not None:
        text += f", peak {found.peak / 1e9:.2f} of planned {found.planned / 1e9:.2f} GB"
    if found.finite:
        return Row(what, text, more=more)
    return Row(what, text, "finite", False, more)


def _rows(found: Iterator[Row | Measured]) -> Iterator[Row]:
    return (each for each in found if isinstance(each, Row))


def _resident(day: Day, kind: str) -> Iterator[Row]:
    plan = _plan(day, kind, Policy.RESIDENT)
    return _rows(_run(day, f"{kind} resident", plan, aim=AIMS[kind][0]))


def _lean(day: Day, kind: str) -> Iterator[Row]:
    seconds, gigabytes = AIMS[kind]
    most = gigabytes * 10**9
    plan = _plan(day, kind, Policy.STREAMED, budget=most)
    return _rows(_run(day, f"{kind} streamed", plan, aim=2 * seconds, aim_bytes=most))


def cascade_1024(day: Day) -> Iterator[Row]:
    """The usual type with everything on the card, then a profile of its slowest stages."""
    kind = "1024_cascade"
    plan = _plan(day, kind, Policy.RESIDENT)
    slowest: list[Measured] = []
    for each in _run(day, f"{kind} resident", plan, aim=AIMS[kind][0]):
        if isinstance(each, Row):
            yield each
        else:
            slowest.append(each)
    slowest.sort(key=lambda found: -found.seconds)
    yield from _profile(plan, slowest[0].stage)
    # And the slowest of the other sort, flow or decoder.
    sort = slowest[0].stage.flop is None
    yield from _profile(plan, next(m.stage for m in slowest if (m.stage.flop is None) != sort))


def _profile(plan: Plan, stage: Stage) -> Iterator[Row]:
    what = f"profile of {stage.name}"
    with torch.inference_mode(), plan.models.on_device(stage.network, stage.working()) as network:

        def work() -> object:
            # One step of a flow: all of them would be far more to read, and no wiser.
            return stage.run(network) if stage.flop is None else stage.warm_up(network)

        work()
        seconds, lines = card.profiled(plan.request.device, work)
    plan.models.release()
    busy, launches = lines[0]["seconds"], lines[0]["calls"]
    text = f"once {seconds:.4f} s, busy {busy:.4f} s in {launches:,} launches"
    yield Row(what, text, more={"lines": lines})
    for line in lines[1:7]:
        text = f"{line['share']:.0%}, {line['seconds'] * 1e3:.2f} ms in {line['calls']:,} launches"
        yield Row(f"{what}: {line['name']}", text)


def cascade_1024_plain(day: Day) -> Iterator[Row]:
    """The same as plain torch does it: every pass computes all, SDPA, gathered convolutions."""
    with preferring(*PLAIN):
        plan = _plan(day, "1024_cascade", Policy.RESIDENT, unprepared=True)
        yield from _rows(_run(day, "1024_cascade plain", plan))


def cascade_1024_triton(day: Day) -> Iterator[Row]:
    """The same with our Triton kernels, which the engine does not choose by itself yet."""
    if not {line.name: line.usable for line in CONVOLUTION.available(day.device)}["triton"]:
        yield Row("1024_cascade with Triton", "not usable here")
        return
    with preferring("triton"):
        plan = _plan(day, "1024_cascade", Policy.RESIDENT)
        yield from _rows(_run(day, "1024_cascade with Triton", plan))


def flows_four_ways(day: Day) -> Iterator[Row]:
    """Guided steps as two passes or one batch, launched kernel by kernel or as graphs: flows of the
    small type and of the usual one, with the same weights and cells."""
    device = torch.device(day.device)
    usable = {
        line.name: line.usable
        for table in (GUIDANCE, STEPS)
        for line in table.available(device)
    }  # fmt: skip
    for kind in ("512", "1024_cascade"):
        plan = _plan(day, kind, Policy.RESIDENT)
        for stage in plan.stages:
            if stage.flop is None:
                continue
            for guidance, steps in WAYS:
                what = f"{kind}, {stage.name}: {guidance}, {steps}"
                if not (usable[guidance] and usable[steps]):
                    yield Row(what, "not usable here")
                    continue
                with preferring(guidance, steps):
                    yield _flow_row(what, plan, stage, device)
        plan.models.release()


@torch.inference_mode()
def _flow_row(what: str, plan: Plan, stage: Stage, device: torch.device) -> Row:
    with plan.models.on_device(stage.network, stage.working()) as network:
        stage.warm_up(network)
        memory.reset_peak(device)
        seconds, _ = timed(device, lambda: stage.run(network))
        peak = memory.peak_bytes(device)
    text = f"{seconds:.3f} s" + ("" if peak is None else f", peak {peak / 1e9:.2f} GB")
    return Row(what, text, more={"seconds": seconds, "peak_bytes": peak, "cells": stage.cells})


def type_512(day: Day) -> Iterator[Row]:
    """The small type with everything on the card."""
    return _resident(day, "512")


def cascade_1536(day: Day) -> Iterator[Row]:
    """The large type with everything on the card."""
    return _resident(day, "1536_cascade")


def cascade_1024_lean(day: Day) -> Iterator[Row]:
    """The usual type in 6 GB, blocks streamed."""
    return _lean(day, "1024_cascade")


def cascade_1536_lean(day: Day) -> Iterator[Row]:
    """The large type in 10 GB, blocks streamed."""
    return _lean(day, "1536_cascade")


def type_512_lean(day: Day) -> Iterator[Row]:
    """The small type in 4 GB, blocks streamed."""
    return _lean(day, "512")


def cascade_1024_single(day: Day) -> Iterator[Row]:
    """The usual type with one network at a time."""
    plan = _plan(day, "1024_cascade", Policy.SINGLE)
    return _rows(_run(day, "1024_cascade one at a time", plan))


def cascade_1024_ahead(day: Day) -> Iterator[Row]:
    """The usual type one network at a time, ways to the card included, and with the next ahead."""
    found: dict[str, float] = {}
    for what, ahead in (("each when its turn comes", False), ("the next one ahead", True)):
        plan = _plan(day, "1024_cascade", Policy.SINGLE, ahead=ahead)
        seconds, peak = visits(plan)
        found[what] = seconds
        yield Row(
            f"1024_cascade one at a time, {what}",
            f"{seconds:.3f} s, {peak / 1e9:.2f} GB by our accounts",
            more={"seconds": seconds, "counted_bytes": peak},
        )
    before, now = found.values()
    yield Row("reading ahead saves", f"{before - now:.3f} s, {1 - now / before:.0%}")


def finishing(day: Day) -> Iterator[Row]:
    """O-Voxels of a noisy sphere to a GLB, on the processor: nothing of it runs on a card."""
    import tempfile
    from dataclasses import replace
    from pathlib import Path

    from benchmarks.meshes import noisy_sphere
    from engine.export.mesh_file import save_scene
    from engine.finishing.finish import finish
    from engine.host.parallel import thread_count
    from engine.ovoxel import OVoxels, mesh_to_dual_grid, sample_materials
    from engine.report import Report
    from protocol.finishes import FINISHES

    def once(grid_size: int, faces: int, texture: int) -> tuple[dict[str, float], int]:
        mesh = noisy_sphere(100, textured=True)
        grid = mesh_to_dual_grid(mesh.vertices, mesh.faces, grid_size=grid_size)
        voxels = OVoxels(grid, sample_materials(mesh, grid))
        raw = len(voxels.grid_surface.faces)
        report = Report()
        settings = replace(FINISHES["standard"], faces=faces, texture_size=texture)
        finished = finish(voxels, settings, report)
        with tempfile.TemporaryDirectory() as folder, report.stage("writing"):
            save_scene(finished.meshes, Path(folder) / "asset.glb")
        return report.seconds, raw

    begin = time.perf_counter()
    once(48, 500, 64)
    yield Row("kernels compiled, a small one finished", f"{time.perf_counter() - begin:.1f} s")
    if day.rehearse:
        return
    seconds, raw = once(FINISH_GRID, FINISH_FACES, FINISH_TEXTURE)
    total = sum(seconds.values())
    stages = ", ".join(f"{name} {value:.2f}" for name, value in seconds.items())
    yield Row(
        f"{raw:,} faces to {FINISH_FACES:,}, {FINISH_TEXTURE} px, on {thread_count()} cores",
        f"{total:.2f} s: {stages}",
        f"{FINISH_AIM:g} s",
        total <= FINISH_AIM,
        {"seconds": seconds, "faces": raw},
    )


PARTS = (
    Part(cascade_1024, limit=150, least=40),
    Part(cascade_1024_plain, limit=120, least=40),
    Part(cascade_1024_triton, limit=110, least=30),
    Part(flows_four_ways, limit=90, least=30),
    Part(type_512, limit=60, least=25),
    Part(cascade_1536, limit=120, least=45),
    Part(cascade_1024_lean, limit=90, least=40),
    Part(finishing, limit=140, least=60),
    Part(cascade_1536_lean, limit=120, least=60),
    Part(type_512_lean, limit=60, least=25),
    Part(cascade_1024_single, limit=60, least=30),
    Part(cascade_1024_ahead, limit=90, least=40),
)
