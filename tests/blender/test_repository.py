"""The static repository, as Blender's own client uses it: install, see an update, take it."""

import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

import build_addon
from tests.blender import fresh, zips


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A folder, and the address under which any web server would offer it."""
    folder = tmp_path / "served"
    folder.mkdir()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield folder, f"http://127.0.0.1:{server.server_port}/index.json"
    server.shutdown()
    server.server_close()
    thread.join()


def test_installing_from_the_repository_and_updating(
    tmp_path: Path, served: tuple[Path, str]
) -> None:
    folder, address = served
    first = folder / zips.OURS.name
    first.write_bytes(zips.OURS.read_bytes())
    build_addon.write_repository(folder, [first])
    newer = tmp_path / zips.OURS.name.replace(build_addon.engine_version(), "99.0.0")
    zips.with_wheels(zips.OURS, newer, "99.0.0", zips.wheels_of(zips.OURS))
    code = """
    import shutil, tomllib
    import addon_utils, build_addon
    bpy.context.preferences.system.use_online_access = True
    repos = bpy.context.preferences.extensions.repos
    repo = repos.new(name="Maquette", module="maquette_repo", remote_url=address)
    index = list(repos).index(repo)
    name = "bl_ext.maquette_repo.maquette"

    def version():
        manifest = Path(repo.directory, "maquette", "blender_manifest.toml").read_text()
        return tomllib.loads(manifest)["version"], addon_utils.check(name)[1]

    bpy.ops.extensions.repo_sync(repo_index=index)
    bpy.ops.extensions.package_install(repo_index=index, pkg_id="maquette")
    said["installed"] = version()
    shutil.copy(newer, folder)
    build_addon.write_repository(folder, [folder / newer.name])
    bpy.ops.extensions.repo_sync(repo_index=index)
    bpy.ops.extensions.package_upgrade_all()
    said["updated"] = version()
    bpy.ops.preferences.addon_disable(module=name)
    """
    said = fresh.blender(tmp_path / "user", code, address=address, folder=folder, newer=newer)
    assert said["installed"] == [build_addon.engine_version(), True]
    assert said["updated"] == ["99.0.0", True]
