"""What goes wrong with downloads, uv and the engine, as sentences; and what this machine is."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from blender_addon.core import fetch, launch, uv
from blender_addon.core.endings import Breaker, ending
from blender_addon.core.fetch import download
from blender_addon.core.machine import Machine, costs, this_machine
from blender_addon.core.online import online, why_not_online
from blender_addon.core.places import Places
from blender_addon.core.plan import newer, packages_of
from blender_addon.core.uv_trouble import in_words
from blender_addon.protocol.errors import EngineError
from tests.addon.core.index import Index

TORCH = "torch-2.9-py3-none-any.whl"


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Index]:
    made = Index(tmp_path / "index")
    yield made
    made.close()


@pytest.mark.parametrize(
    ("status", "last", "code", "says"),
    [
        (-9, ["x"], "engine_killed", "ended by the system."),
        (137, [], "engine_killed", "ended by the system."),
        (-15, [], "engine_stopped", "from outside"),
        (130, [], "engine_stopped", "from outside"),
        (-11, ["loading kernels"], "engine_crashed", "loading kernels"),
        (-4, [], "engine_crashed", "instruction that this processor lacks"),
        (139, [], "engine_crashed", "fault of memory"),
        (1, ["ImportError: no numpy"], "engine_crashed", "ImportError: no numpy"),
        (0xC0000135, [], "engine_crashed", "a DLL is missing"),
        (-1073741819, [], "engine_crashed", "memory that is not its own"),
        (None, ["no good kernel"], "engine_gone", "no good kernel"),
        (2, ["Error: No port is free.", "End other programs."], "engine_refuses", "No port"),
    ],
)
def test_how_it_ended(status: int | None, last: list[str], code: str, says: str) -> None:
    found = ending(status, last)
    assert found is not None
    assert found.code == code
    assert says in found.message
    assert found.hint


def test_why_it_was_killed_is_not_guessed() -> None:
    found = ending(-9, [])
    assert found is not None and found.message == "The engine was ended by the system."
    assert "one frequent reason" in found.hint and "likely" not in found.message + found.hint


def test_the_log_of_everyday_work_is_not_why_it_ended() -> None:
    everyday = "2026-11-28 11:50:24,119 INFO engine.service.child: worker 7: cleaned"
    for last in ([everyday], []):
        found = ending(None, last)
        assert found is not None and found.message == "The engine has ended without a word."
    harmless = ["INFO engine.worker: warm", "The engine serves at tcp://127.0.0.1:50123."]
    found = ending(-11, [*harmless, everyday])
    assert found is not None and "last words" not in found.message
    found = ending(1, ["MemoryError", everyday])
    assert found is not None and found.message.endswith("MemoryError")


def test_an_end_as_it_should_be_is_no_trouble() -> None:
    assert ending(0, ["bye"]) is None


def test_the_breaker_forgets_what_is_long_ago() -> None:
    now = [0.0]
    breaker = Breaker(lambda: now[0])
    for _ in range(3):
        now[0] += 200.0
        breaker.crashed()
    assert not breaker.open
    breaker.crashed()
    breaker.crashed()
    assert breaker.open
    now[0] += 301.0
    assert not breaker.open


@pytest.mark.parametrize(
    ("text", "code", "says"),
    [
        ("error: x\n cause: No space left on device (os error 28)", "disk_full", "full"),
        ("error: invalid peer certificate: UnknownIssuer", "certificate_unknown", "certificate"),
        ("error: Failed to download `https://github.com/astral-sh/python-build-standalone/r`",
         "no_python", "no Python 3.11"),
        ("error: Request failed\n cause: Failed to fetch: https://pypi.org/simple/a/\n"
         " cause: dns error", "offline", "pypi.org cannot be reached"),
        ("error: https://me:secret@mine.example/simple/a/ dns error", "offline", "mine.example"),
        ("error: HTTP status client error (401 Unauthorized) for url (https://mine.example/a)",
         "login_needed", "mine.example"),
        ("error: No solution found when resolving dependencies\n"
         " cause: Because you require a<1 and a>2.", "nothing_fits", "Because you require a<1"),
        ("error: failed to open file: Permission denied (os error 13)", "unwritable", "denied"),
        ("error: Hash mismatch for `torch`", "download_wrong", "not what was published"),
        ("error: something new", "uv_failed", "something new"),
        ("", "uv_failed", "it said nothing"),
    ],
)  # fmt: skip
def test_what_uv_says(text: str, code: str, says: str) -> None:
    found = in_words(text, "install", Path("/home/me"), Path("/home/me/log"))
    assert found.code == code
    assert says in found.message
    assert "secret" not in str(found)
    assert found.hint


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is full")
def test_a_full_disk_in_the_middle_of_a_download(index: Index, tmp_path: Path) -> None:
    (tmp_path / "a.whl.part").symlink_to("/dev/full")
    with pytest.raises(EngineError) as caught:
        download(f"{index.address}/files/{TORCH}", tmp_path / "a.whl", "", print)
    assert caught.value.code == "disk_full"
    assert not (tmp_path / "a.whl").exists()


@pytest.mark.parametrize(
    ("status", "code"),
    [(404, "download_refused"), (401, "login_needed"), (503, "download_refused")],
)
def test_a_server_that_refuses(index: Index, tmp_path: Path, status: int, code: str) -> None:
    index.behave({TORCH: {"status": status}})
    pauses: list[float] = []
    with pytest.raises(EngineError) as caught:
        download(f"{index.address}/files/{TORCH}", tmp_path / "a", "", print, pause=pauses.append)
    assert caught.value.code == code
    assert len(pauses) == (fetch.TRIES - 1 if status == 503 else 0)


def test_a_proxy_of_the_environment_is_used(
    index: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", index.address)
    _, _, sha256 = index.uv
    name = index.uv[0].rpartition("/")[2]
    download(f"http://files.invalid/files/{name}", tmp_path / name, sha256, lambda here: None)
    assert (tmp_path / name).stat().st_size == index.uv[1]
    log = (index.folder / "asked.txt").read_text()
    assert f"GET http://files.invalid/files/{name}" in log


def test_what_was_set_for_pip_is_told_to_uv() -> None:
    given = {
        "PIP_INDEX_URL": "https://mine/simple",
        "PIP_EXTRA_INDEX_URL": "https://other/simple",
        "PIP_FIND_LINKS": "/a /b",
        "PIP_CERT": "/c.pem",
        "HTTPS_PROXY": "http://p",
        "PYTHONHOME": "/blender",
        "VIRTUAL_ENV": "/v",
    }
    made = uv.environment_for(given, Places(Path("/h")))
    assert made["UV_DEFAULT_INDEX"] == "https://mine/simple"
    assert made["UV_INDEX"] == "https://other/simple"
    assert made["UV_FIND_LINKS"] == "/a,/b"
    assert made["SSL_CERT_FILE"] == "/c.pem"
    assert made["HTTPS_PROXY"] == "http://p"
    assert {"PYTHONHOME", "VIRTUAL_ENV"} & set(made) == set()
    kept = uv.environment_for({**given, "UV_DEFAULT_INDEX": "in=https://uv/s"}, Places(Path("/h")))
    assert kept["UV_DEFAULT_INDEX"] == "in=https://uv/s"
    assert uv.own_index(kept) == "https://uv/s"
    linux = Machine("linux", "x64", nvidia=False)
    assert uv.torch_backend(linux, {}) == "auto"
    assert uv.torch_backend(linux, given) == ""


def test_machines_and_what_a_set_up_costs_there() -> None:
    def none(_: str) -> bool:
        return False

    card = this_machine("linux", "x86_64", lambda path: path.startswith("/proc/driver/nvidia"))
    assert card == Machine("linux", "x64", nvidia=True)
    assert this_machine("win32", "AMD64", lambda path: "nvcuda" in path).nvidia
    assert this_machine("darwin", "arm64", lambda path: True) == Machine("macos", "arm64", False)
    plain = this_machine("linux", "x86_64", none)
    assert costs(card).download > 5 * costs(plain).download
    assert costs(plain).disk > costs(plain).download
    assert uv.wheel_for(Machine("macos", "x64", nvidia=False)) is None


def test_the_sentence_of_online_access() -> None:
    assert why_not_online(online(access=True, override=False)) == ""
    assert "Allow Online Access" in why_not_online(online(access=False, override=False))
    assert "--offline-mode" in why_not_online(online(access=False, override=True))


def test_blenders_python_is_found(tmp_path: Path) -> None:
    def find(executable: str, prefix: str, *there: str) -> Path | None:
        return launch.blenders_python(executable, prefix, (3, 13), lambda p: str(p) in there)

    assert find("/b/python/bin/python3.13", "/b/python", "/b/python/bin/python3.13") is not None
    found = find("/usr/bin/blender", "/usr", "/usr/bin/blender", "/usr/bin/python3.13")
    assert found == Path("/usr/bin/python3.13")
    assert find("/usr/bin/blender", "/x", "/usr/bin/blender") is None


def test_versions_are_compared_by_numbers() -> None:
    assert newer("0.10.0", "0.9.1")
    assert not newer("2.9.0+cpu", "2.9.0")


def test_a_list_that_cannot_be_read() -> None:
    with pytest.raises(EngineError, match="cannot be read"):
        packages_of("[[packages]]\nname = 'a'\n")
