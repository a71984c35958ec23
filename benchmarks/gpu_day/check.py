"""What is right on a card: tests, recorded numbers, the small model, memory, Triton."""

import gc
import importlib.util
import os
from collections.abc import Iterator
from pathlib import Path

import torch

from benchmarks.gpu_day import card
from benchmarks.gpu_day.halves import (
    DECODER_TOLERANCE,
    FLOW_TOLERANCE,
    FLOWS,
    VAES,
    compare,
)
from benchmarks.gpu_day.parts import Day, Part, Row
from benchmarks.gpu_day.testing import run_tests
from engine.host.machine import working_dtypes
from engine.sampling.passes import GRAPH, LAUNCHED, STEPS
from engine.sparse.backends import preferring

ROOT = Path(__file__).resolve().parents[2]
GPU_TESTS = ("tests/sparse", "tests/gpu")
"""Where the tests with the mark are: others need packages that a bare machine lacks."""
PARITY = tuple(
    f"tests/parity/test_{name}.py"
    for name in (
        *("structure_flow", "latent_flow", "structure_vae", "shape_vae", "material_vae"),
        *("sampler", "end_to_end", "end_to_end_decoders", "pipelines"),
    )
)
"""Those of the parity tests that have a network in them."""
DOCTOR = ("device", "dtypes", "attention", "sparse convolution", "slow parts")
"""Lines of `maquette doctor` that are kept."""
PICTURES = ("rocket", "duck", "mushroom")
SAME_FACES, ABOUT_AS_MANY = 0.005, 0.05
"""By how much numbers of faces may differ from the CPU's: in float32, and in half precision, where
a cell more or less gives all cells other noise (on a CPU 0.03, 0.995 of the cells the same)."""
SAME_CELLS = 0.98
LEFT_OVER = 64 << 20
"""Bytes that may stay allocated after a release: libraries keep some for themselves."""


def the_card(day: Day) -> Iterator[Row]:
    """What it is, and what it does at best."""
    from engine.bench.work import matrix_rate
    from engine.doctor.checks import checks
    from engine.host import machine
    from engine.weights.store import Store

    device = torch.device(day.device)
    more = {"torch": str(torch.__version__), "cuda": torch.version.cuda}
    yield Row("device", f"{machine.device_name(device)}, torch {torch.__version__}", more=more)
    rate = matrix_rate(device, machine.working_dtypes(device)[0])
    yield Row("matrix products", f"{rate / 1e12:.4g} TFLOP/s", more={"flop_per_s": rate})
    yield Row("copies on the device", f"{card.copy_rate(device) / 1e12:.3g} TB/s")
    yield Row("copies to the device", f"{card.upload_rate(device) / 1e9:.3g} GB/s")
    for line in checks(Store(day.work), device=day.device):
        if line.state == "fail" or line.name in DOCTOR:
            yield Row(f"doctor: {line.name}", line.text, right=line.state != "fail")
        elif line.name == "self-test":
            yield Row("doctor: self-test", line.text, "known numbers", line.state == "ok")


def gpu_tests(day: Day) -> Iterator[Row]:
    """``pytest -m gpu``."""
    places = ["tests/gpu", "-k", "grid or gradients or step"] if day.rehearse else GPU_TESTS
    yield from run_tests(ROOT, ["-m", "gpu", *places], {"MAQUETTE_GPU_TESTS_DEVICE": day.device})


def recorded_float32(day: Day) -> Iterator[Row]:
    """The parity tests with their networks on the device, to the same 1e-4."""
    tests = [PARITY[0], "-k", "velocity"] if day.rehearse else PARITY
    environment = {"MAQUETTE_GOLDENS": str(day.goldens), "MAQUETTE_GOLDENS_DEVICE": day.device}
    yield from run_tests(ROOT, list(tests), environment)


def recorded_half(day: Day) -> Iterator[Row]:
    """Recorded networks in the dtypes that they have on CUDA."""
    if not day.goldens.is_dir():
        yield Row("recordings", f"none in {day.goldens}: run prepare", "some", False)
        return
    flows, vaes = (FLOWS[:1], VAES[:1]) if day.rehearse else (FLOWS, VAES)
    for names, dtype, most in (
        (flows, torch.bfloat16, FLOW_TOLERANCE),
        (vaes, torch.float16, DECODER_TOLERANCE),
    ):
        short = str(dtype).removeprefix("torch.")
        for apart in compare(day.goldens, day.device, names, dtype):
            yield Row(
                f"{apart.what} in {short}",
                f"{apart.error:.4f}, at the worst place {apart.worst:.4f} of the largest",
                f"at most {most}",
                apart.error <= most,
            )


def small_model(day: Day) -> Iterator[Row]:
    """The model that ships, on the CPU and on the card, from one seed."""
    usual = working_dtypes(torch.device(day.device))
    for picture in PICTURES[:1] if day.rehearse else PICTURES:
        on_cpu, seconds = card.generated(card.small_models("cpu"), picture, few=day.rehearse)
        faces = len(on_cpu.mesh.faces)
        yield Row(f"{picture} on the CPU", f"{seconds:.1f} s, {faces:,} faces")
        for dtypes, least, most in ((None, 1.0, SAME_FACES), (usual, SAME_CELLS, ABOUT_AS_MANY)):
            if day.rehearse and dtypes:
                continue  # on a CPU they are the same
            name = "half precision" if dtypes else "float32"
            models = card.small_models(day.device, dtypes or card.FLOAT32)
            asset, seconds = card.generated(models, picture, few=day.rehearse)
            again, warm = card.generated(models, picture, few=day.rehearse)
            same = card.overlap(asset.tensors["structure"], on_cpu.tensors["structure"])
            voxels = card.overlap(asset.voxels.grid.coords, on_cpu.voxels.grid.coords)
            off = abs(len(asset.mesh.faces) / faces - 1)
            yield Row(
                f"{picture} in {name}",
                f"cells {same:.3f}, voxels {voxels:.3f}, faces {off:.2%} off; {seconds:.1f} s, "
                f"again {warm:.2f} s",
                f"cells at least {least}, faces at most {most:.1%} off",
                same >= least and off <= most,
            )
            twice = card.overlap(asset.voxels.grid.coords, again.voxels.grid.coords)
            yield Row(f"{picture} in {name}, twice", f"voxels {twice:.4f}", "1", twice == 1)


