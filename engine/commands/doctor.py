"""`maquette doctor`: what this machine is and whether Maquette works on it."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from engine.commands.console import errors_shown, out, settings_of

if TYPE_CHECKING:
    from engine.doctor.savings import Saving
    from engine.doctor.tables import BackendLine, KernelLine

FAILED = 1
STYLES = {"ok": "green", "warn": "yellow", "fail": "bold red"}


def doctor(
    context: typer.Context,
    device: Annotated[
        str | None, typer.Option(help="Look at this device, such as cpu or cuda:1.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Write JSON.")] = False,
) -> None:
    """Look at Python, torch, device, memory, dtypes, backends and weights, and run a self-test.

    Of a GPU also what is slow on it, and why.

    Then: which attention is used on which hardware, and why; how the passes of a sampler's step
    come about there; our kernels in Triton; and what a little exactness would save.

    Exit status 0: everything that Maquette needs works (there may be warnings); 1: something fails.
    """
    with errors_shown(context.obj):
        from engine.doctor.checks import checks
        from engine.doctor.savings import SAVINGS
        from engine.doctor.tables import tables_of
        from engine.weights.store import Store

        found = []
        for check in checks(Store(settings_of(context).models), device=device):
            found.append(check)
            if not as_json:
                line = Text.assemble(
                    (f"{check.state:5} ", STYLES[check.state]),
                    (check.name, "bold"),
                    ": ",
                    check.text,
                )
                out.print(line)
                if check.hint:
                    out.print(f"      {check.hint}", markup=False)
        tables = tables_of(device)
        if not as_json:
            for lines in (tables.attention, tables.guidance, tables.steps):
                if lines:
                    out.print(_drawn(lines))
            if tables.kernels:
                out.print(_drawn_kernels(tables.kernels))
            out.print(_drawn_savings(SAVINGS))
        failed = any(check.state == "fail" for check in found)
        if as_json:
            content = {
                "works": not failed,
                "checks": [asdict(check) for check in found],
                **{
                    name: [asdict(line) for line in table]
                    for name, table in tables._asdict().items()
                },
                "savings": [asdict(line) for line in SAVINGS],
            }
            typer.echo(json.dumps(content, indent=1))
        if failed:
            raise typer.Exit(FAILED)


def _drawn(lines: "Sequence[BackendLine]") -> Table:
    title = f"{lines[0].operation.capitalize()}, best first"
    table = _table(title, "backend", "where", "why", "on this device")
    for line in lines:
        style = STYLES["ok"] if line.here == "used here" else None
        table.add_row(line.name, line.where, line.why, line.here, style=style)
    return table


def _drawn_kernels(lines: "Sequence[KernelLine]") -> Table:
    title = "Kernels in Triton, none measured on a GPU yet"
    table = _table(title, "operation", "used on this device", "its kernel here")
    for line in lines:
        table.add_row(line.operation, line.used, line.triton)
    return table


def _drawn_savings(lines: "Sequence[Saving]") -> Table:
    table = _table("Less exact, if asked for", "asked for by", "saves", "relative error, measured")
    for line in lines:
        table.add_row(line.way, line.saves, line.error)
    return table


def _table(title: str, *headings: str) -> Table:
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    for heading in headings:
        table.add_column(heading, overflow="fold")
    return table
