"""What is told of a job that has ended, to somebody who looks elsewhere."""

from dataclasses import dataclass

import pytest

from blender_addon.core.banner import SECONDS, Banner
from blender_addon.core.deliveries import Target
from blender_addon.core.following import Followed
from blender_addon.core.snapshot import BannerView, JobState


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


def shown_of(banner: Banner, *jobs: Followed) -> BannerView:
    shown = banner.look(jobs)
    assert shown is not None
    return shown


def made(title: str = "chair", object: int = 7) -> Followed:
    target = Target(object=object, object_name="Chair.001")
    return Followed("a", title, target, word="Chair.001 is in the scene.")


def test_good_news_goes_away_by_itself(clock: Clock) -> None:
    banner, job = Banner(clock), made()
    ended(banner, job, "done")
    shown = shown_of(banner, job)
    assert (shown.state, shown.sentence) == ("done", "Chair.001 is in the scene.")
    assert (shown.verb, shown.object) == ("show", 7)
    clock.now = SECONDS - 0.1
    assert banner.look([]) is shown  # though the job is not followed any more
    clock.now = SECONDS
    assert banner.look([]) is None
    assert (banner.message, banner.news) == (shown.sentence, shown)  # in the panel


def test_another_file_knows_nothing_of_an_object(clock: Clock) -> None:
    banner, job = Banner(clock), made()
    ended(banner, job, "done")
    banner.look([job])
    banner.file_opened()
    assert banner.look([job]) is None
    assert (banner.message, banner.news) == ("", None)
    other = Followed("b", "stool", None)
    ended(banner, other, "failed")
    banner.look([other])
    banner.file_opened()
    assert banner.look([other]) is not None


def test_nothing_is_said_of_an_object_that_was_deleted_afterwards(clock: Clock) -> None:
    banner, job = Banner(clock), made()
    ended(banner, job, "done")
    banner.look([job])
    banner.objects_seen(lambda uid: uid == 7)
    assert banner.look([job]) is not None and banner.message
    banner.objects_seen(lambda uid: False)
    assert banner.look([job]) is None
    assert (banner.message, banner.news) == ("", None)


def test_nothing_is_said_of_a_result_whose_delivery_was_undone(clock: Clock) -> None:
    """The object is there again as it was before."""
    banner, job = Banner(clock), made()
    ended(banner, job, "done")
    banner.look([job])
    banner.objects_seen(lambda uid: True, lambda uid, id: (uid, id) == (7, job.id))
    assert banner.look([job]) is not None and banner.message  # something else was undone
    banner.objects_seen(lambda uid: True, lambda uid, id: False)
    assert banner.look([job]) is None
    assert (banner.message, banner.news) == ("", None)


def test_what_is_in_no_scene_is_in_the_history(clock: Clock) -> None:
    banner, job = Banner(clock), Followed("a", "chair", None)
    ended(banner, job, "done")
    shown = shown_of(banner, job)
    assert (shown.sentence, shown.verb) == ("chair waits in the history.", "insert")


@pytest.mark.parametrize(("state", "verb"), [("failed", "retry"), ("interrupted", "resume")])
def test_bad_news_stays_until_something_is_done(state: JobState, verb: str, clock: Clock) -> None:
    """Its verb is that of the job, though a block-in of it can be shown."""
    banner, job = Banner(clock), made("chair")
    job.problem = "It is too big."
    ended(banner, job, state)
    clock.now = 1e6
    shown = shown_of(banner, job)
    assert (shown.state, shown.verb) == (state, verb)
    assert shown.sentence == "Chair.001: It is too big." == banner.message
    job.state = "queued"  # tried again
    assert banner.look([job]) is None
    assert not banner.message
    ended(banner, job, state)
    assert banner.look([job]) is not None
    assert banner.look([]) is None  # dismissed
    assert not banner.message


def test_a_line_that_was_read_does_not_come_back(clock: Clock) -> None:
    banner, job = Banner(clock), Followed("a", "chair", None)
    ended(banner, job, "failed")
    assert banner.look([job]) is not None
    banner.dismiss()
    assert banner.look([job]) is None


def test_a_cancel_takes_the_place_of_old_good_news(clock: Clock) -> None:
    banner, job, other = Banner(clock), made(), Followed("b", "stool", None)
    ended(banner, job, "done")
    banner.look([job, other])
    other.state = "cancelled"
    shown = shown_of(banner, job, other)
    assert (shown.sentence, shown.verb) == ("stool was cancelled.", "")
    assert banner.message == shown.sentence
    clock.now = SECONDS
    assert banner.look([other]) is None


def test_a_cancel_says_that_what_was_made_so_far_stays(clock: Clock) -> None:
    banner, job = Banner(clock), made()
    ended(banner, job, "cancelled")
    shown = shown_of(banner, job)
    assert shown.sentence == "Chair.001 was cancelled: what was made so far stays."
    assert (shown.verb, shown.object) == ("show", 7)
    banner, job = Banner(clock), made()
    job.deleted = True
    ended(banner, job, "cancelled")
    assert shown_of(banner, job).sentence == "Chair.001 was cancelled."


def test_a_deleted_object_is_told_while_its_job_runs_and_an_undo_takes_it_back(
    clock: Clock,
) -> None:
    banner, job = Banner(clock), made()
    job.state = "running"
    assert banner.look([job]) is None
    job.deleted = True
    shown = shown_of(banner, job)
    assert shown.sentence == "Chair.001 was deleted: its result will wait in the history."
    assert shown.verb == "cancel"
    job.deleted = False
    assert banner.look([job]) is None


def test_what_ended_before_is_no_news(clock: Clock) -> None:
    assert Banner(clock).look([Followed("b", "old", None, state="interrupted")]) is None


def test_another_word_takes_the_place_of_news(clock: Clock) -> None:
    banner, job = Banner(clock), made()
    ended(banner, job, "done")
    banner.look([job])
    banner.say("The engine has given its memory back.")
    banner.look([job])
    assert (banner.message, banner.news) == ("The engine has given its memory back.", None)


def test_the_newest_is_told(clock: Clock) -> None:
    banner, one, other = Banner(clock), Followed("a", "a", None), Followed("b", "b", None)
    banner.look([one, other])
    one.state = "failed"
    banner.look([one, other])
    other.state = "done"
    assert shown_of(banner, one, other).job == "b"