def memory_runs_out(day: Day) -> Iterator[Row]:
    """A request on an allocator that gives less: a lower policy's result, or a clear error."""
    from engine.report import Report
    from protocol.errors import EngineError

    device, few = torch.device(day.device), day.rehearse
    models = card.small_models(day.device)
    card.generated(models, PICTURES[0], few=few)
    models.release()
    card.forget(device)
    whole, _ = card.generated(models, PICTURES[0], few=few)
    taken = card.most_reserved(device)
    models.release()
    yield Row("memory of a request", f"{taken / 2**20:.0f} MiB", more={"bytes": taken})
    for share in (0.5,) if few else (0.8, 0.5, 0.2):
        report = Report()
        with card.capped(device, models, round(share * taken)):
            try:
                asset, _ = card.generated(models, PICTURES[0], report, few=few)
                same = card.overlap(asset.tensors["structure"], whole.tensors["structure"])
                found, right = f"done: {models.policy}, cells {same:.3f}", same >= SAME_CELLS
            except EngineError as error:
                found, right = f"{error.code}: {error.message}", error.code == "out_of_memory"
            except Exception as error:  # noqa: BLE001 - one that users should not see
                found, right = f"{type(error).__name__}: {error}", False
        models.release()
        wanted = "a result by another policy, or out_of_memory"
        yield Row(f"with {share:.0%} of it", found, wanted, right, {"notes": report.notes})
    asset, _ = card.generated(card.small_models(day.device), PICTURES[0], few=few)
    same = card.overlap(asset.voxels.grid.coords, whole.voxels.grid.coords)
    yield Row("the next request", f"voxels {same:.4f} the same", "0.98", same >= SAME_CELLS)


def memory_comes_back(day: Day) -> Iterator[Row]:
    """What is still there of a request after its networks were released."""
    device = torch.device(day.device)
    models = card.small_models(day.device)
    for turn in ("first",) if day.rehearse else ("first", "second", "third"):
        card.generated(models, PICTURES[0], few=day.rehearse)
        models.release()
        gc.collect()
        card.forget(device)
        left = card.allocated(device)
        right = left <= LEFT_OVER if day.on_card else None
        wanted = f"at most {LEFT_OVER >> 20} MiB" if day.on_card else ""
        yield Row(f"after the {turn} request", f"{left / 2**20:.1f} MiB", wanted, right)


def steps_as_graphs(day: Day) -> Iterator[Row]:
    """The small model with its sampler steps as CUDA graphs, which are used by name only so far."""
    device = torch.device(day.device)
    usable = {line.name: line.usable for line in STEPS.available(device)}[GRAPH]
    models = card.small_models(day.device)
    whole, _ = card.generated(models, PICTURES[0], few=day.rehearse)
    _, launched = card.generated(models, PICTURES[0], few=day.rehearse)
    models.release()
    card.forget(device)
    before = card.allocated(device)
    with preferring(GRAPH if usable else LAUNCHED):
        asset, _ = card.generated(models, PICTURES[0], few=day.rehearse)
        _, seconds = card.generated(models, PICTURES[0], few=day.rehearse)
    models.release()
    gc.collect()
    card.forget(device)
    left = card.allocated(device) - before
    same = card.overlap(asset.voxels.grid.coords, whole.voxels.grid.coords)
    as_what = "as graphs" if usable else "not usable here"
    yield Row(f"{PICTURES[0]}, {as_what}", f"voxels {same:.4f} the same", "1", same == 1)
    yield Row("a warm request", f"{seconds:.2f} s, kernel by kernel {launched:.2f} s",
              more={"seconds": seconds, "launched_seconds": launched})  # fmt: skip
    right = left <= LEFT_OVER if day.on_card else None
    wanted = f"at most {LEFT_OVER >> 20} MiB" if day.on_card else ""
    yield Row("left of graphs after a release", f"{left / 2**20:.1f} MiB", wanted, right)


def triton_convolution(day: Day) -> Iterator[Row]:
    """The kernel beside its twin on the levels of a decoder: the same numbers, and how fast."""
    from benchmarks.gpu_day.convolutions import cases, measured

    if importlib.util.find_spec("triton") is None:
        yield Row("triton", "not installed")
        return
    if not day.on_card:
        os.environ["TRITON_INTERPRET"] = "1"  # the process is the part's own
    for case in cases(day):
        yield from measured(case, day)


PARTS = (
    Part(the_card, limit=90),
    Part(gpu_tests, limit=120),
    Part(recorded_float32, limit=150),
    Part(recorded_half, limit=60),
    Part(triton_convolution, limit=120),
    Part(small_model, limit=120),
    Part(memory_runs_out, limit=60),
    Part(memory_comes_back, limit=45),
    Part(steps_as_graphs, limit=90),
)
