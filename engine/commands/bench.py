"""`maquette bench`: how fast this machine is."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from engine.commands.console import binary_size, err, errors_shown, out
from protocol.errors import EngineError

if TYPE_CHECKING:
    from engine.bench.plan import Plan
    from engine.bench.run import Measured
    from engine.residency.plan import Policy

app = typer.Typer(help="Measure how fast this machine is.", no_args_is_help=True)

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "lantern.glb"
TERA = 1e12


@app.callback()
def bench() -> None:
    pass


@app.command()
def generate(
    context: typer.Context,
    synthetic: Annotated[
        bool, typer.Option("--synthetic", help="Random weights: nothing is downloaded.")
    ] = False,
    kind: Annotated[
        str, typer.Option("--type", help="512, 1024, 1024_cascade or 1536_cascade.")
    ] = "1024_cascade",
    device: Annotated[str | None, typer.Option(help="Such as cpu or cuda:1.")] = None,
    mesh: Annotated[Path, typer.Option(help="Whose cells are taken.")] = EXAMPLE,
    tokens: Annotated[int, typer.Option(min=1, help="About so many cells at 64^3.")] = 9600,
    width: Annotated[int, typer.Option(help="Narrower networks than the published.")] = 1536,
    blocks: Annotated[int | None, typer.Option(help="At most so many blocks.")] = None,
    scale: Annotated[float, typer.Option(help="Smaller grids: 0.5, 0.25, ...")] = 1.0,
    steps: Annotated[int | None, typer.Option(min=1, help="Sampler steps (published: 12).")] = None,
    memory: Annotated[
        float | None, typer.Option(min=0.001, help="GiB that may be used; what is free if absent.")
    ] = None,
    policy: Annotated[
        str | None, typer.Option(help="resident, single or streamed; what fits if absent.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Write JSON.")] = False,
) -> None:
    """Time the networks of a generation: full size, random weights, the cells of a real mesh."""
    with errors_shown(context.obj):
        if not synthetic:
            raise EngineError(
                "bench_synthetic",
                "Only random weights can be measured here.",
                "Add --synthetic; generate with --verbose shows the seconds of real work.",
            )
        from engine.bench.networks import Reduction
        from engine.bench.plan import Request, make_plan
        from engine.bench.run import run_plan
        from engine.host.machine import device_name, known_device, working_dtypes

        where = known_device(device)
        flow_dtype, decoder_dtype = working_dtypes(where)
        reduction = Reduction(width, blocks, scale)
        budget = None if memory is None else round(memory * 2**30)
        request = Request(
            kind, mesh, tokens, where, flow_dtype, decoder_dtype, reduction, steps, budget,
            _policy(policy),
        )  # fmt: skip
        plan = make_plan(request)
        if not as_json:
            _show_plan(plan, device_name(where))
        measured: list[Measured] = []
        for number, result in enumerate(run_plan(plan), start=1):
            measured.append(result)
            err.print(f"{number}/{len(plan.stages)} {result.stage.name}: {result.seconds:.2f} s")
        if as_json:
            typer.echo(json.dumps(_content(plan, measured, device_name(where)), indent=1))
        else:
            _show_results(plan, measured)


def _policy(name: str | None) -> "Policy | None":
    from engine.residency.plan import Policy

    known = {policy.name.lower(): policy for policy in Policy}
    if name is not None and name not in known:
        raise EngineError(
            "bench_policy",
            f"There is no memory policy {name!r}.",
            f"Choose one of {', '.join(known)}.",
        )
    return None if name is None else known[name]


def _show_plan(plan: "Plan", name: str) -> None:
    request = plan.request
    flow, decoder = (
        str(d).removeprefix("torch.") for d in (request.flow_dtype, request.decoder_dtype)
    )
    out.print(f"{request.kind} on {name}", markup=False)
    out.print(
        f"flows in {flow}, decoders in {decoder}; matrix products of the device: "
        f"{plan.rate / TERA:.3g} TFLOP/s",
        markup=False,
    )
    table = Table(box=None)
    for column in ("stage", "weights", "cells", "passes", "TFLOP"):
        table.add_column(column, justify="left" if column == "stage" else "right")
    for stage in plan.stages:
        flop = "" if stage.flop is None else f"{stage.flop / TERA:.3g}"
        table.add_row(
            stage.name, binary_size(stage.bytes), f"{stage.cells:,}", str(stage.forwards), flop
        )
    out.print(table)
    memory = plan.memory
    budget = "" if memory.budget is None else f" of {binary_size(memory.budget)}"
    out.print(
        f"policy: {memory.policy}, planned peak {binary_size(memory.peak_bytes)}{budget}; flows "
        f"alone {plan.flop / TERA:.4g} TFLOP, at least {plan.flop / plan.rate:.2g} s\n",
        markup=False,
    )


def _show_results(plan: "Plan", measured: "list[Measured]") -> None:
    table = Table(box=None)
    for column in ("stage", "seconds", "TFLOP/s", "of the rate", "planned", "measured"):
        table.add_column(column, justify="left" if column == "stage" else "right")
    for result in measured:
        rate = _rate(result)
        table.add_row(
            result.stage.name,
            f"{result.seconds:.2f}",
            "" if rate is None else f"{rate / TERA:.3g}",
            "" if rate is None else f"{rate / plan.rate:.0%}",
            binary_size(result.planned),
            "?" if result.peak is None else binary_size(result.peak),
        )
    out.print(table)
    total = _totals(plan, measured)
    out.print(
        f"\ntotal {total['seconds']:.2f} s, of which flows {total['flow_seconds']:.2f} s at "
        f"{total['flow_tflop_per_s']:.3g} TFLOP/s, {total['of_the_rate']:.0%} of the device's rate",
        markup=False,
    )
    peak = total["peak_bytes"]
    out.print(
        f"peak memory: planned {binary_size(plan.memory.peak_bytes)}, measured "
        f"{'?' if peak is None else binary_size(peak)} ({_measure_of(plan)})",
        markup=False,
    )
    for result in measured:
        if not result.finite:
            out.print(f"{result.stage.name}: not everything that came out is finite", style="red")


def _rate(result: "Measured") -> float | None:
    flop = result.stage.flop
    return None if flop is None else flop / result.seconds


def _measure_of(plan: "Plan") -> str:
    if plan.request.device.type == "cuda":
        return "most bytes allocated on the device"
    text = "growth of the process, or of its peak so far where that cannot be reset"
    if plan.memory.policy.name == "STREAMED":
        return f"{text}; what is streamed lies in the same memory"
    return text


def _totals(plan: "Plan", measured: "list[Measured]") -> dict[str, Any]:
    peaks = [result.peak for result in measured if result.peak is not None]
    flows = sum(result.seconds for result in measured if result.stage.flop is not None)
    return {
        "seconds": sum(result.seconds for result in measured),
        "flow_seconds": flows,
        "flow_tflop_per_s": plan.flop / flows / TERA,
        "of_the_rate": plan.flop / flows / plan.rate,
        "peak_bytes": max(peaks, default=None),
    }


def _content(plan: "Plan", measured: "list[Measured]", name: str) -> dict[str, object]:
    request = plan.request
    return {
        "type": request.kind,
        "device": name,
        "flow_dtype": str(request.flow_dtype).removeprefix("torch."),
        "decoder_dtype": str(request.decoder_dtype).removeprefix("torch."),
        "width": request.reduction.width,
        "blocks": request.reduction.blocks,
        "scale": request.reduction.scale,
        "matrix_tflop_per_s": plan.rate / TERA,
        "policy": plan.memory.policy.name.lower(),
        "planned_bytes": plan.memory.peak_bytes,
        "budget_bytes": plan.memory.budget,
        "stages": [
            {
                "name": result.stage.name,
                "network": result.stage.network,
                "parameters": result.stage.parameters,
                "weight_bytes": result.stage.bytes,
                "cells": result.stage.cells,
                "passes": result.stage.forwards,
                "tflop": None if result.stage.flop is None else result.stage.flop / TERA,
                "seconds": result.seconds,
                "planned_bytes": result.planned,
                "peak_bytes": result.peak,
                "finite": result.finite,
            }
            for result in measured
        ],
        "total": _totals(plan, measured),
    }
