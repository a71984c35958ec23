"""What people read: costs, why something cannot be done, and the diagnosis."""

from dataclasses import replace
from pathlib import Path

import pytest

from blender_addon.core import costs, refusals
from blender_addon.core.diagnosis import diagnosis, shared_log, without_secrets
from blender_addon.core.settings import StageSettings
from blender_addon.core.snapshot import (
    CheckpointView,
    EngineView,
    JobView,
    PictureView,
    QualityView,
    SetupView,
    Snapshot,
    StageView,
    WeightsView,
)

READY = EngineView(state="ready", sentence="The engine is ready.", verb="", device="RTX 3060")
NETWORKS = CheckpointView(
    name="TRELLIS.2",
    small=False,
    qualities=(
        QualityView(name="draft", resolution=512, seconds=38.0, memory=8_000_000_000),
        QualityView(name="standard", resolution=1024, memory=12_000_000_000),
        QualityView(name="high", resolution=1536, memory=24_000_000_000, missing=3_200_000_000),
    ),
    upscale_resolution=1536,
    upscale_seconds=200.0,
    texture_resolution=1024,
)
ALL_WELL = Snapshot(engine=READY, checkpoint=NETWORKS, picture=PictureView(title="chair"))
ALL_HERE = replace(
    ALL_WELL,
    checkpoint=replace(
        NETWORKS, qualities=tuple(replace(row, missing=0) for row in NETWORKS.qualities)
    ),
)
"""No weights are missing."""


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        *[(0.2, "1 s"), (7.6, "8 s"), (38.0, "40 s"), (57.4, "55 s"), (58.0, "1 min")],
        *[(90.0, "2 min"), (3500.0, "58 min"), (3600.0, "1 h"), (4900.0, "1 h 20 min")],
    ],
)
def test_durations(seconds: float, words: str) -> None:
    assert costs.seconds_in_words(seconds) == words


@pytest.mark.parametrize(
    ("count", "words"),
    [
        *[(0, "0 bytes"), (999, "999 bytes"), (1000, "1 KB"), (950_400_000, "950 MB")],
        *[(999_700_000, "1 GB"), (1_234_000_000, "1.2 GB"), (24_000_000_000, "24 GB")],
    ],
)
def test_sizes(count: int, words: str) -> None:
    assert costs.bytes_in_words(count) == words


def test_what_nobody_measured_is_not_guessed() -> None:
    unknown = "not measured on this machine yet"
    assert costs.cost_of_generating(None) == unknown
    assert costs.cost_of_generating(NETWORKS, "draft") == "about 40 s, 8 GB of memory"
    assert costs.cost_of_generating(NETWORKS, "draft", 4) == "about 3 min, 8 GB of memory"
    assert costs.cost_of_generating(NETWORKS) == f"{unknown}, 12 GB of memory"
    assert "3.2 GB to download first" in costs.cost_of_generating(NETWORKS, "high")
    finer = "24 GB of memory, 3.2 GB to download first"
    assert costs.cost_of_upscaling(NETWORKS) == f"about 3 min, {finer}"
    assert costs.cost_of_upscaling(NETWORKS, 3) == f"about 10 min, {finer}"
    assert costs.cost_of_texturing(NETWORKS, 3) == unknown


def test_what_fast_saves_is_told_of_the_steps_that_are_taken() -> None:
    def stage(name: str, steps: int, after: int | None) -> StageView:
        return StageView(
            name=name, label=name.title(), steps=steps, guidance_strength=1.0, reuse_after=after
        )

    stages = (stage("structure", 12, 6), stage("shape", 1, 4), stage("texture", 12, None))
    small = replace(NETWORKS, stages=stages)
    assert costs.saved_by_fast(small, {}) == "Structure 3 of 12"
    more = {"shape": StageSettings(steps=25), "texture": StageSettings(guidance_strength=2.0)}
    assert costs.saved_by_fast(small, more) == "Structure 3 of 12, Shape 10 of 25"
    assert costs.saved_by_fast(small, {"structure": StageSettings(steps=7)}) == ""


