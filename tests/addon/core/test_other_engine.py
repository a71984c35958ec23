"""Another engine is chosen while one is in use: its keys, jobs and results are not the first's."""

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from blender_addon.core.settings import GenerateSettings
from blender_addon.core.snapshot import EngineView
from tests.addon.core.engine import HERE, Desk, picture
from tests.addon.core.test_trouble import LONG, QUICK, SEED
from tests.service.peer import Server

MakeDesk = Callable[..., Desk]
OWN = EngineView(state="ready", verb="")
STUDIO = EngineView(state="ready", place="studio:50123", remote=True, verb="")


def use(blender: Desk, home: Path, engine: EngineView) -> None:
    """As the engine's process does when another one was chosen."""
    blender.home = home
    blender.session.engine_facts(engine)


def test_a_live_connection_is_left_and_the_other_engine_gets_the_jobs(
    tmp_path: Path, desk: MakeDesk
) -> None:
    own, studio = tmp_path / "home", tmp_path / "studio"
    with closing(Server(own, {"jobs": [LONG]})), closing(Server(studio, {"jobs": [QUICK]})):
        blender = desk()
        use(blender, own, OWN)
        blender.ready()
        blender.session.chosen.choose(picture())
        blender.until(lambda: blender.snapshot.picture.cut_out)
        (left,) = blender.session.generate(SEED, HERE)
        blender.reach(left, "running")
        use(blender, studio, STUDIO)
        assert blender.snapshot.engine.state == "starting"
        assert blender.snapshot.checkpoint is None and not blender.snapshot.jobs
        assert "chair" in blender.snapshot.message and "this machine" in blender.snapshot.message
        blender.ready()
        assert blender.snapshot.engine.place == "studio:50123"
        (job,) = blender.session.generate(GenerateSettings(seed=1), HERE)
        blender.reach(job, "done")
        blender.until(lambda: [row.id for row in blender.snapshot.history] == [job])
        use(blender, own, OWN)
        blender.until(lambda: [row.id for row in blender.snapshot.jobs] == [left])
        assert blender.reach(left, "running").title == "chair"


def test_what_was_never_sent_goes_to_the_other_engine(tmp_path: Path, desk: MakeDesk) -> None:
    studio = tmp_path / "studio"
    with closing(Server(studio, {"jobs": [QUICK]})):
        blender = desk()
        blender.session.engine_facts(OWN)
        blender.tick()
        blender.session.chosen.choose(picture())
        blender.session.generate(SEED, HERE, picture())
        assert blender.snapshot.picture.checking
        use(blender, studio, STUDIO)
        (view,) = blender.snapshot.jobs
        blender.reach(view.id, "done")
        blender.until(lambda: blender.snapshot.picture.cut_out)


def test_another_machine_is_left_alone_as_soon_as_the_internet_must_not_be_used(
    tmp_path: Path, desk: MakeDesk
) -> None:
    studio = tmp_path / "studio"
    with closing(Server(studio, {"jobs": [LONG]})):
        blender = desk()
        use(blender, studio, STUDIO)
        blender.ready()
        offline = EngineView(
            state="refused", place=STUDIO.place, remote=True, sentence="Online access is off."
        )
        blender.session.engine_facts(offline)
        blender.pump(0.3)
        assert blender.snapshot.engine.state == "refused"
        assert blender.snapshot.engine.sentence == "Online access is off."
        blender.session.engine_facts(STUDIO)
        blender.ready()
