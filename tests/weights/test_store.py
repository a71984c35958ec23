"""Downloading, checking and removing weights, against a hub that runs in this process."""

import dataclasses
import shutil
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any, NamedTuple

import filelock
import numpy as np
import pytest

from engine.images.rembg_matte import DEFAULT_MODEL
from engine.systems.catalogue import CHOICES, catalogue, choose
from engine.systems.opening import load_checkpoint
from engine.weights import fetch
from engine.weights.hub import Origin
from engine.weights.hub_names import DINOV3, KNOWN_MIRRORS, REMBG, TRELLIS2
from engine.weights.manifest import manifests
from engine.weights.store import Progress, Store
from engine.weights.weight import Weight
from protocol.errors import EngineError
from tests.checkpoints import tiny
from tests.small_disk import fill, mounted
from tests.weights.fake_hub import FakeHub, serving, weight

BIG = np.random.default_rng(1).bytes(3_000_000)
FILES = {"ckpts/net.json": b'{"name": "N"}', "ckpts/net.safetensors": BIG}


@pytest.fixture
def hub() -> Iterator[FakeHub]:
    with serving() as hub:
        hub.files = {f"me/mine/{name}": content for name, content in FILES.items()}
        yield hub


class Bench(NamedTuple):
    store: Store
    net: Weight
    target: Path


@pytest.fixture
def bench(hub: FakeHub, tmp_path: Path) -> Bench:
    store = Store(tmp_path / "models", origin=Origin(hub.url))
    return Bench(store, weight("net", FILES), store.folder / "me/mine/ckpts/net.safetensors")


def refused(code: str, *words: str):
    pattern = "".join(f"(?=.*{word})" for word in words)
    return pytest.raises(EngineError, match=f"(?s){pattern}", check=lambda e: e.code == code)


class Stopped(Exception):
    """What a user's Ctrl-C stands for."""


def stop_after(count: int):
    def report(progress: Progress) -> None:
        if progress.file.endswith("safetensors") and progress.done >= count:
            raise Stopped

    return report


def test_download_state_and_second_time(hub: FakeHub, bench: Bench):
    store, net, target = bench
    assert store.state(net) == "absent"
    seen: list[Progress] = []
    assert store.download([net], seen.append) == [target.with_suffix(".json"), target]
    assert target.read_bytes() == BIG
    assert store.state(net) == "present"
    assert seen[-1] == Progress("ckpts/net.safetensors", len(BIG), len(BIG), net.bytes, net.bytes)
    totals = [progress.total_done for progress in seen]
    assert totals == sorted(totals)
    assert {p.name for p in target.parent.iterdir()} == {"net.json", "net.safetensors"}
    asked = len(hub.requests)
    assert store.download([net]) == []
    assert len(hub.requests) == asked
    assert not any(token for *_, token in hub.requests)


def test_a_stopped_download_goes_on_where_it_was(
    hub: FakeHub, bench: Bench, monkeypatch: pytest.MonkeyPatch
):
    store, net, target = bench
    monkeypatch.setattr(fetch, "PIECE", 500_000)
    with pytest.raises(Stopped):
        store.download([net], stop_after(1_000_000))
    assert not target.exists()
    assert store.state(net) == "partial"
    (part,) = fetch.parts_of(target)
    there = part.stat().st_size
    assert 0 < there < len(BIG)
    hub.requests.clear()
    seen: list[Progress] = []
    # Another Store, as another process would have.
    Store(store.folder, origin=Origin(hub.url)).download([net], seen.append)
    ((_, span),) = hub.gets()
    assert span == f"bytes={there}-"
    assert seen[0].done == there
    assert target.read_bytes() == BIG
    assert fetch.parts_of(target) == []


