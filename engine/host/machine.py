"""Facts about this machine: device, driver, memory, disk."""

import ctypes
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import torch

from engine.host.command import command
from engine.host.device_names import check_device_name
from protocol.errors import EngineError

SECONDS = 10


VOLTA, AMPERE, HOPPER = (7, 0), (8, 0), (9, 0)
"""Compute capabilities with which generations of NVIDIA's GPUs begin."""


class Hardware(NamedTuple):
    """What the choice of a kernel depends on, so that it can be made for a GPU that is not here.

    Attributes:
        kind: ``cuda`` (NVIDIA), ``rocm`` (AMD, whose devices torch calls cuda too), ``mps``,
            ``cpu``, or torch's name of another kind of device.
        capability: of an NVIDIA GPU its compute capability, such as (8, 6); None elsewhere.
    """

    kind: str
    capability: tuple[int, int] | None = None

    def before(self, generation: tuple[int, int]) -> bool:
        """Whether this is a GPU of NVIDIA's from before a generation (``AMPERE``)."""
        return self.capability is not None and self.capability < generation


@lru_cache(maxsize=32)
def hardware_of(device: torch.device | Hardware) -> Hardware:
    """What a device is; what stands in a machine that is not here is that already."""
    if isinstance(device, Hardware):
        return device
    if device.type != "cuda":
        return Hardware(device.type)
    if torch.version.hip is not None:
        return Hardware("rocm")
    return Hardware("cuda", torch.cuda.get_device_capability(device))


def best_device() -> torch.device:
    """The device that is used by default."""
    if sees_cuda():
        return torch.device("cuda", torch.cuda.current_device())
    if torch.backends.mps.is_available():
        return torch.device("mps")
    return torch.device("cpu")


def known_device(name: str | None) -> torch.device:
    """The device of that name; None: the best one.

    Raises:
        EngineError: ``device_unusable``.
    """
    if name is None:
        return best_device()
    check_device_name(name)
    device = torch.device(name)
    try:
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        # AssertionError: how torch says that it was not built for a device.
        raise EngineError(
            "device_unusable",
            f"The device {name} cannot be used: {' '.join(str(error).split())[:200]}.",
            f"Give cpu, or what doctor names: {command('doctor')}",
        ) from error
    return device


class Precision(NamedTuple):
    """The dtypes that networks work in.

    Attributes:
        flows: of the flows' torsos.
        codecs: of the torsos of decoders and encoders.
        why: in words, why these.
    """

    flows: torch.dtype
    codecs: torch.dtype
    why: str


def precision_of(device: torch.device | Hardware) -> Precision:
    """The dtypes that a device is good at.

    Args:
        device: a device of this machine, or what stands in a machine that is not here.
    """
    hardware = hardware_of(device)
    if hardware.kind not in ("cuda", "rocm"):
        why = "half precision is used on CUDA and ROCm only"
        return Precision(torch.float32, torch.float32, why)
    if hardware.before(AMPERE):
        why = "no units for bfloat16 before the Ampere generation; in float16 flows overflow"
        return Precision(torch.float32, torch.float16, why)
    return Precision(torch.bfloat16, torch.float16, "in float16 the keys of flows overflow")


def working_dtypes(device: torch.device) -> tuple[torch.dtype, torch.dtype]:
    """Dtypes of the flows' torsos, and of the decoders' and encoders', on a device."""
    return precision_of(device)[:2]


@contextmanager
def whole_float32() -> Iterator[None]:
    """Inside of the block NVIDIA's and AMD's GPUs compute float32 as such, not rounded to TF32.

    torch leaves TF32 on in convolutions, and a program around us may have it on in matrix products
    too. Both settings belong to the process, so all of its threads share them; afterwards they are
    as before. Other devices know no TF32, and nothing changes for them.
    """
    # torch's newer settings: the older ones warn, and refuse to be read after these were set.
    backends: Any = torch.backends
    settings = (backends.cudnn.conv, backends.cuda.matmul)
    before = [setting.fp32_precision for setting in settings]
    for setting in settings:
        setting.fp32_precision = "ieee"
    try:
        yield
    finally:
        for setting, value in zip(settings, before, strict=True):
            setting.fp32_precision = value