def test_all_is_well() -> None:
    assert refusals.why_not_generate(ALL_WELL) == ""
    assert refusals.why_not_retexture(ALL_WELL) == ""
    assert refusals.why_not_upscale(ALL_HERE) == ""
    assert refusals.why_not_finish(ALL_WELL) == ""
    stopped = replace(ALL_WELL, engine=EngineView(state="stopped"))
    assert refusals.why_not_generate(stopped) == ""  # it starts on demand


@pytest.mark.parametrize(
    ("snapshot", "words"),
    [
        (Snapshot(), "not set up"),
        (replace(ALL_WELL, engine=EngineView(state="installing")), "being set up"),
        (replace(ALL_WELL, picture=PictureView()), "No picture is chosen"),
        (
            replace(
                ALL_WELL, picture=PictureView(title="a", problem="It is a film.", hint="Save.")
            ),
            "It is a film. Save.",
        ),
        (replace(ALL_WELL, picture=PictureView(title="a", checking=True)), "takes a moment"),
        (
            replace(
                ALL_WELL,
                engine=EngineView(state="gone", remote=True, place="box", hint="Switch it on."),
            ),
            "The engine on box does not answer",
        ),
    ],
)
def test_why_not(snapshot: Snapshot, words: str) -> None:
    for sentence in (refusals.why_not_generate(snapshot), refusals.why_not_retexture(snapshot)):
        assert words in sentence and sentence.endswith((".", "!"))


def test_why_not_in_a_quality() -> None:
    assert "no quality best" in refusals.why_not_quality(ALL_WELL, "best")
    assert "3.2 GB of weights" in refusals.why_not_generate(ALL_WELL, "high")
    small = replace(ALL_WELL, engine=replace(READY, memory_total=10_000_000_000))
    sentence = refusals.why_not_generate(small)
    assert sentence.startswith(
        "The quality standard needs 12 GB of memory, and RTX 3060 has 10 GB:"
    )
    assert refusals.why_not_generate(small, "draft") == ""


def test_why_not_in_other_verbs() -> None:
    bare = replace(
        ALL_WELL, checkpoint=replace(NETWORKS, upscale_resolution=0, texture_resolution=0)
    )
    assert "no upscale" in refusals.why_not_upscale(bare)
    assert "cannot make materials" in refusals.why_not_retexture(bare)
    assert "that Maquette made" in refusals.why_not_finish(ALL_WELL, made_here=False)
    assert "3.2 GB of weights for upscaling" in refusals.why_not_upscale(ALL_WELL)
    small = replace(ALL_HERE, engine=replace(READY, memory_total=10_000_000_000))
    assert refusals.why_not_upscale(small).startswith(
        "Upscaling needs 24 GB of memory, and RTX 3060 has 10 GB:"
    )
    no_picture = replace(ALL_HERE, picture=PictureView())
    assert refusals.why_not_upscale(no_picture) == ""
    assert "No picture" in refusals.why_not_upscale(no_picture, made_here=False)
    finest = NETWORKS.upscale_resolution
    assert refusals.why_not_upscale(ALL_HERE, side=finest - 1) == ""
    assert f"{finest}³ voxels already" in refusals.why_not_upscale(ALL_HERE, side=finest)
    assert "No networks are loaded" in refusals.why_not_release(ALL_WELL)
    job = JobView(id="1", title="a", kind="generate", state="running")
    warm = replace(ALL_WELL, engine=replace(READY, warm=True))
    assert "needs the memory" in refusals.why_not_release(replace(warm, jobs=(job,)))
    assert refusals.why_not_release(warm) == ""


def test_why_words_cannot_be_used() -> None:
    written = replace(ALL_WELL, picture=PictureView(title="a", of_words=True, words="a mug"))
    assert "knows no words" in refusals.why_not_generate(written)
    knows = replace(written, checkpoint=replace(NETWORKS, words=True))
    assert refusals.why_not_generate(knows) == ""
    missing = replace(NETWORKS, words=True, words_missing="A package is not installed.")
    assert refusals.why_not_words(replace(written, checkpoint=missing)) == missing.words_missing
    empty = replace(knows, picture=PictureView(of_words=True))
    assert "Write what the object looks like" in refusals.why_not_generate(empty)
    assert "not told yet" in refusals.why_not_words(replace(written, checkpoint=None))