def test_a_broken_connection_is_mended(hub: FakeHub, bench: Bench, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(fetch, "PIECE", 500_000)
    store, net, target = bench
    alone = dataclasses.replace(net, files=net.files[1:])
    hub.cut = 1_000_000
    store.download([alone])
    assert target.read_bytes() == BIG
    assert [span is not None for _, span in hub.gets()] == [False, True]


def test_a_server_without_ranges_starts_over(hub: FakeHub, bench: Bench):
    store, net, target = bench
    hub.ranges = False
    part = fetch.part_path(target, net.files[1].sha256)
    part.parent.mkdir(parents=True)
    part.write_bytes(BIG[:1000])
    store.download([net])
    assert target.read_bytes() == BIG


def test_other_bytes_than_published_are_refused(hub: FakeHub, bench: Bench):
    store, net, target = bench
    hub.files["me/mine/ckpts/net.safetensors"] = b"x" + BIG[1:]
    with refused("weights_differ", "net.safetensors", "SHA-256"):
        store.download([net])
    assert not target.exists()
    assert fetch.parts_of(target) == []
    hub.files["me/mine/ckpts/net.safetensors"] = BIG + b"more"
    with refused("weights_differ", "3,000,004 bytes instead of 3,000,000"):
        store.download([net])


def test_mirrors_need_no_revision_of_the_original(hub: FakeHub, bench: Bench):
    hub.files |= {f"you/copy/{name}": content for name, content in FILES.items()}
    store, net, target = bench
    Store(store.folder, origin=Origin(hub.url, (("me/mine", "you/copy"),))).download([net])
    assert target.read_bytes() == BIG
    assert {path.split("/ckpts")[0] for path, _ in hub.gets()} == {"/you/copy/resolve/main"}


def test_gated_missing_and_unreachable(hub: FakeHub, tmp_path: Path):
    store = Store(tmp_path, origin=Origin(hub.url))
    hub.gated = {DINOV3}
    with refused("hub_gated", f"--mirror {DINOV3}={KNOWN_MIRRORS[DINOV3]}", "DINOv3 License"):
        store.download([weight("encoder", FILES, repository=DINOV3, licence="DINOv3 License")])
    with refused("hub_not_found", "nobody/nothing"):
        store.download([weight("nothing", FILES, repository="nobody/nothing")])
    with refused("file_missing", "other.bin"):
        store.download([weight("other", {"other.bin": b"1"})])
    nowhere = Store(tmp_path, origin=Origin("http://127.0.0.1:9"))
    with refused("hub_failed", "net.json"):
        nowhere.download([weight("net", FILES)])
    assert list(tmp_path.iterdir()) == []
    new = Store(tmp_path / "new", origin=Origin("http://127.0.0.1:9"))
    with refused("hub_failed", "net.json"):
        new.download([weight("net", FILES)])
    assert list(tmp_path.iterdir()) == []


def test_offline_names_what_is_missing(hub: FakeHub, bench: Bench):
    store, net, _ = bench
    offline = Store(store.folder, origin=Origin(hub.url), offline=True)
    with refused("weights_offline", "net"):
        offline.download([net])
    assert hub.requests == []
    store.download([net])
    assert offline.download([net]) == []
    assert [f.state for f in offline.verify([net])] == ["ok", "ok"]


def test_a_full_disk_is_seen_before(hub: FakeHub, bench: Bench, monkeypatch: pytest.MonkeyPatch):
    store, net, _ = bench
    usage = shutil.disk_usage(store.folder.parent)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=1 << 30))
    with refused("disk_full", "1.1 GB are free"):
        store.download([net])
    assert hub.requests == []
    assert not store.folder.exists()


@pytest.mark.parametrize("newest", [True, False])
def test_progress_is_told_by_every_http_get(newest: bool, monkeypatch: pytest.MonkeyPatch):
    """huggingface_hub 0.36 takes a bar where 1.0 and newer take a class of bars."""

    def takes_a_class(url: str, stream: object, *, resume_size: int, tqdm_class: type) -> None:
        with tqdm_class(initial=resume_size, total=9, desc="file") as bar:
            bar.update(4)

    def takes_a_bar(url: str, stream: object, *, resume_size: int, _tqdm_bar: Any) -> None:
        with nullcontext(_tqdm_bar) as bar:
            bar.update(4)

    http_get: Any = takes_a_class if newest else takes_a_bar
    monkeypatch.setattr(fetch, "http_get", http_get)
    heard: list[int] = []
    http_get("u", None, resume_size=3, **fetch._progress(heard.append, 3))
    assert heard == [3, 7]


def test_a_disk_that_fills_up_keeps_what_came(bench: Bench, monkeypatch: pytest.MonkeyPatch):
    def full(url: str, stream, **options: object) -> None:
        stream.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(fetch, "http_get", full)
    store, net, target = bench
    with refused("disk_full", "cannot hold the rest of ckpts/net.json"):
        store.download([net])
    (part,) = fetch.parts_of(target.with_suffix(".json"))
    assert part.read_bytes() == b"half"


