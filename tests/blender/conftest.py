"""Tests of the extension, as it is installed from its zip, in a real Blender.

Run them from the project's folder:

    python run.py python -m tests.blender                      in one version
    python run.py python -m tests.blender all                  in all versions, two at a time
    python run.py python -m tests.blender 5.3.0 tests/blender/test_wheels.py -k update -x

What follows the versions goes to pytest, which runs in an environment that has bpy. Everything that
needs bpy may be imported at the top of a test's file, the extension only inside of tests
(``from tests.blender import addon``; ``addon.module("bl.tick")``), since it is installed when the
first test starts. All tests of a run share a Blender; ``blank`` gives each an empty file.

The ordinary ``python run.py test`` collects test_in_blender.py only, which does the first of these.
"""

import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.blender.engines import Engine
    from tests.blender.pump import Pump
    from tests.blender.recorder import Recorder

HERE = Path(__file__).parent
ZIP = os.environ.get("MAQUETTE_ADDON_ZIP")
OUTSIDE = ("test_in_blender.py",)
"""What runs in the project's own environment."""

collect_ignore = [
    file.name for file in HERE.glob("test_*.py") if (file.name in OUTSIDE) == bool(ZIP)
]

if ZIP:
    # Before bpy is imported for the first time. Letters, spaces: as users' folders have them.
    _folder = tempfile.TemporaryDirectory(prefix="Zoë Ёжик ", ignore_cleanup_errors=True)
    os.environ["BLENDER_USER_RESOURCES"] = _folder.name
    os.environ["MAQUETTE_HOME"] = str(Path(_folder.name, "home"))


@pytest.fixture(scope="session")
def pump() -> "Pump":
    """What runs the extension's timers when a test asks for it."""
    from tests.blender.pump import Pump

    pump = Pump()
    pump.install()
    return pump


@pytest.fixture(scope="session", autouse=True)
def installed(request: pytest.FixtureRequest) -> Iterator[None]:
    """The extension is installed and enabled, and leaves nothing behind when it is disabled."""
    if not ZIP:
        yield
        return
    from tests.blender import addon

    # Asked for here, since it imports bpy, which the project's own environment lacks.
    pump: Pump = request.getfixturevalue("pump")
    addon.install(Path(ZIP))
    yield
    addon.disable()
    assert not addon.enabled()
    assert addon.registered_classes() == []
    assert pump.registered == []


@pytest.fixture(autouse=True)
def no_traceback(capfd: pytest.CaptureFixture[str]) -> Iterator[None]:
    """Nothing that a test does makes Blender print a traceback, or warn of our properties."""
    yield
    if ZIP:
        said = "".join(capfd.readouterr())
        assert "Traceback (most recent call last)" not in said, said
        assert "matches no enum" not in said, said


@pytest.fixture
def blank() -> None:
    """An empty file: no object, a scene, and the extension as it was."""
    import bpy

    from tests.blender import addon

    if bpy.context.mode != "OBJECT":
        bpy.ops.object.mode_set(mode="OBJECT")
    bpy.ops.wm.read_homefile(use_factory_startup=True, use_empty=True)
    assert addon.enabled()


@pytest.fixture
def known(blank: None) -> dict[str, Any]:
    """Snapshots by the names of the pictures in the gallery."""
    from tests.blender import addon
    from tests.blender.gui.states import states

    return states(addon.module("core.snapshot"))


@pytest.fixture
def session(monkeypatch: pytest.MonkeyPatch, known: dict[str, Any]) -> "Recorder":
    """Writes down what operators ask for, while a picture is chosen."""
    from tests.blender import addon
    from tests.blender.recorder import Recorder, show

    recorder = Recorder()
    monkeypatch.setattr(addon.module("bl.tick"), "session", lambda: recorder)
    show(monkeypatch, known["08_picture"])
    return recorder


@pytest.fixture
def fake_engine(tmp_path: Path) -> Iterator[Callable[[Mapping[str, Any]], "Engine"]]:
    """Starts an engine that plays a script: ``fake_engine({"jobs": [[{"stage": "shape"}]]})``."""
    from tests.blender.engines import Engine

    started: list[Engine] = []

    def start(script: Mapping[str, Any]) -> Engine:
        engine = Engine(tmp_path / f"engine{len(started)}", script)
        started.append(engine)
        return engine.start()

    yield start
    for engine in started:
        engine.stop()


@pytest.fixture(scope="session")
def real_engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator["Engine"]:
    """The real engine with the small model, one for all tests of a run.

    Its jobs take many seconds, so that ``all`` uses it in the newest version only.
    """
    from tests.blender.engines import Engine

    if os.environ.get("MAQUETTE_REAL_ENGINE") == "0":
        pytest.skip("where all versions run, the real engine is used in the newest")
    engine = Engine(tmp_path_factory.mktemp("real")).start()
    yield engine
    engine.stop()


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    """Leave at once: what is still registered when bpy is unloaded (after a failure) crashes 4.2
    and hangs 4.5, and by then everything is written."""
    status = getattr(config, "maquette_status", None)
    if ZIP and status is not None:
        config.get_terminal_writer().flush()
        _folder.cleanup()
        os._exit(status)


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    session.config.maquette_status = int(exitstatus)  # type: ignore[attr-defined]
