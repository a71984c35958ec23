"""Jobs from what a user chose: into the queue, and once more with other settings."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from ..protocol.errors import EngineError
from ..protocol.finishes import FinishChoice
from ..protocol.jobs import FinishJob, GenerateJob, Job, TextureJob, UpscaleJob
from ..protocol.limits import MatteMethod
from ..protocol.references import Attached, Stored
from ..protocol.replies import JobSnapshot, Refused
from ..protocol.requests import Attach, Retry, Submit, new_job_id
from .asking import Asking
from .chosen import Chosen
from .deliveries import Target
from .following import Followed, Following, kind_of
from .given import of_picture
from .language import said
from .pictures import PictureIn
from .settings import (
    FinishSettings,
    GenerateSettings,
    Settings,
    TextureSettings,
    UpscaleSettings,
)

if TYPE_CHECKING:
    from ..protocol.client import Answer
    from ..protocol.wire import Shaped

MESH = "mesh"
"""Name under which a mesh is attached."""


class Submitting:
    """Makes jobs and sends them.

    Args:
        follow: called with each job that was sent.
        forget: called with each job that another one takes the place of.
    """

    def __init__(
        self,
        asking: Asking,
        jobs: Following,
        chosen: Chosen,
        follow: Callable[[Followed], None],
        forget: Callable[[Followed], None],
    ) -> None:
        self._asking, self._jobs, self._chosen = asking, jobs, chosen
        self._follow, self._forget = follow, forget

    def generate(
        self, settings: GenerateSettings, target: Target, picture: PictureIn | None
    ) -> list[str]:
        """As ``Session.generate``."""
        every = [of_picture(picture)] if picture else self._chosen.all_given()
        # All are made before the first is sent: if one cannot be, nothing is spent.
        made = [
            (job, given, given.title if number == 0 else f"{given.title} {number + 1}")
            for given in every
            for number, job in enumerate(settings.jobs(given.reference, matte=given.matte))
        ]
        return [
            self._submit(job, settings, target, given.buffers, title=title, sha256=given.sha256)
            for job, given, title in made
        ]

    def texture(
        self,
        settings: TextureSettings,
        mesh_arrays: "Mapping[str, Shaped]",
        target: Target,
        picture: PictureIn | None,
    ) -> str:
        """As ``Session.texture``."""
        given = of_picture(picture) if picture else self._chosen.given()
        buffers = {**given.buffers, **_mesh_buffers(mesh_arrays)}
        job = settings.job(Attached(MESH), given.reference, matte=given.matte)
        title = target.object_name or given.title
        return self._submit(job, settings, target, buffers, title=title, sha256=given.sha256)

    def upscale(
        self,
        settings: UpscaleSettings,
        target: Target,
        mesh_arrays: "Mapping[str, Shaped] | None",
        picture: PictureIn | None,
        source: str,
    ) -> str:
        """As ``Session.upscale``."""
        given = of_picture(picture) if picture else None
        buffers: dict[str, Shaped] = {}
        if mesh_arrays is not None:
            buffers |= _mesh_buffers(mesh_arrays)
            if not source:
                given = given or self._chosen.given()
        elif not source:
            raise EngineError(
                "source_missing",
                "The object was not made by Maquette, and no mesh of it was given.",
                "Select a mesh object.",
            )
        of = Stored(source) if mesh_arrays is None else Attached(MESH)
        if given is None:
            # An edited mesh is still what the picture of its stored result shows.
            shows = None if mesh_arrays is None else Stored(source)
            job, title, sha256 = settings.job(of, shows), target.object_name, ""
        else:
            job = settings.job(of, given.reference, matte=given.matte)
            title, sha256 = target.object_name or given.title, given.sha256
            buffers |= given.buffers
        return self._submit(job, settings, target, buffers, title=title, sha256=sha256)

    def finish(self, settings: FinishSettings, target: Target, source: str) -> str:
        """As ``Session.finish``."""
        title = target.object_name
        return self._submit(settings.job(source), settings, target, {}, title=title, sha256="")

    def retry(self, old: Followed, settings: Settings | None) -> str:
        """As ``Session.retry``."""
        if old.resubmit is not None:
            id = old.resubmit(settings)
            self._forget(old)
            return id
        changed, finish = (None, None) if settings is None else _changed(old, settings)
        resumed = old.state == "interrupted" and changed is None
        new = Followed(
            id=old.id if resumed else new_job_id(),
            title=old.title,
            target=old.target,
            job=changed or old.job,
            finish=finish or old.finish,
            kind=old.kind,
            picture_sha256=old.picture_sha256,
            checkpoint=old.checkpoint,
        )

        def then(answer: "Answer") -> None:
            reply = answer.reply
            if resumed and isinstance(reply, Refused) and reply.code == "job_not_interrupted":
                # It has ended after all, before anybody could tell.
                self._asking.ask(Attach(job=new.id), told)
            else:
                self._jobs.submitted(new, reply)

        def told(answer: "Answer") -> None:
            if isinstance(answer.reply, JobSnapshot):
                self._jobs.take_snapshot(answer.reply)
            else:
                self._jobs.submitted(new, answer.reply)

        self._asking.ask(Retry(job=old.id, id=new.id, changed=changed, finish=finish), then)
        self._forget(old)
        self._follow(new)
        return new.id

    def again(self, job: str, title: str, target: Target, seed: int | None, quality: str) -> str:
        """As ``Session.again``: the engine is asked for the settings first."""
        new = Followed(id=new_job_id(), title=title, target=target)

        def then(answer: "Answer") -> None:
            reply = answer.reply
            if not isinstance(reply, JobSnapshot):
                self._jobs.submitted(new, reply)
                return
            new.job, new.finish, new.kind = reply.job, reply.finish, reply.row.kind
            new.title = new.title or reply.row.title
            new.picture_sha256 = reply.row.picture_sha256
            try:
                new.job = _varied(reply.job, seed, quality)
                request = Retry(job=job, id=new.id, changed=new.job)
                self._asking.ask(request, lambda answer: self._jobs.submitted(new, answer.reply))
            except EngineError as error:
                new.fail(error.message, error.hint)

        self._asking.ask(Attach(job=job), then)
        self._follow(new)
        return new.id

    def _submit(
        self,
        job: Job,
        settings: Settings,
        target: Target | None,
        buffers: "Mapping[str, Shaped]",
        *,
        title: str,
        sha256: str,
    ) -> str:
        checkpoint, batch, finish = "", False, None
        if not isinstance(settings, FinishSettings):
            checkpoint, batch = settings.checkpoint, settings.batch
            finish = _finish(settings)
        submit = Submit(
            id=new_job_id(),
            job=job,
            finish=finish,
            checkpoint=checkpoint or None,
            priority="batch" if batch else "interactive",
            title=title,
            picture_sha256=sha256,
        )
        followed = Followed(
            id=submit.id,
            title=title,
            target=target,
            job=job,
            finish=finish,
            kind=kind_of(job),
            picture_sha256=submit.picture_sha256,
            checkpoint=checkpoint,
        )

        def again(other: Settings | None) -> str:
            changed = settings if other is None else other
            made = _job_again(job, changed)
            return self._submit(made, changed, followed.target, buffers, title=title, sha256=sha256)

        followed.resubmit = again
        self._asking.ask(
            submit, lambda answer: self._jobs.submitted(followed, answer.reply), buffers
        )
        self._follow(followed)
        return submit.id


def _finish(settings: GenerateSettings | TextureSettings | UpscaleSettings) -> FinishChoice | None:
    return None if settings.finish is None else settings.finish.choice()


def _changed(old: Followed, settings: Settings) -> tuple[Job, FinishChoice | None]:
    """The old job with other settings, and how it is finished then."""
    if old.job is None:
        raise _other_kind("unknown")
    job = _job_again(old.job, settings)
    return job, None if isinstance(settings, FinishSettings) else _finish(settings)


def _job_again(old: Job, settings: Settings) -> Job:
    """The same pictures and meshes with other settings.

    Raises:
        EngineError: ``settings_kind``, and what is out of range.
    """
    match old, settings:
        case GenerateJob(), GenerateSettings():
            return replace(settings, variants=1).jobs(old.picture, matte=_kept(old.matte))[0]
        case TextureJob(), TextureSettings():
            return settings.job(old.mesh, old.picture, matte=_kept(old.matte))
        case UpscaleJob(), UpscaleSettings():
            return settings.job(old.source, old.picture, matte=_kept(old.matte))
        case FinishJob(source=Stored(job=source)), FinishSettings():
            return settings.job(source)
        case _:
            raise _other_kind(kind_of(old))


def _varied(job: Job, seed: int | None, quality: str) -> Job:
    if seed is not None and isinstance(job, GenerateJob | TextureJob | UpscaleJob):
        job = replace(job, seed=seed)
    if quality and isinstance(job, GenerateJob | UpscaleJob):
        job = replace(job, quality=quality, type=None)
    return job


def _kept(matte: MatteMethod) -> MatteMethod | None:
    """The picture of the old job is what was sent: a background that was removed stays so."""
    return "cutout" if matte == "cutout" else None


def _other_kind(kind: str) -> EngineError:
    return EngineError(
        "settings_kind",
        said("These settings are not for a job of the kind {kind}.", kind=kind),
        "Begin a new one.",
    )


def _mesh_buffers(arrays: "Mapping[str, Shaped]") -> "dict[str, Shaped]":
    prefix = f"{MESH}."
    return {
        name if name.startswith(prefix) else prefix + name: shaped
        for name, shaped in arrays.items()
    }