def test_a_small_disk_that_fills_up_resumes_when_there_is_room(
    hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("engine.weights.store.RESERVE", 0)
    with mounted(tmp_path / "disk", 8 << 20) as disk:
        store = Store(disk / "models", origin=Origin(hub.url))
        net, ballast = weight("net", FILES), disk / "ballast"
        target = store.folder / "me/mine/ckpts/net.safetensors"

        def fill_up(progress: Progress) -> None:
            if progress.file.endswith("safetensors") and not ballast.exists():
                fill(ballast, left=1 << 20)

        with refused("disk_full", "cannot hold the rest of ckpts/net.safetensors"):
            store.download([net], fill_up)
        (part,) = fetch.parts_of(target)
        here = part.stat().st_size
        assert 0 < here < len(BIG) and not target.exists()
        assert part.read_bytes() == BIG[:here]
        ballast.unlink()
        hub.requests.clear()
        store.download([net])
        assert target.read_bytes() == BIG
        assert [span for _, span in hub.gets()] == [f"bytes={here}-"]


def test_one_download_at_a_time(bench: Bench):
    store, net, _ = bench
    store.folder.mkdir()
    with filelock.FileLock(store.folder / ".download.lock"), refused("weights_busy"):
        store.download([net])


def test_verify_names_what_is_corrupt(bench: Bench):
    store, net, target = bench
    loose = dataclasses.replace(net.files[0], sha256=None, exact=False)
    net = dataclasses.replace(net, files=(loose, net.files[1]))
    assert [f.state for f in store.verify([net])] == ["missing", "missing"]
    store.download([net])
    assert [f.state for f in store.verify([net])] == ["unknown", "ok"]
    target.write_bytes(BIG[:-1] + bytes([BIG[-1] ^ 1]))
    findings = store.verify([net])
    assert [f.state for f in findings] == ["unknown", "corrupt"]
    assert findings[1].path == target
    target.write_bytes(BIG[:-1])
    assert store.verify([net])[1].state == "corrupt"
    assert store.state(net) == "partial"


def test_remove_takes_parts_and_empty_folders_and_nothing_else(bench: Bench):
    store, net, target = bench
    store.download([net])
    fetch.part_path(target, "old").write_bytes(b"12345")
    own = store.folder / "me/notes.txt"
    own.write_text("mine")
    assert store.remove([net]) == net.bytes + 5
    assert not (store.folder / "me/mine").exists()
    assert own.exists()
    assert store.remove([net]) == 0


def test_a_repository_in_the_store_is_a_checkpoint(tmp_path: Path):
    store = Store(tmp_path)
    assert store.checkpoint("me/mine") == "me/mine"
    tiny.write_checkpoint(tmp_path / "me/mine", at=tmp_path / "somebody/structure/ckpts/decoder")
    assert store.checkpoint("me/mine") == str(tmp_path / "me/mine")
    assert store.checkpoint(str(tmp_path)) == str(tmp_path)
    found = load_checkpoint(store.checkpoint("me/mine"), offline=True)
    assert found.files("sparse_structure_decoder")[1].is_relative_to(tmp_path / "somebody")


def test_the_catalogue_has_every_published_network_once():
    stems = [
        (weight.repository, file.name.removesuffix(".safetensors"))
        for weight in catalogue().values()
        for file in weight.files
        if file.name.startswith("ckpts/") and file.name.endswith(".safetensors")
    ]
    published = {(m.repository, stem) for m in manifests().values() for stem in m.networks}
    assert set(stems) == published
    assert len(stems) == len(published)


def test_the_catalogue_says_what_presets_need():
    # checkpoints.md 1.1: what image to 3D at 1024_cascade and texturing load.
    networks = {w.name for w in choose(["standard"])} - {"pipeline", "image_encoder", "matte"}
    assert networks == {
        *("structure_flow", "structure_decoder", "shape_flow_512", "shape_flow_1024"),
        *("texture_flow_1024", "shape_decoder", "material_decoder"),
    }
    assert {"shape_encoder", "texture_flow_1024", "material_decoder"} <= {
        w.name for w in choose(["texture"])
    }
    assert "shape_encoder" in {w.name for w in choose(["high"])}  # meshes can be upscaled
    assert [w.name for w in choose(["all"])] == list(catalogue())
    assert [w.name for w in choose(["matte_lite", "matte"])] == ["matte", "matte_lite"]
    with refused("weights_unknown", "shape_flaw", CHOICES[0]):
        choose(["shape_flaw"])


def test_facts_of_encoder_and_matte():
    encoder = catalogue()["image_encoder"]
    assert (encoder.repository, encoder.gated, encoder.licence) == (DINOV3, True, "DINOv3 License")
    assert encoder.commercial
    assert encoder.conditions
    matte = catalogue()["matte"]
    assert matte.repository == REMBG
    assert matte.files[0].name == f"{DEFAULT_MODEL}.onnx"
    assert matte.files[0].url is not None
    assert not any(w.gated for w in catalogue().values() if w.repository == TRELLIS2)
    # The encoders' sizes are not published; their tensors alone make 2 bytes each.
    assert 708_700_000 < catalogue()["shape_encoder"].bytes < 708_800_000
    assert not catalogue()["shape_encoder"].exact