def device_name(device: torch.device) -> str:
    """What people call it, with its compute capability where it has one."""
    if device.type == "cuda":
        major, minor = torch.cuda.get_device_capability(device)
        return f"{torch.cuda.get_device_name(device)} (capability {major}.{minor})"
    if device.type == "mps":
        return "Apple GPU (Metal)"
    return f"{cpu_name()}, {torch.get_num_threads()} threads"


def cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.partition(":")[2].strip() for line in lines if "model name" in line)
    except (OSError, StopIteration):
        import platform

        return platform.processor() or platform.machine()


def nvidia_driver() -> str | None:
    """The driver's version as nvidia-smi reports it; None where there is none."""
    if shutil.which("nvidia-smi") is None:
        return None
    try:
        done = subprocess.run(
            ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"],
            capture_output=True,
            text=True,
            timeout=SECONDS,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    lines = done.stdout.split()
    return lines[0] if done.returncode == 0 and lines else None


def synchronize(device: torch.device) -> None:
    """Wait until the device has finished its work."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


def sees_cuda() -> bool:
    """Whether torch has CUDA or ROCm, and a device for it."""
    return torch.cuda.is_available()


def vram(device: torch.device) -> tuple[int, int] | None:
    """(free, total) bytes of a CUDA device's memory; None elsewhere."""
    return torch.cuda.mem_get_info(device) if device.type == "cuda" else None


def ram() -> tuple[int, int] | None:
    """(available, total) bytes of this machine's memory; None where it is unknown."""
    if sys.platform == "win32":
        return _ram_of_windows()
    try:
        lines = Path("/proc/meminfo").read_text(encoding="utf-8").splitlines()
        values = {name: int(rest.split()[0]) * 1024 for name, _, rest in _pairs(lines)}
        return values["MemAvailable"], values["MemTotal"]
    except (OSError, KeyError):
        return _ram_of_mac()


def _pairs(lines: list[str]) -> list[tuple[str, str, str]]:
    return [line.partition(":") for line in lines if line.split()[1:]]


def _ram_of_mac() -> tuple[int, int] | None:
    try:
        done = subprocess.run(["vm_stat"], capture_output=True, text=True, timeout=SECONDS)
        total = subprocess.run(
            ["sysctl", "-n", "hw.memsize"], capture_output=True, text=True, timeout=SECONDS
        )
        page = int(done.stdout.split("page size of ")[1].split()[0])
        pages = {name: rest.strip(" .") for name, _, rest in _pairs(done.stdout.splitlines())}
        free = sum(int(pages[f"Pages {kind}"]) for kind in ("free", "inactive", "speculative"))
        return free * page, int(total.stdout)
    except (OSError, subprocess.TimeoutExpired, IndexError, KeyError, ValueError):
        return None


class _MemoryStatus(ctypes.Structure):
    _fields_ = (
        ("length", ctypes.c_ulong),
        ("load", ctypes.c_ulong),
        *(
            (name, ctypes.c_ulonglong)
            for name in ("total", "available", "t_page", "a_page", "t_virtual", "a_virtual", "more")
        ),
    )


def _ram_of_windows() -> tuple[int, int] | None:
    status = _MemoryStatus()
    status.length = ctypes.sizeof(status)
    kernel32 = getattr(ctypes, "windll").kernel32  # noqa: B009 - absent on other platforms
    if not kernel32.GlobalMemoryStatusEx(ctypes.byref(status)):
        return None
    return int(status.available), int(status.total)


def ram_in_use() -> int | None:
    """Bytes of memory that this process holds now; None where it is unknown (not Linux)."""
    try:
        lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
        values = {name: rest.split() for name, _, rest in _pairs(lines)}
        return int(values["VmRSS"][0]) * 1024
    except (OSError, KeyError):
        return None


def forget_peak_ram() -> None:
    """Restart ``peak_ram`` from what is held now, where the system can (Linux)."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def peak_ram() -> int | None:
    """Most bytes of memory that this process has held; None on Windows."""
    # Linux's ru_maxrss includes what the process held before exec: the memory of its parent.
    with suppress(OSError):
        for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    try:
        import resource
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
