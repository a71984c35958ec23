"""Everything that can be wrong with an installation, each as a line with its remedy."""

import shutil
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from engine import embedded
from engine.doctor.tables import dtype_of
from engine.host.command import command
from engine.systems.catalogue import choose
from engine.weights.store import RESERVE, Store
from protocol.limits import WEIGHT_GROUPS

if TYPE_CHECKING:
    from engine.host.machine import Hardware

OLDEST_PYTHON = (3, 11)
OLDEST_TORCH = (2, 9)
GB = 1e9


@dataclass(frozen=True)
class Check:
    """One line of the report.

    Attributes:
        name: what was looked at.
        state: ``ok``; ``warn``: works, and could be better; ``fail``: does not work.
        text: what was found.
        hint: what to do about it, unless ok.
    """

    name: str
    state: str
    text: str
    hint: str = ""


def checks(store: Store, *, device: str | None = None) -> Iterator[Check]:
    """Run all checks, the quick ones first.

    Args:
        store: whose weights and disk are looked at.
        device: torch's name for it; None: the best one.
    """
    yield _python()
    try:
        import torch
    except (ImportError, OSError) as error:
        yield Check("torch", "fail", f"does not import: {error}", "Run: python run.py setup")
    else:
        yield from _torch(torch)
        yield from _device(device)
    yield _ram()
    yield _disk(store.folder)
    yield from _weights(store)


def _python() -> Check:
    text = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info[:2] < OLDEST_PYTHON:
        return Check("Python", "fail", text, "Maquette needs Python 3.11 or newer.")
    return Check("Python", "ok", f"{text}, {sys.executable}")


def _torch(torch) -> Iterator[Check]:
    from engine.host import machine

    text = str(torch.__version__)
    if tuple(int(part) for part in text.split(".")[:2]) < OLDEST_TORCH:
        yield Check("torch", "fail", text, "Maquette needs torch 2.9 or newer.")
    else:
        yield Check("torch", "ok", text)
    driver = machine.nvidia_driver()
    built = torch.version.cuda
    if torch.version.hip:
        yield Check("driver", "ok", f"ROCm {torch.version.hip}")
    elif driver is None:
        yield Check("driver", "ok", "no NVIDIA driver")
    elif built is None:
        yield Check(
            "driver",
            "warn",
            f"NVIDIA {driver}, but this torch has no CUDA",
            "Install torch from its CUDA index: https://pytorch.org/get-started/locally",
        )
    elif not machine.sees_cuda():
        yield Check(
            "driver",
            "fail",
            f"NVIDIA {driver} is too old for, or hidden from, torch's CUDA {built}",
            "Update the driver, or install a torch for an older CUDA.",
        )
    else:
        yield Check("driver", "ok", f"NVIDIA {driver}, torch is built for CUDA {built}")


def _device(wanted: str | None) -> Iterator[Check]:
    import torch

    from engine.doctor import selftest
    from engine.host import machine

    try:
        device = torch.device(wanted) if wanted else machine.best_device()
        product = selftest.finite_matmul(device)
        if not bool((product == 64).all()):
            raise RuntimeError("a product of ones is wrong")
    except (RuntimeError, AssertionError) as error:
        # AssertionError: how torch says that it was not built for a device.
        text = f"{wanted or 'the GPU'}: {' '.join(str(error).split())[:200]}"
        yield Check("device", "fail", text, "Give another --device, or install a torch for it.")
        return
    text = f"{device}: {machine.device_name(device)}"
    if device.type == "cpu":
        hint = "The published weights need a GPU with 6 GB or more; the small model does not."
        yield Check("device", "warn", text, hint)
    else:
        yield Check("device", "ok", text)
    memory = machine.vram(device)
    if memory is not None:
        free, total = memory
        text = f"{free / GB:.1f} of {total / GB:.1f} GB free"
        low = free < 4e9
        hint = "Close other programs that use the GPU." if low else ""
        yield Check("VRAM", "warn" if low else "ok", text, hint)
    yield from choices(machine.hardware_of(device))
    flows, codecs = machine.working_dtypes(device)
    yield _self_test(device, {flows, codecs, torch.float32})


