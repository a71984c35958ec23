"""The extension's zips and repository: what is in them, for whom, and that bytes are fixed."""

import json
import re
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.tags import Tag, cpython_tags, mac_platforms
from packaging.utils import parse_wheel_filename

import build_addon
from build_addon import PLATFORMS, Refused
from tests.blender.environments import Missing, extension_tool

PYTHONS = {(4, 2): (3, 11), (4, 5): (3, 11), (5, 0): (3, 11), (5, 1): (3, 13), (5, 3): (3, 13)}
"""Blender -> its Python; builds of distributions have newer ones."""

SYSTEMS = {
    "linux-x64": [f"manylinux_2_{minor}_x86_64" for minor in range(28, 4, -1)],
    "windows-x64": ["win_amd64"],
    "windows-arm64": ["win_arm64"],
    "macos-arm64": list(mac_platforms((11, 2), "arm64")),
    "macos-x64": list(mac_platforms((11, 2), "x86_64")),
}
"""What the oldest systems that Blender runs on take (glibc 2.28, macOS 11.2)."""


@pytest.fixture(scope="module")
def zips(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Two platforms: everything, and the one that ends with Blender 4.5."""
    folder = tmp_path_factory.mktemp("zips")
    platforms = ("linux-x64", "macos-x64")
    return dict(zip(platforms, build_addon.build(folder, platforms), strict=True))


def _manifest(file: Path) -> dict:
    with zipfile.ZipFile(file) as archive:
        return tomllib.loads(archive.read("blender_manifest.toml").decode())


def _pairs() -> Iterator[tuple[str, tuple[int, int]]]:
    for platform in PLATFORMS:
        for blender, python in PYTHONS.items():
            if platform != "macos-x64" or blender < (5, 0):
                yield platform, python
        if platform == "linux-x64":
            yield platform, (3, 14)


@pytest.mark.parametrize(("platform", "python"), sorted(set(_pairs())))
def test_report_8_every_blender_has_its_wheels(platform: str, python: tuple[int, int]) -> None:
    """Exactly one of each package for Blender's own choice, which takes the first that fits."""
    fitting: set[Tag] = set(cpython_tags(python, platforms=SYSTEMS[platform]))
    found = [
        name.split("-")[0]
        for name in build_addon.pins()[platform]
        if parse_wheel_filename(name)[3] & fitting
    ]
    assert sorted(found) == ["msgpack", "pyzmq"]


@pytest.mark.parametrize("platform", PLATFORMS)
def test_report_8_abi3_does_not_hide_a_python_from_blender(platform: str) -> None:
    """With pyzmq's abi3 wheel alone Blender counts 3.11 only, and refuses itself."""
    names = list(build_addon.pins()[platform])
    wanted = ["3.11"] if platform == "macos-x64" else ["3.11", "3.13", "3.14"]
    assert build_addon.exact_pythons(names) == wanted
    assert build_addon.exact_pythons([n for n in names if "abi3" in n]) == []


def test_the_same_tree_gives_the_same_bytes(zips: dict[str, Path], tmp_path: Path) -> None:
    (again,) = build_addon.build(tmp_path, ["linux-x64"])
    assert again.name == zips["linux-x64"].name
    assert build_addon.sha256(again) == build_addon.sha256(zips["linux-x64"])


def test_a_zip_holds_what_it_must(zips: dict[str, Path]) -> None:
    with zipfile.ZipFile(zips["linux-x64"]) as archive:
        names = archive.namelist()
        assert archive.testzip() is None
    version = build_addon.engine_version()
    said = _manifest(zips["linux-x64"])
    assert said["version"] == version and said["platforms"] == ["linux-x64"]
    assert {f"./{n}" for n in names if n.startswith("wheels/")} == set(said["wheels"])
    assert [n for n in names if n.startswith("engine/")] == [
        f"engine/maquette-{version}-py3-none-any.whl"
    ]
    assert {"__init__.py", "LICENSE", "protocol/client.py", "protocol/LICENSE"} <= set(names)
    unwanted = ("__pycache__", "wheels.toml", "tests/", "bpy")
    assert not [name for name in names if any(each in name for each in unwanted)]
    assert all(len(reason) <= 64 for reason in said["permissions"].values())


def test_the_zip_of_intel_macs_ends_where_they_end(zips: dict[str, Path]) -> None:
    assert _manifest(zips["macos-x64"])["blender_version_max"] == "5.0.0"
    assert "blender_version_max" not in _manifest(zips["linux-x64"])


def test_the_engine_inside_can_be_installed(zips: dict[str, Path], tmp_path: Path) -> None:
    """pip checks the list of files and hashes of a wheel that was packed again."""
    with zipfile.ZipFile(zips["linux-x64"]) as archive:
        (name,) = [n for n in archive.namelist() if n.startswith("engine/")]
        wheel = Path(archive.extract(name, tmp_path))
    pip = [sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check"]
    to = ["--no-deps", "--no-index", "--no-compile", "--target", str(tmp_path / "there")]
    subprocess.run([*pip, *to, str(wheel)], check=True)
    assert (tmp_path / "there/engine/embedded/pipeline.json").is_file()
    assert list((tmp_path / "there/engine/embedded/ckpts").glob("*.safetensors"))
    asked = "import engine; print(engine.__file__, engine.__version__)"
    done = subprocess.run(
        [sys.executable, "-c", asked], cwd=tmp_path / "there", capture_output=True, text=True
    )
    assert done.stdout.split() == [
        str(tmp_path / "there/engine/__init__.py"),
        build_addon.engine_version(),
    ]


def test_another_wheel_than_the_pinned_one_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build_addon, "CACHE", tmp_path)
    first = next(iter(build_addon.pins()["linux-x64"]))
    (tmp_path / first).write_bytes(b"something else")
    with pytest.raises(Refused, match=re.escape(first)):
        build_addon.pinned_wheels("linux-x64")
    assert not (tmp_path / first).exists()


def test_an_unknown_platform_is_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert build_addon.main(["amiga"]) == 1
    assert "amiga: the platforms are linux-x64" in capsys.readouterr().err


@pytest.mark.blender
def test_blender_accepts_the_zips(zips: dict[str, Path]) -> None:
    _blenders_tool()
    build_addon.check(zips.values())


@pytest.mark.blender
def test_check_sees_a_wheel_that_is_missing(zips: dict[str, Path], tmp_path: Path) -> None:
    """``extension validate`` alone does not."""
    _blenders_tool()
    short = tmp_path / "short.zip"
    with zipfile.ZipFile(zips["macos-x64"]) as whole:
        names = whole.namelist()
        names.remove(next(name for name in names if name.startswith("wheels/")))
        build_addon.write_zip(short, {name: whole.read(name) for name in names})
    with pytest.raises(Refused, match="build"):
        build_addon.check([short])


@pytest.mark.blender
def test_the_repository_is_what_blender_would_write(zips: dict[str, Path], tmp_path: Path) -> None:
    tool = _blenders_tool()
    for file in zips.values():
        (tmp_path / file.name).hardlink_to(file)
    build_addon.write_repository(tmp_path, [tmp_path / file.name for file in zips.values()])
    ours = _repository(tmp_path)
    done = subprocess.run(
        [*tool, "server-generate", f"--repo-dir={tmp_path}", "--html"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert ours == _repository(tmp_path)
    assert all("repository=" in link and "blender_version_min=4.2.0" in link for link in ours[1])


def _repository(folder: Path) -> tuple[dict, list[str]]:
    """index.json, sorted, and the links of index.html."""
    index = json.loads((folder / "index.json").read_text(encoding="utf-8"))
    index["data"].sort(key=lambda entry: entry["archive_url"])
    page = (folder / "index.html").read_text(encoding="utf-8").replace("&amp;", "&")
    return index, sorted(re.findall(r'href="([^"]+)"', page))


def _blenders_tool() -> tuple[str, ...]:
    try:
        return extension_tool()
    except Missing as missing:
        pytest.skip(str(missing))
