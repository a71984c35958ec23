"""A job in two halves: what the worker hands over, and what the finisher makes of it."""

import os
from contextlib import nullcontext
from typing import Any

import pytest
import torch

from engine.pipe.messages import HandOver, Memory, PartFile, Saved, Setup, Warmed
from engine.worker import __main__ as worker_main
from protocol.events import Cancelled, Done
from protocol.jobs import FinishJob, GenerateJob, RenderJob
from protocol.references import File, Stored
from tests.worker.bench import SMALL, Bench, End


def test_two_workers_make_what_one_would(bench: Bench, image: File) -> None:
    spec = GenerateJob(picture=image, type="64")
    whole = bench.run("a", spec, SMALL)
    expected, stages = parts_of(bench), bench.stages()
    names = [part.name for part in bench.end.take(PartFile)]

    bench.end.answer = HandOver(job="b", accepted=True)
    saved = bench.run("b", spec, SMALL, half="first")
    assert isinstance(saved, Saved), saved
    first, told = bench.stages(), [part.name for part in bench.end.take(PartFile)]
    assert first[-1] == "saving" and set(saved.seconds) == set(first)
    assert "mesh" in told

    bench.worker = bench.new_worker(networks=False)
    done = bench.run("b", spec, SMALL, half="second")
    assert isinstance(done, Done), done
    assert bench.worker._models is None
    assert first + bench.stages() == stages and not bench.end.take(Memory)
    assert {**saved.seconds, **done.seconds}.keys() == whole.seconds.keys()
    # Each part was told once, and is the same.
    assert told + [part.name for part in bench.end.take(PartFile)] == names
    found = parts_of(bench)
    assert found["recipe"] == expected["recipe"]
    assert found == {name: expected[name] for name in found}
    assert {"finished", "textures", "model", "thumbnail", "recipe", "asset"} <= set(found)
    kept = [path.name for path in (bench.home / "b").iterdir()]
    assert kept.count("kept") == 0 and (bench.home / "b" / "asset.maquette").is_dir()


def parts_of(bench: Bench) -> dict[str, Any]:
    """Those of the last job, without what differs from one time to the next."""
    found: dict[str, Any] = {
        part.name: bench.part_bytes(part.name) for part in bench.end.take(PartFile)
    }
    found["asset"] = bool(found["asset"])  # a zip has dates
    found["recipe"] = bench.recipe()
    # What is said of the memory tells how much was free.
    assert found["recipe"].pop("memory") and found["recipe"]["notes"].pop(0)
    return found


def test_a_worker_that_keeps_its_job_goes_on(bench: Bench, image: File) -> None:
    spec = GenerateJob(picture=image, type="64")
    bench.end.answer = HandOver(job="a", accepted=False)
    ended = bench.run("a", spec, SMALL, half="first")
    assert isinstance(ended, Done) and set(ended.seconds) == set(bench.stages())
    assert len(bench.end.take(Saved)) == 1
    # The front process is gone before it has answered.
    bench.end.answer = None
    assert isinstance(bench.run("b", spec, SMALL, half="first"), Cancelled)
    # And one whose asset was saved before is not offered.
    assert isinstance(bench.run("a", spec, SMALL, half="first", attempt=2), Done)
    assert not bench.end.take(Saved)


@pytest.mark.parametrize("file", ["latents.safetensors", "recipe.json"])
def test_a_finisher_gives_back_what_it_cannot_read(bench: Bench, image: File, file: str) -> None:
    spec = GenerateJob(picture=image, type="64")
    bench.end.answer = HandOver(job="a", accepted=True)
    bench.run("a", spec, SMALL, half="first")
    folder = bench.home / "a" / "asset.maquette"
    (folder / file).write_bytes(b"torn")
    worker, bench.worker = bench.worker, bench.new_worker(networks=False)
    assert bench.run("a", spec, SMALL, half="second").code == "needs_networks"
    assert bench.stages() == [] and not folder.exists()
    # Whoever has networks makes it again, after its samples.
    bench.worker = worker
    ended = bench.run("a", spec, SMALL, attempt=2)
    assert isinstance(ended, Done) and "decode_shape" in ended.seconds
    assert not {"structure", "shape", "texture"} & set(ended.seconds)


def test_a_finisher_does_what_needs_no_networks(bench: Bench, image: File) -> None:
    bench.run("a", GenerateJob(picture=image, type="64"))
    stored = {"a": str(bench.home / "a")}
    bench.worker = bench.new_worker(networks=False)
    bench.worker.warm(None)
    assert bench.end.take(Warmed) and bench.worker._models is None
    job = FinishJob(source=Stored("a"), faces=200, texture_size=32)
    assert isinstance(bench.run("b", job, stored=stored), Done)
    assert isinstance(bench.run("c", RenderJob(source=Stored("a"), size=16), stored=stored), Done)
    assert bench.worker._models is None
    assert bench.run("d", GenerateJob(picture=image, type="64")).code == "needs_networks"


@pytest.mark.parametrize("networks", [True, False])
def test_a_finisher_sees_no_gpu(monkeypatch: pytest.MonkeyPatch, networks: bool) -> None:
    """Not even by mistake: they are hidden before torch is imported."""
    setup = Setup(home="h", models="m", networks=networks)
    commands = iter([setup, None])
    end = End()
    monkeypatch.setattr(end, "next", lambda: next(commands))
    monkeypatch.setattr(worker_main, "worker_end", lambda on_cancel: nullcontext(end))
    monkeypatch.setattr("engine.worker.worker.known_device", lambda name: torch.device("cpu"))
    monkeypatch.setattr("os.environ", {"CUDA_VISIBLE_DEVICES": "3"})
    worker_main.main()
    assert os.environ["CUDA_VISIBLE_DEVICES"] == ("3" if networks else "-1")
    assert ("HIP_VISIBLE_DEVICES" in os.environ) is not networks
