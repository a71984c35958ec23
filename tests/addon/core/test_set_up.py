"""The set-up of the engine, with the real uv: cut, killed, spoilt, full; and what stays."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from blender_addon.core import launch
from blender_addon.core.installed import own_engine
from blender_addon.core.places import Places, python_in
from tests.addon.core.index import LARGE, Index
from tests.addon.core.index import TORCH as TORCH_CODE
from tests.addon.core.set_up_runs import EXTENSION, Run, version_of, wait_for

TORCH = "torch-2.9-py3-none-any.whl"
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the fake uv is a shell script")


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Index]:
    made = Index(tmp_path / "index")
    yield made
    made.close()


def test_from_nothing_to_an_engine_that_answers(index: Index, tmp_path: Path) -> None:
    run = Run(index, index.order(tmp_path / "home", index.add_engine("1.0")))
    assert run.wait() == 0, run.told()
    told = run.told()
    assert told[-1] == {"finished": True}
    steps = [each for each in told if "step" in each]
    fractions = [each["fraction"] for each in steps]
    assert fractions == sorted(fractions)
    torch = [each for each in steps if each["step"] == "Downloading torch 2.9"]
    assert torch
    assert torch[0]["total"] > LARGE
    assert version_of(run.places) == "maquette 1.0"
    found = own_engine(run.places)
    assert found is not None
    assert (found.version, set(found.packages)) == ("1.0", {"torch", "rembg"})
    assert not run.places.new.exists()
    assert not run.places.downloads.exists()


def test_a_cut_download_is_resumed_where_it_was_cut(index: Index, tmp_path: Path) -> None:
    index.behave({TORCH: {"cut": [1_000_000, 500_000]}})
    run = Run(index, index.order(tmp_path / "home", index.add_engine("1.0")))
    assert run.wait() == 0, run.told()
    assert [asked for name, asked in index.got() if name == TORCH] == [
        "",
        "bytes=1000000-",
        "bytes=1500000-",
    ]


def test_killed_in_the_middle_nothing_is_half_there_and_it_continues(
    index: Index, tmp_path: Path
) -> None:
    order = index.order(tmp_path / "home", index.add_engine("1.0"))
    index.behave({TORCH: {"slow": 1_000_000}})
    run = Run(index, order)
    part = run.places.downloads / f"{TORCH}.part"
    wait_for(lambda: part.exists() and part.stat().st_size > 500_000)
    launch.end_group(run.process.pid, {})
    assert run.process.wait(10) != 0
    assert own_engine(run.places) is None
    here = part.stat().st_size
    index.behave({})
    index.got()
    run = Run(index, order)
    assert run.wait() == 0
    assert [asked for name, asked in index.got() if name == TORCH] == [f"bytes={here}-"]
    assert version_of(run.places) == "maquette 1.0"


def test_bytes_that_were_not_published_are_refused(index: Index, tmp_path: Path) -> None:
    index.behave({TORCH: {"spoil": True}})
    run = Run(index, index.order(tmp_path / "home", index.add_engine("1.0")))
    code, message, hint = run.failed()
    assert code == "download_wrong"
    assert TORCH in message
    assert hint
    assert own_engine(run.places) is None
    assert list(run.places.downloads.glob(f"{TORCH}*")) == []


def test_uv_itself_is_checked(index: Index, tmp_path: Path) -> None:
    order = index.order(tmp_path / "home", index.add_engine("1.0"))
    index.behave({order.uv_url.rpartition("/")[2]: {"spoil": True}})
    assert Run(index, order).failed()[0] == "download_wrong"


def test_an_update_downloads_what_has_changed_and_nothing_else(
    index: Index, tmp_path: Path
) -> None:
    index.add("leaving", "1.0", {"leaving.py": ""})
    index.add("coming", "3.0", {"coming/__init__.py": ""}, size=LARGE)
    order = index.order(tmp_path / "home", index.add_engine("1.0", requires=["leaving"]))
    assert Run(index, order).wait() == 0
    # A newer torch within the range is no reason to download it.
    index.add("torch", "2.10", {"torch/__init__.py": ""}, size=LARGE)
    index.got()
    order = index.order(tmp_path / "home", index.add_engine("2.0", requires=["coming"]))
    run = Run(index, order)
    assert run.wait() == 0, run.told()
    got = {name for name, _ in index.got()}
    assert got == {"coming-3.0-py3-none-any.whl", index.uv[0].rpartition("/")[2]}
    assert version_of(run.places) == "maquette 2.0"
    found = own_engine(run.places)
    assert found is not None
    assert set(found.packages) == {"torch", "rembg", "coming"}
    python = str(python_in(run.places.engine))
    look = "import torch, coming; import importlib.util as u; print(u.find_spec('leaving'))"
    done = subprocess.run([python, "-I", "-c", look], capture_output=True, text=True)
    assert done.stdout.strip() == "None", done.stderr


def test_another_build_of_the_same_version_is_installed(index: Index, tmp_path: Path) -> None:
    assert Run(index, index.order(tmp_path / "home", index.add_engine("1.0"))).wait() == 0
    before = own_engine(Places(tmp_path / "home"))
    main = "print('maquette 1.0, another build')\n"
    run = Run(index, index.order(tmp_path / "home", index.add_engine("1.0", main=main)))
    assert run.wait() == 0, run.told()
    assert version_of(run.places) == "maquette 1.0, another build"
    after = own_engine(run.places)
    assert before is not None
    assert after is not None
    assert before.wheel != after.wheel


def test_an_engine_that_does_not_answer_replaces_none(index: Index, tmp_path: Path) -> None:
    assert Run(index, index.order(tmp_path / "home", index.add_engine("1.0"))).wait() == 0
    wheel = index.add_engine("2.0", main="raise SystemExit('no such thing')\n")
    run = Run(index, index.order(tmp_path / "home", wheel))
    code, message, _ = run.failed()
    assert code == "uv_failed"
    assert "no such thing" in message
    assert version_of(run.places) == "maquette 1.0"


def test_a_torch_that_does_not_import_replaces_none(index: Index, tmp_path: Path) -> None:
    index.add("torch", "3.0", {"torch/__init__.py": "import nothing_like_it\n"})
    run = Run(index, index.order(tmp_path / "home", index.add_engine("1.0")))
    assert "nothing_like_it" in run.failed()[1]
    assert own_engine(run.places) is None


def test_report_10_long_paths_with_cyrillic_letters_and_spaces(
    index: Index, tmp_path: Path
) -> None:
    home = tmp_path / ("Пользователь с пробелами " * 4) / ("очень длинная папка " * 5)
    assert len(str(home)) > 200
    run = Run(index, index.order(home, index.add_engine("1.0")))
    assert run.wait() == 0, run.told()
    assert version_of(run.places) == "maquette 1.0"


def test_report_22_it_asks_before_it_costs_more_than_was_said(index: Index, tmp_path: Path) -> None:
    index.add("torch", "2.11", {"torch/__init__.py": TORCH_CODE}, size=LARGE, claimed=900_000_000)
    wheel = index.add_engine("1.0")
    run = Run(index, index.order(tmp_path / "home", wheel, agreed=100_000_000))
    assert run.wait() == 3
    asked = run.told()[-1]
    assert asked["asks"] == "The download is 0.9 GB."
    assert asked["download"] == pytest.approx(900_000_000, rel=0.01)
    assert asked["disk"] > asked["download"]
    assert not any("torch" in name for name, _ in index.got())
    run = Run(index, index.order(tmp_path / "home", wheel, agreed=100_000_000, accepted=True))
    assert run.wait() == 0, run.told()


def test_a_disk_without_room_is_known_before_the_download(index: Index, tmp_path: Path) -> None:
    index.add("torch", "2.11", {"torch/__init__.py": TORCH_CODE}, size=LARGE, claimed=10**15)
    order = index.order(tmp_path / "home", index.add_engine("1.0"), agreed=10**16)
    code, message, hint = Run(index, order).failed()
    assert code == "disk_full"
    assert str(tmp_path / "home") in message
    assert "GB free" in hint
    assert not any("torch" in name for name, _ in index.got())


def test_one_set_up_at_a_time(index: Index, tmp_path: Path) -> None:
    order = index.order(tmp_path / "home", index.add_engine("1.0"))
    index.behave({TORCH: {"slow": 1_000_000}})
    run = Run(index, order)
    wait_for(lambda: run.places.downloads.exists())
    command = launch.set_up_command(Path(sys.executable), EXTENSION)
    second = subprocess.run(command, input=order.to_json(), cwd=tmp_path, timeout=20)
    assert second.returncode == 4
    launch.end_group(run.process.pid, {})
    run.process.wait(10)


def test_what_an_unfinished_one_left_can_be_deleted(index: Index, tmp_path: Path) -> None:
    index.behave({TORCH: {"status": 404}})
    order = index.order(tmp_path / "home", index.add_engine("1.0"))
    run = Run(index, order)
    code, message, _ = run.failed()
    assert code == "download_refused"
    assert "404" in message
    assert run.places.downloads.exists()
    assert Run(index, order, "discard").process.wait(20) == 0
    assert not run.places.downloads.exists()
    assert not run.places.new.exists()


def test_pytorch_comes_from_the_index_where_its_own_server_is_out_of_reach(
    index: Index, tmp_path: Path
) -> None:
    order = index.order(tmp_path / "home", index.add_engine("1.0"), backend="cpu")
    nowhere = {"HTTPS_PROXY": "http://127.0.0.1:9", "UV_HTTP_RETRIES": "0"}
    given = index.environment()
    index.environment = lambda: {**given, **nowhere}
    run = Run(index, order)
    assert run.wait() == 0, run.told()
    notes = [each["note"] for each in run.told() if "note" in each]
    assert notes == [
        "download.pytorch.org cannot be reached: PyTorch comes from the package index."
    ]


def test_without_a_network_the_server_is_named(index: Index, tmp_path: Path) -> None:
    order = index.order(tmp_path / "home", index.add_engine("1.0"))
    given = index.environment()
    index.environment = lambda: {**given, "UV_DEFAULT_INDEX": "http://127.0.0.1:9/simple"}
    code, message, hint = Run(index, order).failed()
    assert code == "offline"
    assert "127.0.0.1 cannot be reached" in message
    assert "HTTPS_PROXY" in hint


def test_an_engine_that_nothing_fits_names_what_is_missing(index: Index, tmp_path: Path) -> None:
    order = index.order(tmp_path / "home", index.add_engine("1.0", requires=["torch>99"]))
    code, message, hint = Run(index, order).failed()
    assert code == "nothing_fits"
    assert "torch" in message
    assert hint


def test_uv_is_got_from_the_users_own_index(index: Index, tmp_path: Path) -> None:
    order = index.order(
        tmp_path / "home",
        index.add_engine("1.0"),
        index=f"{index.address}/simple",
        uv_url="https://nowhere.invalid/" + index.uv[0].rpartition("/")[2],
    )
    run = Run(index, order)
    assert run.wait() == 0, run.told()


def test_the_set_up_imports_no_wheel() -> None:
    script = (
        "import sys; sys.path.append(sys.argv[1]); import blender_addon.core.set_up_process; "
        "print(sorted({'zmq', 'msgpack', 'numpy', 'bpy', 'threading'} & set(sys.modules)))"
    )
    command = [sys.executable, "-I", "-c", script, str(EXTENSION.parent)]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ})
    assert done.stdout.strip() in ("[]", "['threading']"), done.stderr