def choices(hardware: "Hardware") -> Iterator[Check]:
    """What is used on some hardware, and what is slow there, as the tables of backends have it."""
    from engine.host.machine import precision_of
    from engine.sparse.attention import ATTENTION
    from engine.sparse.convolution import CONVOLUTION

    flows, codecs, why = precision_of(hardware)
    text = f"flows in {_short(flows)}, decoders and encoders in {_short(codecs)} ({why})"
    yield Check("dtypes", "ok", text)
    for registry, dtype in ((CONVOLUTION, codecs), (ATTENTION, flows)):
        name = registry.choose(hardware, dtype).name
        reasons = "; ".join(
            f"{line.name}: {line.reason}"
            for line in registry.available(hardware)
            if line.name == name or not line.usable
        )
        yield Check(registry.operation, "ok", f"{name} in {_short(dtype)} ({reasons})")
    if hardware.kind != "cpu":
        yield from _slow(hardware)


def _slow(hardware: "Hardware") -> Iterator[Check]:
    """What plain torch does for want of a kernel and what cannot be done, with the reasons.

    Attention is never among them: torch has fused kernels for it.
    """
    from engine.sparse.operations import OPERATIONS

    slow, absent = {}, {}
    for registry in OPERATIONS:
        chosen = registry.explained(hardware, dtype_of(registry, hardware))
        if chosen.backend is None:
            absent[registry.operation] = chosen.passed_over
        elif chosen.backend.name == "torch":
            slow[registry.operation] = chosen.passed_over
    for name, found, how in (("slow parts", slow, ": plain torch"), ("not possible", absent, "")):
        if found:
            reasons = dict.fromkeys(
                f"{backend}: {reason}" for lines in found.values() for backend, reason in lines
            )
            yield Check(name, "ok", f"{', '.join(found)}{how} ({'; '.join(reasons)})")


def _short(dtype) -> str:
    return str(dtype).removeprefix("torch.")


def _self_test(device, dtypes) -> Check:
    from engine.doctor import selftest

    start = time.perf_counter()
    found = [line for dtype in dtypes for line in selftest.problems(device, dtype)]
    seconds = time.perf_counter() - start
    if found:
        hint = "Update driver, torch and extras; if the error stays, report it with this text."
        return Check("self-test", "fail", "; ".join(dict.fromkeys(found)), hint)
    text = f"convolution, attention and O-Voxels give the known numbers, {seconds:.1f} s"
    return Check("self-test", "ok", text)


def _ram() -> Check:
    from engine.host import machine

    memory = machine.ram()
    if memory is None:
        return Check("RAM", "ok", "unknown on this system")
    free, total = memory
    low = free < 4e9
    return Check(
        "RAM",
        "warn" if low else "ok",
        f"{free / GB:.1f} of {total / GB:.1f} GB free",
        "Networks are loaded through it: close other programs." if low else "",
    )


def _disk(folder: Path) -> Check:
    existing = next(p for p in (folder, *folder.absolute().parents) if p.is_dir())
    free = shutil.disk_usage(existing).free
    low = free < RESERVE
    hint = "Free some space, or set models.folder in config.toml." if low else ""
    return Check("disk", "warn" if low else "ok", f"{free / GB:.1f} GB free at {folder}", hint)


def _weights(store: Store) -> Iterator[Check]:
    if (embedded.FOLDER / "pipeline.json").is_file():
        yield Check("small model", "ok", "ships with Maquette; knows toys, needs no GPU")
    for group in WEIGHT_GROUPS:
        wanted = choose([group])
        missing = [weight for weight in wanted if store.state(weight) != "present"]
        if not missing:
            yield Check(f"weights for {group}", "ok", "all here")
            continue
        size = sum(weight.bytes for weight in missing) / GB
        names = ", ".join(weight.name for weight in missing)
        what = "none here" if len(missing) == len(wanted) else f"missing: {names}"
        yield Check(
            f"weights for {group}",
            "warn",
            f"{what}; {size:.1f} GB to download",
            f"Run: {command('models', 'download', group)}",
        )
