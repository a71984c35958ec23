"""`maquette serve`: the engine as a service, for Blender and other clients."""

import json
import signal
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from engine import __version__
from engine.commands.console import errors_shown, out, settings_of
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
        float, typer.Option(metavar="SECONDS", help="Leave after so long without clients and jobs.")
    ] = 600.0,
    quota: Annotated[
        float, typer.Option(metavar="GIB", help="Disk space for results that are not pinned.")
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
        typer.Option(metavar="PORT", help="Also speak HTTP, to this machine, at this port."),
    ] = None,
    debug: Annotated[bool, typer.Option("--debug", help="Log more.")] = False,
) -> None:
    """Do the jobs of Blender and other clients, until nobody needs it any more."""
    with errors_shown(debug or context.obj):
        from engine.service.housekeeping import log_to
        from engine.service.options import Options
        from engine.service.service import Service

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
            )
        )
        log_to(settings.home / "logs", debug=debug or context.obj)
        for name in (signal.SIGINT, signal.SIGTERM):
            signal.signal(name, lambda *_: service.leave(wait=False))
        out.print(f"The engine serves at {service.connection.endpoint}.", markup=False)
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
        EngineError: ``http_missing``.
    """
    if find_spec("uvicorn") is None or find_spec("starlette") is None:
        raise EngineError(
            "http_missing",
            "The packages for HTTP are not installed.",
            "Install the extra http: pip install 'maquette[http]'",
        )
    return (sys.executable, "-m", "engine.web", str(home.absolute()), str(port))


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
