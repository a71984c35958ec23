"""`maquette serve`: the engine as a service, for Blender and other clients."""

import json
import signal
import socket
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from engine import __version__
from engine.commands.console import counted, err, errors_shown, out, settings_of
from engine.host.command import command
from engine.host.device_names import check_device_name
from protocol.connection import FILE_NAME
from protocol.errors import EngineError
from protocol.messages import PROTOCOL_VERSION


def serve(
    context: typer.Context,
    bind: Annotated[
        str,
        typer.Option(
            metavar="ADDRESS[:PORT]",
            help="Listen to other machines too, at this address; they have to be paired.",
        ),
    ] = "",
    idle: Annotated[
        float,
        typer.Option(
            metavar="SECONDS", min=0, help="Leave after so long without clients and jobs."
        ),
    ] = 600.0,
    quota: Annotated[
        float,
        typer.Option(metavar="GIB", min=0, help="Disk space for results that are not pinned."),
    ] = 20.0,
    device: Annotated[
        str | None, typer.Option(help="cpu, cuda, cuda:1 and so on; else the best one.")
    ] = None,
    fake: Annotated[
        Path | None,
        typer.Option(metavar="SCRIPT", help="Play jobs from a script instead of doing them."),
    ] = None,
    http: Annotated[
        int | None,
        typer.Option(
            metavar="PORT",
            min=1,
            max=65535,
            help="Also speak HTTP, to this machine, at this port (docs/http.md).",
        ),
    ] = None,
    debug: Annotated[bool, typer.Option("--debug", help="Log more.")] = False,
) -> None:
    """Do the jobs of Blender and other clients, until nobody needs it any more."""
    with errors_shown(debug or context.obj):
        from engine.service.housekeeping import log_to
        from engine.service.options import Options
        from engine.service.service import Service

        if device is not None:
            check_device_name(device)
        settings = settings_of(context)
        host, port = _address(bind)
        python = (sys.executable, "-m")
        worker, helper = (*python, "engine.worker"), (*python, "engine.helper")
        if fake is not None:
            if not fake.is_file():
                raise EngineError("script_missing", f"There is no {fake}.", "Give a JSON file.")
            worker = (*python, "engine.service.fake", str(fake.absolute()))
            helper = (*python, "engine.service.fake_helper", str(fake.absolute()))
        service = Service(
            Options(
                settings=settings,
                worker=worker,
                helper=helper,
                host=host,
                port=port,
                web=() if http is None else _web(settings.home, http),
                idle=idle,
                quota=round(quota * (1 << 30)),
                device=device,
                engine=f"maquette {__version__}",
                protocol=_protocol(fake),
            ),
            tell=lambda sentence: err.print(sentence, markup=False),
        )
        log_to(settings.home / "logs", debug=debug or context.obj)
        for name in (signal.SIGINT, signal.SIGTERM):
            signal.signal(name, lambda *_: service.leave(wait=False))
        out.print(f"The engine serves at {service.connection.endpoint}.", markup=False)
        if http is not None:
            out.print(_http_lines(settings.home, http), markup=False)
        if service.interrupted:
            out.print(_interrupted_line(service.interrupted), markup=False)
        service.run()


def _protocol(script: Path | None) -> int:
    """The version that a script pretends, else ours.

    Raises:
        EngineError: ``script_invalid``.
    """
    if script is None:
        return PROTOCOL_VERSION
    try:
        return int(json.loads(script.read_text(encoding="utf-8")).get("protocol", PROTOCOL_VERSION))
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise EngineError(
            "script_invalid",
            f"{script} cannot be read: {error}.",
            "Give a JSON file as engine/service/fake.py describes it.",
        ) from error


def _web(home: Path, port: int) -> tuple[str, ...]:
    """
    Raises:
        EngineError: ``http_missing``, ``http_port_taken``.
    """
    if find_spec("uvicorn") is None or find_spec("starlette") is None:
        raise EngineError(
            "http_missing",
            "The packages for HTTP are not installed.",
            "Install the extra http: pip install 'maquette[http]'",
        )
    try:
        with socket.socket() as tried:
            if sys.platform != "win32":  # where it would let two listen at one port
                tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            tried.bind(("127.0.0.1", port))
    except OSError as error:
        raise EngineError(
            "http_port_taken",
            f"HTTP cannot be spoken at port {port}: {error.strerror or error}.",
            f"Give another port, such as --http {port % 65535 + 1}.",
        ) from error
    return (sys.executable, "-m", "engine.web", str(home.absolute()), str(port))


def _http_lines(home: Path, port: int) -> str:
    return (
        f"HTTP at http://127.0.0.1:{port}/v1/status and so on, described at /openapi.json.\n"
        f"Each request carries the token of {home / FILE_NAME}."
    )


def _interrupted_line(jobs: list[str]) -> str:
    which = ", ".join(job[:8] for job in jobs[:4]) + (" and more" if len(jobs) > 4 else "")
    return (
        f"Interrupted when the engine last ended: {counted(len(jobs), 'job')} ({which}). "
        f"To resume one: {command('retry', jobs[0][:8])}"
    )


def _address(bind: str) -> tuple[str, int]:
    """
    Raises:
        EngineError: ``address_invalid``.
    """
    host, colon, port = bind.rpartition(":") if bind.count(":") == 1 else (bind, "", "")
    if colon and not (port.isdecimal() and int(port) < 65536):
        raise EngineError(
            "address_invalid",
            f"{bind} is not an address.",
            "Write 192.168.1.5 or 192.168.1.5:4444.",
        )
    return host, int(port or 0)
