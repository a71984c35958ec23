"""`maquette models`: the weights on this disk."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.table import Table

from engine.commands import interrupt
from engine.commands.console import (
    USER_ERROR,
    binary_size,
    counted,
    err,
    errors_shown,
    out,
    settings_of,
)
from engine.host.command import command
from engine.systems.catalogue import CHOICES, catalogue, choose
from protocol.errors import EngineError
from protocol.limits import WEIGHT_GROUPS, check_one_of

app = typer.Typer(help="List, download, check, quantise and remove weights.", no_args_is_help=True)

NAMES = f"Names out of 'models list', or {', '.join(CHOICES)}."
Names = Annotated[list[str] | None, typer.Argument(metavar="[NAME]...", help=NAMES)]
AsJson = Annotated[bool, typer.Option("--json", help="Write JSON.")]


@app.command("list")
def list_models(context: typer.Context, as_json: AsJson = False) -> None:
    """Every weight: size, licence, whether commercial use is allowed, whether it is here."""
    with errors_shown(context.obj):
        store = _store(context)
        rows = [(weight, store.state(weight)) for weight in catalogue().values()]
        if as_json:
            content = [
                {
                    "name": weight.name,
                    "purpose": weight.purpose,
                    "repository": weight.repository,
                    "bytes": weight.bytes,
                    "bytes_exact": weight.exact,
                    "licence": weight.licence,
                    "commercial_use": weight.commercial,
                    "conditions": weight.conditions,
                    "gated": weight.gated,
                    "groups": sorted(weight.groups),
                    "state": state,
                }
                for weight, state in rows
            ]
            typer.echo(json.dumps(content, indent=1))
            return
        table = Table(box=None)
        for name in ("name", "size", "licence", "commercial\nuse", "groups", "here"):
            table.add_column(name, no_wrap=name in ("name", "size"))
        for weight, state in rows:
            table.add_row(
                weight.name,
                ("" if weight.exact else "~") + binary_size(weight.bytes),
                weight.licence + ("\ngated" if weight.gated else ""),
                ("yes" if weight.commercial else "no") + (" (1)" if weight.conditions else ""),
                _groups(weight.groups),
                {"present": "yes", "partial": "in part", "absent": "no"}[state],
            )
        out.print(table)
        for weight, _ in rows:
            if weight.conditions:
                out.print(f"(1) {weight.licence}: {weight.conditions}.", markup=False)
        out.print(
            "RMBG-2.0, which the published pipeline names for backgrounds, is not used: CC BY-NC "
            "4.0, no commercial use.",
            markup=False,
        )


@app.command()
def download(
    context: typer.Context,
    names: Names = None,
    check: Annotated[
        bool, typer.Option("--check", help="Check what is here, and replace what is broken.")
    ] = False,
    offline: Annotated[bool, typer.Option("--offline", help="Only say what is missing.")] = False,
    endpoint: Annotated[
        str | None, typer.Option(metavar="URL", help="Another hub than huggingface.co.")
    ] = None,
    mirror: Annotated[
        list[str] | None,
        typer.Option(metavar="REPOSITORY=COPY", help="Take a repository's files from a copy."),
    ] = None,
) -> None:
    """Download weights; without names, those for standard. A stopped download resumes."""
    with errors_shown(context.obj):
        store = _store(context, offline=offline, endpoint=endpoint, mirrors=mirror or [])
        weights = choose(names or ["standard"])
        if check:
            with _bars() as report:
                broken = [f for f in store.verify(weights, report) if f.state == "corrupt"]
            if broken and store.offline:
                raise EngineError(
                    "weights_offline",
                    f"Corrupt: {', '.join(str(finding.path) for finding in broken)}; and you are "
                    "working offline.",
                    "Go online once to have them replaced.",
                )
            for finding in broken:
                err.print(f"Corrupt, gets replaced: {finding.path}", markup=False)
                finding.path.unlink(missing_ok=True)
        with _bars() as report:
            fetched = store.download(weights, report)
        total = sum(path.stat().st_size for path in fetched)
        out.print(
            f"{counted(len(fetched), 'file')}, {binary_size(total)}, to {store.folder}"
            if fetched
            else f"Nothing to download: everything is in {store.folder}",
            markup=False,
        )


@app.command()
def verify(context: typer.Context, names: Names = None) -> None:
    """Compare files with the published SHA-256; without names, everything that is here."""
    with errors_shown(context.obj):
        store = _store(context)
        weights = choose(names or ["all"])
        if not names:
            weights = [weight for weight in weights if store.state(weight) != "absent"]
        with _bars() as report:
            findings = store.verify(weights, report)
        words = {"unknown": "is here; its hash is not published"}
        for finding in findings:
            style = "bold red" if finding.state in ("missing", "corrupt") else None
            text = words.get(finding.state, finding.state)
            out.print(f"{text:8} {finding.path}", style=style, markup=False)
        bad = [finding for finding in findings if finding.state in ("missing", "corrupt")]
        if bad:
            files = ", ".join(f"{f.file.name} ({f.state})" for f in bad)
            names = list(dict.fromkeys(finding.weight.name for finding in bad))
            raise EngineError(
                "weights_corrupt",
                f"Not as published: {files}.",
                f"Run: {command('models', 'download', '--check', *names)}",
            )
        if not findings:
            out.print(f"There are no weights in {store.folder}", markup=False)


@app.command()
def remove(
    context: typer.Context,
    names: Annotated[list[str], typer.Argument(metavar="NAME...", help=NAMES)],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Delete weights from this disk."""
    with errors_shown(context.obj):
        store = _store(context)
        weights = choose(names)
        files = store.files_of(weights)
        if not files:
            out.print("Nothing to remove.")
            return
        size = sum(path.stat().st_size for path in files)
        for path in files:
            out.print(path, markup=False)
        if not yes and not typer.confirm(
            f"Remove {counted(len(files), 'file')}, {binary_size(size)}?"
        ):
            out.print("Nothing was removed.")
            raise typer.Exit(USER_ERROR)
        out.print(f"{binary_size(store.remove(weights))} freed.", markup=False)


