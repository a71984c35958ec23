"""What is told of a job that has ended, to somebody who looks elsewhere."""

from dataclasses import dataclass

import pytest

from blender_addon.core.banner import SECONDS, Banner
from blender_addon.core.deliveries import Target
from blender_addon.core.following import Followed
from blender_addon.core.snapshot import JobState


@dataclass
class Clock:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def ended(banner: Banner, job: Followed, state: JobState) -> None:
    banner.look([job])
    job.state = state


def test_good_news_goes_away_by_itself(clock: Clock) -> None:
    banner, job = Banner(clock), Followed("a", "chair", Target(object=7, object_name="Chair.001"))
    ended(banner, job, "done")
    shown = banner.look([job])
    assert shown is not None and (shown.state, shown.title, shown.object) == (
        "done",
        "Chair.001",
        7,
    )
    clock.now = SECONDS - 0.1
    assert banner.look([]) is shown  # though the job is not followed any more
    clock.now = SECONDS
    assert banner.look([]) is None


def test_another_file_knows_nothing_of_an_object(clock: Clock) -> None:
    banner, job = Banner(clock), Followed("a", "chair", Target(object=7, object_name="Chair"))
    ended(banner, job, "done")
    banner.look([job])
    banner.file_opened()
    assert banner.look([job]) is None
    other = Followed("b", "stool", None)
    ended(banner, other, "failed")
    banner.look([other])
    banner.file_opened()
    assert banner.look([other]) is not None


def test_what_is_in_no_scene_is_in_the_history(clock: Clock) -> None:
    banner, job = Banner(clock), Followed("a", "chair", None)
    ended(banner, job, "done")
    shown = banner.look([job])
    assert shown is not None and (shown.title, shown.object) == ("chair", 0)


@pytest.mark.parametrize("state", ["failed", "interrupted"])
def test_bad_news_stays_until_something_is_done(state: JobState, clock: Clock) -> None:
    banner, job = Banner(clock), Followed("a", "chair", None, problem="It is too big.")
    ended(banner, job, state)
    clock.now = 1e6
    shown = banner.look([job])
    assert shown is not None and (shown.state, shown.problem) == (state, "It is too big.")
    job.state = "queued"  # tried again
    assert banner.look([job]) is None
    ended(banner, job, state)
    assert banner.look([job]) is not None
    assert banner.look([]) is None  # dismissed


def test_a_line_that_was_read_does_not_come_back(clock: Clock) -> None:
    banner, job = Banner(clock), Followed("a", "chair", None)
    ended(banner, job, "failed")
    assert banner.look([job]) is not None
    banner.dismiss()
    assert banner.look([job]) is None


def test_what_the_user_did_and_what_ended_before_are_no_news(clock: Clock) -> None:
    banner = Banner(clock)
    job = Followed("a", "chair", None)
    ended(banner, job, "cancelled")
    assert banner.look([job]) is None
    assert banner.look([Followed("b", "old", None, state="interrupted")]) is None


def test_the_newest_is_told(clock: Clock) -> None:
    banner, one, other = Banner(clock), Followed("a", "a", None), Followed("b", "b", None)
    banner.look([one, other])
    one.state = "failed"
    banner.look([one, other])
    other.state = "done"
    shown = banner.look([one, other])
    assert shown is not None and shown.job == "b"