def test_one_of_several_pictures_that_cannot_be_used_stops_nothing() -> None:
    shown = PictureView(title="a", problem="It is a film.", count=3, made=2, unusable=1)
    assert refusals.why_not_generate(replace(ALL_WELL, picture=shown)) == ""
    assert "film" in refusals.why_not_retexture(replace(ALL_WELL, picture=shown))
    none = replace(ALL_WELL, picture=replace(shown, made=0))
    assert "No picture is left" in refusals.why_not_generate(none)
    bad = replace(ALL_WELL, picture=replace(shown, made=0, unusable=3))
    assert refusals.why_not_generate(bad) == (
        "None of the 3 pictures can be used: choose others."
    )  # none of them was left out, so none can be taken in again
    looking = replace(ALL_WELL, picture=replace(shown, problem="", checking=True))
    assert "takes a moment" in refusals.why_not_generate(looking)


def test_why_nothing_is_downloaded() -> None:
    missing = WeightsView(total=9_000_000_000, missing=8_000_000_000, free=5_000_000_000)
    assert "make room" in refusals.why_not_download(replace(ALL_WELL, weights=missing))
    enough = replace(missing, free=50_000_000_000)
    assert refusals.why_not_download(replace(ALL_WELL, weights=enough)) == ""
    remote = replace(ALL_WELL, engine=replace(READY, remote=True, place="box"))
    assert "do it on box" in refusals.why_not_download(remote)
    stopped = replace(ALL_WELL, engine=EngineView(state="stopped"))
    assert "start it first" in refusals.why_not_download(stopped)


def test_a_diagnosis_says_nothing_private() -> None:
    home = str(Path.home())
    snapshot = replace(
        ALL_WELL,
        engine=replace(READY, versions="maquette 0.1.0", hint=f"Look at {home}/maquette/log."),
        picture=PictureView(title="my secret prototype", width=640, height=480, problem="No."),
        jobs=(
            JobView(
                id="1",
                title="my secret prototype",
                kind="generate",
                state="failed",
                problem="my secret prototype cannot be read.",
            ),
        ),
        setup=SetupView(
            problem="It ended.",
            log=("GET https://me:pass@proxy:80/x", "token: hf_abcdefghijklmnop", "done"),
        ),
        weights=WeightsView(total=10, missing=5),
    )
    text = diagnosis(snapshot, {"blender": "5.2.3"})
    for private in (home, "secret prototype", "hf_abc", "pass@", "me:"):
        assert private not in text
    for wanted in (
        "maquette 0.1.0",
        "blender: 5.2.3",
        "640 x 480",
        "<name> cannot be read",
        "done",
    ):
        assert wanted in text
    assert diagnosis(Snapshot())


def test_a_sentence_about_a_token_stays_as_it_is() -> None:
    line = "The token is not that of this engine. Read the connection file again."
    assert without_secrets(line) == line


@pytest.mark.parametrize(
    "line",
    [
        "Authorization: Bearer abcdefgh",
        '{"token": "abcdefgh"}',
        "client_secret=abcdefgh",
        "x" * 100,
    ],
)
def test_secrets_are_taken_out_of_lines(line: str) -> None:
    shown = without_secrets(line)
    assert "abcdefgh" not in shown and "xxxx" not in shown


def test_the_log_that_is_copied_has_no_secret_in_it() -> None:
    home = str(Path.home())
    log = (
        f"resolving in {home}/data",
        "https://me:pass@proxy:3128/simple",
        "HF_TOKEN=hf_abcdefghij",
    )
    shared = shared_log(Snapshot(setup=SetupView(log=log)))
    assert shared == "resolving in ~/data\nhttps://<hidden>@proxy:3128/simple\nHF_TOKEN=<hidden>"
