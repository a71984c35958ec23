"""Sentences about the engine's process, from what is known of it."""

from dataclasses import dataclass

from ..protocol.errors import EngineError
from .endings import FEW, SOON
from .installed import Installed
from .language import said, whole
from .machine import Costs
from .running import Running
from .set_up_watch import SetUpWatch
from .snapshot import EngineState, EngineView, SetupView, Verb

ASKING = "Asking the other machine to let this one in."


@dataclass(frozen=True, kw_only=True)
class Known:
    """
    Attributes:
        version: of the extension.
        installed: the engine that would be started.
        absent: why there is none, where a folder was named.
        running: the engine that runs here.
        starting, stopping, setting_up, pairing: is being done.
        folder: that the user named; empty: the engine that was set up.
        remote: address of another machine's engine that is used; empty: this machine's.
        why_not_remote: why it cannot be, or empty.
        trouble: how the last thing ended badly.
        crashes: too many of them.
        update: version that the engine should be brought to; empty: it is well.
    """

    version: str
    installed: Installed | None = None
    absent: EngineError | None = None
    running: Running | None = None
    starting: bool = False
    stopping: bool = False
    setting_up: bool = False
    pairing: bool = False
    folder: str = ""
    remote: str = ""
    why_not_remote: str = ""
    trouble: EngineError | None = None
    crashes: bool = False
    update: str = ""


def engine_view(known: Known) -> EngineView:
    """What the panel says of the engine."""
    state, sentence, hint, verb = _said(known)
    pairing, pairing_hint = _pairing(known)
    engine = ""
    if known.running is not None:
        engine = known.running.engine
    elif known.installed is not None:
        engine = f"maquette {known.installed.version}"
    return EngineView(
        state=state,
        sentence=sentence,
        hint=hint,
        verb=verb,
        place=known.remote or "this machine",
        remote=bool(known.remote),
        own_folder=bool(known.folder) and not known.remote,
        versions=said(
            "extension {version}, engine {engine}",
            version=known.version,
            engine=engine or said("unknown"),
        ),
        pairing=pairing,
        pairing_hint=pairing_hint,
        paired_in_vain=bool(pairing) and not known.pairing,
    )


def _pairing(known: Known) -> tuple[str, str]:
    """How it stands with another machine's engine while one here is used."""
    if known.pairing:
        return ASKING, ""
    if known.trouble is not None and known.trouble.code.startswith("pairing"):
        return known.trouble.message, known.trouble.hint
    return "", ""


def _said(known: Known) -> tuple[EngineState, str, str, Verb]:
    trouble = known.trouble
    if known.setting_up:
        return "installing", "The engine is being set up.", "", ""
    if known.pairing and (known.running is None or known.remote):
        return "starting", ASKING, "", ""
    if known.remote and trouble is None:
        if known.why_not_remote:
            return "refused", known.why_not_remote, "", ""
        return "ready", said("The engine of {remote} is used.", remote=known.remote), "", ""
    if known.stopping:
        return "stopped", "The engine ends as soon as its job is done.", "", ""
    if known.running is not None:
        if known.update:
            return "ready", *_outdated(known)
        return "ready", "The engine runs.", _note(known), ""
    if known.starting:
        return "starting", "The engine is starting.", "", ""
    if trouble is not None:
        verb = _remedy(trouble, known)
        if known.crashes:
            sentence = said(
                "The engine has crashed {count} times in {minutes:.0f} minutes.",
                count=FEW,
                minutes=SOON / 60,
            )
            return "gone", whole(sentence, trouble.message), trouble.hint, verb
        return "gone", trouble.message, trouble.hint, verb
    if known.installed is not None:
        if known.update:
            return "stopped", *_outdated(known)
        return "stopped", "The engine is asleep: a job wakes it.", _note(known), "start"
    if known.absent is not None:
        return "absent", known.absent.message, known.absent.hint, "set_up"
    return "absent", "There is no engine on this machine yet.", "", "set_up"


def _outdated(known: Known) -> tuple[str, str, Verb]:
    there = known.installed.version if known.installed else "unknown"
    if there == known.update:
        sentence = said(
            "This extension brings another build of the engine ({update}).", update=known.update
        )
    else:
        sentence = said(
            "The engine is version {there}; this extension brings {update}.",
            there=there,
            update=known.update,
        )
    return sentence, "Update the engine.", "update"


def _remedy(trouble: EngineError, known: Known) -> Verb:
    if trouble.code.startswith(("pairing", "not_online")):
        return "pair"
    if trouble.code == "disk_full":
        return "free_disk"
    return "restart" if known.installed is not None else "set_up"


def _note(known: Known) -> str:
    notes = known.installed.notes if known.installed is not None else ()
    return " ".join(notes)


def set_up_view(watch: SetUpWatch, costs: Costs, why_not: str, resumable: bool) -> SetupView:
    """What the panel says of the set-up.

    Args:
        watch: the set-up.
        costs: estimates for this machine.
        why_not: why it cannot begin, or empty.
        resumable: an earlier one left downloads.
    """
    problem, hint = "", ""
    download, disk, minutes = costs.download, costs.disk, costs.minutes
    if watch.asked is not None:
        problem, hint = (
            watch.asked.text,
            "Continue if that is all right.",
        )
        download, disk = watch.asked.download, watch.asked.disk
        minutes = Costs.of(download, disk).minutes
    elif watch.problem is not None:
        problem, hint = watch.problem.message, watch.problem.hint
    return SetupView(
        running=watch.running,
        step=watch.step,
        fraction=watch.fraction,
        bytes_done=watch.done,
        bytes_total=watch.total,
        log=watch.log,
        problem=problem,
        hint=hint,
        resumable=resumable and not watch.running,
        download=download,
        disk=disk,
        minutes=minutes,
        why_not=why_not,
        asks=watch.asked is not None,
        note=watch.note,
    )