@app.command()
def quantise(
    context: typer.Context,
    checkpoint: Annotated[
        str, typer.Argument(help="A folder with a pipeline.json, or a hub repository's name.")
    ],
    to: Annotated[str, typer.Option("--to", help="int8, or fp8 (four times the error).")] = "int8",
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="FOLDER", help="NAME-int8 beside the checkpoint if absent."
        ),
    ] = None,
    source: Annotated[
        Path | None,
        typer.Option(
            "--from", metavar="FILE", help="Take flows that others have made smaller from a file."
        ),
    ] = None,
    parts: Annotated[
        list[str] | None,
        typer.Option(
            "--part", metavar="NETWORK=PREFIX", help="Which network each flow in that file is."
        ),
    ] = None,
) -> None:
    """Copy a checkpoint with its flows' weights at one byte each, which takes less memory."""
    with errors_shown(context.obj):
        check_one_of("option_invalid", "kind of weights called", to, ("int8", "fp8"))
        store = _store(context)
        place = store.checkpoint(checkpoint)
        folder = output or _beside(place, store.folder, to)
        from engine.checkpoints.quantise import Part, flows_in
        from engine.checkpoints.quantise import quantise as write_copy
        from engine.systems.opening import load_checkpoint
        from engine.weights.hub import NotHere

        try:
            # Gigabytes are not fetched unasked.
            opened = load_checkpoint(place, offline=True, origin=store.origin)
        except NotHere as error:
            if Path(place).is_dir():
                raise
            raise EngineError(
                "weights_absent",
                f"{checkpoint} is not on this disk.",
                f"Download it first ({command('models', 'download')}), or give a folder.",
            ) from error
        given = dict(_assigned(text) for text in parts or [])
        if bool(given) != (source is not None):
            flows = f" {source} has {', '.join(flows_in(source)) or 'no flow'}." if source else ""
            raise EngineError(
                "option_invalid",
                f"--from and --part go together.{flows}",
                "Write --from FILE --part NETWORK=PREFIX, with a NETWORK of "
                f"{', '.join(opened.models)}.",
            )
        taken = {name: Part(source, prefix) for name, prefix in given.items() if source}
        with _bars() as report:
            absent = write_copy(
                opened, folder, "fp8" if to == "fp8" else "int8", report.at, parts=taken
            )
        size = sum(file.stat().st_size for file in folder.rglob("*.safetensors"))
        if absent:
            out.print(f"Not on this disk, so left out: {', '.join(absent)}", markup=False)
        out.print(f"{binary_size(size)}, to {folder}", markup=False)
        out.print(f"Use it with --checkpoint {folder}", markup=False)


