"""`maquette status`, `stop`, `pair` and `check`: the engine as a service."""

import json
import platform
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from engine.commands.console import USER_ERROR, binary_size, err, errors_shown, out, settings_of
from engine.commands.options import Json
from engine.commands.remotely import engine_of
from engine.host.command import command
from engine.remote import is_running
from protocol import requests
from protocol.connection import FILE_NAME, PairingCode, read_connection
from protocol.errors import EngineError
from protocol.pairing import pair as connect_by_code
from protocol.plain import to_dict
from protocol.replies import Accepted, PairingOpened, PictureNote, PictureNotes, Refused, Status


def status(context: typer.Context, as_json: Json = False) -> None:
    """How the engine is: the worker, the queue, memory, results."""
    with errors_shown(context.obj):
        if as_json and not is_running(settings_of(context).home):
            out.print_json(json.dumps({"running": False}))
            raise typer.Exit(1)
        with engine_of(context) as engine:
            found = _without_us(engine.status())
            welcome = engine.client.welcome
        if as_json:
            name = welcome.engine if welcome else ""
            out.print_json(json.dumps({"running": True, "program": name, **to_dict(found)}))
            return
        state = found.engine
        out.print(f"{welcome.engine if welcome else 'engine'}: {_state_in_words(found)}")
        if state.sentence:
            out.print(state.sentence, markup=False)
        if state.device:
            memory = ""
            if state.memory_used is not None:
                total = f" of {binary_size(state.memory_total)}" if state.memory_total else ""
                memory = f", {binary_size(state.memory_used)}{total} in use"
            name = f" ({state.device_name})" if state.device_name else ""
            out.print(f"{state.device}{name}{memory}", markup=False)
        if state.checkpoint:
            out.print(f"Networks: {state.checkpoint}", markup=False)
        out.print(
            f"Waiting jobs: {state.waiting}; clients: {state.clients}; "
            f"results: {binary_size(found.results)} of {binary_size(found.quota)}; "
            f"front process: {binary_size(found.memory)}, up {found.uptime / 60:.0f} min"
        )


def _without_us(status: Status) -> Status:
    """This very command is no client that anybody wants to hear of."""
    others = max(0, status.engine.clients - 1)
    return replace(status, engine=replace(status.engine, clients=others))


def stop(
    context: typer.Context,
    now: Annotated[
        bool, typer.Option("--now", help="Interrupt the job that runs; it can be resumed.")
    ] = False,
) -> None:
    """End the engine, when the job that runs is done."""
    with errors_shown(context.obj):
        if not is_running(settings_of(context).home):
            out.print("No engine runs.")
            return
        with engine_of(context) as engine:
            running = engine.status().engine.job
            engine.ask(requests.Shutdown(wait=not now), Accepted)
        out.print("It ends when its job is done." if running and not now else "It ends.")


def pair(
    context: typer.Context,
    code: Annotated[
        str, typer.Argument(metavar="[CODE]", help="On the other machine: what was shown here.")
    ] = "",
) -> None:
    """Show a one-time code that lets a client of another machine in, or become such a client."""
    with errors_shown(context.obj):
        if code:
            out.print(_paired(settings_of(context).home, code), markup=False)
            return
        with engine_of(context) as engine:
            opened = engine.ask(requests.OpenPairing(), PairingOpened)
        out.print(opened.code, markup=False)
        out.print(f"Good for one client, for {opened.seconds / 60:.0f} minutes.")


def _paired(home: Path, code: str) -> str:
    """Keep the engine that a code belongs to as the engine of a home; gives a sentence.

    Raises:
        EngineError: ``service_running`` where the home has an engine of its own that runs;
            ``pairing_code_invalid``, ``pairing_failed``, ``unwritable``.
    """
    from engine.service.connection_file import write_connection

    parsed = PairingCode.parse(code)
    if is_running(home) and read_connection(home / FILE_NAME).pid:
        raise EngineError(
            "service_running",
            "An engine of this machine runs, and would be hidden by the other one.",
            f"Stop it first ({command('stop')}), or set MAQUETTE_HOME to another folder.",
        )
    connection = connect_by_code(parsed, f"command line on {platform.node()}")
    home.mkdir(parents=True, exist_ok=True)
    write_connection(home, connection)
    return f"This machine is a client of the engine on {connection.engine or parsed.endpoint} now."


def check(
    context: typer.Context,
    images: Annotated[
        list[Path], typer.Argument(metavar="IMAGE...", help="Pictures of an object each.")
    ],
    as_json: Json = False,
) -> None:
    """Say what may go wrong with pictures, before anything is spent; status 2: they are refused."""
    with errors_shown(context.obj):
        from engine.images.check import HOPELESS

        found: list[dict[str, Any]] = []
        failed = False
        for image in images:
            try:
                notes = _notes_on(image)
            except EngineError as error:
                failed = True
                found.append({"picture": str(image), "error": to_dict(Refused.of(error))})
                err.print(f"{error.message} {error.hint}", markup=False)
                continue
            failed |= any(note.code in HOPELESS for note in notes.notes)
            found.append({"picture": str(image), **to_dict(notes)})
            if not as_json:
                out.print(f"{image}: {notes.width} x {notes.height} pixels", markup=False)
                for note in notes.notes:
                    out.print(f"- {note.sentence}", markup=False)
                if not notes.notes:
                    out.print("Nothing speaks against it.")
        if as_json:
            out.print_json(json.dumps(found))
        if failed:
            raise typer.Exit(USER_ERROR)


def _notes_on(image: Path) -> PictureNotes:
    """
    Raises:
        EngineError: what ``read_image`` raises.
    """
    from engine.images.check import check_picture
    from engine.images.reading import read_image

    picture = read_image(image)
    return PictureNotes(
        width=picture.width,
        height=picture.height,
        notes=tuple(PictureNote(code=n.code, sentence=n.sentence) for n in check_picture(picture)),
    )


def _state_in_words(found: Status) -> str:
    state, finishing = found.engine, found.finishing
    other = f", and finishing the job {finishing}" if finishing not in ("", state.job) else ""
    words = {
        "none": "no worker, the device's memory is free",
        "starting": "the worker starts",
        "warming": "loading networks",
        "warm": "warm, ready for jobs" if state.checkpoint else "the worker waits for jobs",
        "busy": f"working on the job {state.job}",
        "broken": "the worker crashed too often",
    }
    return words[state.worker] + other + (", about to end" if state.leaving else "")