def _assigned(text: str) -> tuple[str, str]:
    name, _, prefix = text.partition("=")
    if not (name and prefix):
        raise EngineError(
            "option_invalid", f"--part {text} is not understood.", "Write --part NETWORK=PREFIX."
        )
    return name, prefix


def _beside(place: str, models: Path, scheme: str) -> Path:
    """Where a copy goes that nobody gave a place: not into the package, nor a hub's cache."""
    from engine import embedded

    there = Path(place)
    if there == embedded.FOLDER or not there.is_dir():
        return models / f"{place if not there.is_dir() else there.name}-{scheme}"
    resolved = there.resolve()
    return resolved.with_name(f"{resolved.name}-{scheme}")


@app.command()
def path(
    context: typer.Context,
    name: Annotated[str | None, typer.Argument(help="A name out of 'models list'.")] = None,
) -> None:
    """The folder of the weights, or the file of one (which need not exist yet)."""
    with errors_shown(context.obj):
        store = _store(context)
        if name is None:
            typer.echo(store.folder)
            return
        for weight in choose([name]):
            typer.echo(store.path(weight, weight.files[-1]))


def _groups(groups: frozenset[str]) -> str:
    if len(groups) == len(WEIGHT_GROUPS):
        return "all"
    return ", ".join(name for name in WEIGHT_GROUPS if name in groups) or "only all"


def _store(
    context: typer.Context,
    *,
    offline: bool = False,
    endpoint: str | None = None,
    mirrors: list[str] | None = None,
):
    from engine.weights.hub import Origin
    from engine.weights.store import Store

    settings = settings_of(context)
    if endpoint is not None:
        settings = replace(settings, endpoint=endpoint)
    pairs = dict(settings.mirrors) | dict(_pair(text) for text in mirrors or [])
    settings = replace(settings, mirrors=pairs)
    return Store(
        Path(settings.models), origin=Origin.of(settings), offline=offline or settings.offline
    )


def _pair(text: str) -> tuple[str, str]:
    from engine.weights.hub import REPOSITORY

    name, _, copy = text.partition("=")
    if not (REPOSITORY.fullmatch(name) and REPOSITORY.fullmatch(copy)):
        raise EngineError(
            "mirror_invalid",
            f"{text!r} names no mirror.",
            "Write owner/repository=somebody/copy.",
        )
    return name, copy


@contextmanager
def _bars() -> Iterator["_Bars"]:
    columns = (
        TextColumn("{task.description}", table_column=None),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=err, disable=not err.is_terminal) as progress:
        yield _Bars(progress)


class _Bars:
    """A bar for everything and one for each file."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._all = progress.add_task("all", total=None)
        self._file = None
        self._name = ""

    def __call__(self, at) -> None:
        interrupt.check()
        if at.file != self._name:
            if self._file is not None:
                self._progress.remove_task(self._file)
            self._file = self._progress.add_task(at.file.rpartition("/")[2], total=at.size)
            self._name = at.file
        if self._file is not None:
            self._progress.update(self._file, completed=at.done, total=at.size)
        self._progress.update(self._all, completed=at.total_done, total=at.total)

    def at(self, file: str, done: int, total: int) -> None:
        """Told of all files at once: one bar, which names the file."""
        interrupt.check()
        self._progress.update(self._all, description=file, completed=done, total=total)
