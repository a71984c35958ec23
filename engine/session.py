"""The use-cases: open a checkpoint, run a job, deliver its result; and finish what is there.

The command line, the service's worker and Python users call these, and nothing below them::

    models = open_models(settings)
    report = Report(send)
    with report.ending():  # sends the job's last event, however it ends
        asset = run(GenerateJob(picture=File("rocket.png")), models, report)
        delivered = deliver(asset, Path("out/rocket.glb"), FinishChoice(), report)
"""

import hashlib
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from engine.assets.asset import Asset
from engine.assets.folder import add_to_recipe, as_stored, load_asset, save_asset
from engine.assets.names import THUMBNAIL, check_folder, folder_of
from engine.export.mesh_file import SUFFIXES, save_mesh
from engine.finishing.finish import Finished, finish, finishing_stages
from engine.finishing.given_mesh import (
    VoxelisedMesh,
    check_faces_stay,
    open_mesh,
    rebuilt,
    tell_unused,
)
from engine.finishing.mesh_file import finish_mesh
from engine.host.files import check_place
from engine.host.machine import known_device
from engine.mesh import Mesh
from engine.ovoxel import OVoxels
from engine.ovoxel.ovoxel_file import load_ovoxels
from engine.render.turntable import save_thumbnail
from engine.report import Report
from engine.residency.memory import reset_peak
from engine.residency.models import Models
from engine.settings import Settings
from engine.systems import opening
from engine.systems.default_checkpoint import default_checkpoint
from engine.systems.inputs import Inputs
from engine.systems.table import system_for
from engine.weights.hub import Origin
from engine.weights.store import Store
from protocol.errors import EngineError
from protocol.finishes import FINISHED_SUFFIXES, Finish, FinishAdvice, FinishChoice
from protocol.jobs import FinishJob, Job, MakingJob
from protocol.limits import FEWEST_FACES

FINISH = "finish"
"""The entry of a recipe about finishing."""


@dataclass(frozen=True)
class Delivered:
    """What was written.

    Args:
        folder: the asset's folder, from which it can be finished or upscaled again.
        files: the mesh file, or one for each level of detail, the finest first.
        mesh: what is in the first, in object space: the finest level of detail.
        finished: how it was finished; None for a raw mesh.
    """

    folder: Path
    files: tuple[Path, ...]
    mesh: Mesh
    finished: Finished | None


def open_models(
    settings: Settings,
    *,
    checkpoint: str | None = None,
    device: str | None = None,
    budget: int | None = None,
    offline: bool = False,
    job: Job | None = None,
    tell: Callable[[str], None] = lambda sentence: None,
) -> Models:
    """The networks of a checkpoint, ready to run on a device.

    Args:
        settings: where weights are kept, and which hub may be asked.
        checkpoint: a folder or a repository of the hub; None: the published weights where they are
            on this disk, else the small model that ships.
        device: such as "cpu" or "cuda:1"; None: the best one.
        budget: bytes of the device that may be used; None: what is free.
        offline: never ask the hub, whatever the settings say.
        job: what is going to be run, for the choice of a checkpoint.
        tell: gets a sentence for the user when the small model stands in.

    Raises:
        EngineError: what is wrong with the checkpoint, the device or the settings.
    """
    offline = offline or settings.offline
    origin = Origin.of(settings)
    store = Store(settings.models, origin=origin, offline=offline)
    where = known_device(device)
    reset_peak(where)
    if checkpoint is None:
        place, sentence = default_checkpoint(store, job)
        if sentence is not None:
            tell(sentence)
    else:
        place = store.checkpoint(checkpoint)
    return opening.open_models(place, store, device=where, budget=budget)


def run(
    job: MakingJob,
    models: Models,
    report: Report,
    inputs: Inputs | None = None,
    *,
    then: tuple[str, ...] = (),
) -> Asset:
    """Do a job.

    Args:
        inputs: what was attached to the job; None: nothing.
        then: stages that follow with the same report, such as ``delivery_stages``.

    Raises:
        Cancelled: through ``report.cancel``.
        EngineError: what is wrong with the job, its inputs, the checkpoint or the memory.
    """
    system = system_for(job, models.generation.name)
    report.expect((*system.expect(job, models), *then))
    with models.a_job():
        return system.run(job, models, report, inputs or Inputs())


def deliver(asset: Asset, target: Path, choice: FinishChoice | None, report: Report) -> Delivered:
    """Write an asset's folder, and then its file: finished, or raw without a choice.

    The folder comes first, so that minutes of sampling are safe whatever finishing does.

    Args:
        target: a .glb, .obj, .stl or .3mf file; without a choice also .ply. The folder is named
            after it.
        choice: what it leaves open is as the asset's checkpoint advises.

    Raises:
        Cancelled: through ``report.cancel``; the folder may be there already.
        EngineError: what finishing and writing raise.
    """
    folder = folder_of(target)
    with report.stage("saving"):
        save_asset(asset, folder)
    return write(asset, folder, target, choice, report)


def write(
    asset: Asset, folder: Path, target: Path, choice: FinishChoice | None, report: Report
) -> Delivered:
    """The second half of ``deliver``, for an asset that is in its folder already.

    It is finished as it lies there, so that an interrupted job ends as any other.

    Raises:
        Cancelled, EngineError: as ``deliver``.
    """
    asset = as_stored(asset)
    if choice is None:
        mesh, finished, files = asset.mesh, None, (target,)
        with report.stage("writing"):
            save_mesh(mesh, target)
    else:
        finished, settings = finish_source(asset, choice, target, report)
        mesh = finished.mesh
        files = write_finished(finished, target, settings, report, folder=folder)
    with report.stage("thumbnail"):
        save_thumbnail(mesh, folder / THUMBNAIL)
    return Delivered(folder, files, mesh, finished)


def finish_source(
    source: Asset | OVoxels | Mesh | VoxelisedMesh,
    choice: FinishChoice,
    target: Path,
    report: Report,
) -> tuple[Finished, Finish]:
    """Finish an asset, O-Voxels or a mesh as a file can hold it.

    Args:
        choice: what it leaves open is as the asset's checkpoint advises.
        target: which is not written; the object is named after it.

    Returns:
        What came out, and the settings; both are the part "finished" of ``report``.

    Raises:
        Cancelled: through ``report.cancel``.
        EngineError: ``given_mesh``, and what finishing raises.
    """
    if isinstance(source, Mesh):
        settings = fitting(choice.settled(), target, report)
        finished = finish_mesh(source, choice, settings, target.stem, report)
        report.part("finished", lambda: (finished, settings))
        return finished, settings
    asset = source if isinstance(source, Asset) else None
    given = asset.given_mesh if asset else None
    voxels = source if isinstance(source, OVoxels) else source.voxels
    if given is not None:
        check_faces_stay(choice)
    settings = fitting(choice.settled(asset.finish_advice if asset else None), target, report)
    if given is not None and choice.normal_map is None:
        # All faces stay, so no detail is lost that a normal map had to keep.
        settings = replace(settings, normal_map=False)
    model = source.mesh if isinstance(source, VoxelisedMesh) else None
    held = model if isinstance(source, VoxelisedMesh) and not source.may_grow else None
    if held is not None:
        # A wall has two sides.
        most = max(FEWEST_FACES, len(held.faces) * (2 if settings.solid else 1))
        if most < settings.faces and settings.quads is None and choice.faces is None:
            report.note(
                f"The file has {len(held.faces):,} faces, and the result gets no more than "
                f"{most:,}; --faces says how many it may have."
            )
            settings = replace(settings, faces=most)
    finished = finish(voxels, settings, report, name=target.stem, given_mesh=given, model=model)
    made = len(finished.mesh.faces)
    if held is not None and settings.quads is not None and made > len(held.faces):
        report.note(
            f"The file has {len(held.faces):,} faces; its quads are {made:,} triangles "
            "(two each). Fewer --quads make fewer."
        )
    wanted, most = choice.faces, finished.log.get("cleaned_faces")
    if wanted is not None and most is not None and wanted > most:
        report.note(f"{wanted:,} faces were asked for; the surface has only {most:,}.")
    report.part("finished", lambda: (finished, settings))
    return finished, settings


def open_source(
    source: Path,
    resolution: int,
    report: Report,
    choice: FinishChoice,
    *,
    rebuild: bool = False,
    require_textures: bool = False,
) -> Asset | OVoxels | Mesh | VoxelisedMesh:
    """What can be finished: the asset in a folder, the O-Voxels in a file, or a mesh.

    Args:
        resolution, choice, rebuild: as in ``mesh_or_ovoxels``, for a mesh.
        require_textures: as in ``load_mesh``.

    Raises:
        Cancelled: through ``report.cancel``.
        EngineError: what is wrong with the file.
    """
    if not source.exists():
        raise EngineError(
            "mesh_absent",
            f"{source} does not exist.",
            "Give the folder of an asset (its name ends in .maquette), a .vxz or a mesh file.",
        )
    if not _is_mesh(source):
        given = {
            "--rebuild": rebuild,
            "--resolution": resolution != FinishJob.resolution,
            "--require-textures": require_textures,
        }
        tell_unused(given, "That is for mesh files.", report)
        with report.stage("reading"):
            return load_asset(source) if source.is_dir() else load_ovoxels(source)
    with report.stage("reading"):
        mesh = open_mesh(source, require_textures=require_textures, tell=report.note)
    return mesh_or_ovoxels(mesh, resolution, report, choice, rebuild=rebuild)


def mesh_or_ovoxels(
    mesh: Mesh, resolution: int, report: Report, choice: FinishChoice, *, rebuild: bool = False
) -> Mesh | VoxelisedMesh:
    """A mesh as it is, which is finished with its own faces; or its O-Voxels, to be closed or to
    become quads.

    Args:
        resolution: voxels an axis.
        rebuild: whether it is O-Voxels in any case, and may get more faces than it had.

    Raises:
        Cancelled, EngineError: as ``voxelise``.
    """
    if not rebuild and not choice.settled().needs_voxels:
        given = {
            "--keep-inner": choice.keep_inner,
            "--resolution": resolution != FinishJob.resolution,
        }
        tell_unused(given, "The mesh keeps its own faces; --rebuild makes it new.", report)
        return mesh
    return VoxelisedMesh(rebuilt(mesh, resolution, report), mesh, may_grow=rebuild)


def _is_mesh(source: Path) -> bool:
    return not source.is_dir() and source.suffix.lower() != ".vxz"


def delivery_stages(
    choice: FinishChoice | None, advice: FinishAdvice | None = None, *, given_mesh: bool = False
) -> tuple[str, ...]:
    """The stages of ``deliver``.

    Args:
        advice: of the asset's checkpoint.
        given_mesh: whether the asset is a mesh that was textured.
    """
    return ("saving", *_finishing(choice, advice, given_mesh), "writing", "thumbnail")


def stages_of_finishing(
    source: Path, choice: FinishChoice, target: Path | None = None, *, rebuild: bool = False
) -> tuple[str, ...]:
    """The stages of ``open_source``, ``finish_source`` and ``write_finished``, as far as the name
    of the source tells."""
    settings = choice.settled()
    of_voxels = _is_mesh(source) and (rebuild or settings.needs_voxels)
    voxels = ("voxels", "materials") if of_voxels else ()
    if target is not None:
        settings, _ = settings.fitting(target.name)
    return ("reading", *voxels, *finishing_stages(settings), "writing")


def _finishing(
    choice: FinishChoice | None, advice: FinishAdvice | None, given_mesh: bool
) -> tuple[str, ...]:
    if choice is None:
        return ()
    return finishing_stages(choice.settled(advice), given_mesh=given_mesh)


def write_finished(
    finished: Finished, target: Path, settings: Finish, report: Report, *, folder: Path | None
) -> tuple[Path, ...]:
    """Write a finished asset, and how it was finished into the recipe of its folder; returns the
    files."""
    with report.stage("writing"):
        files = finished.save(target, settings)
        if folder is not None:
            add_to_recipe(folder, FINISH, finish_entry(finished, files, settings))
    return files


def finish_entry(finished: Finished, files: Sequence[Path], settings: Finish) -> dict[str, Any]:
    """How an asset was finished, for its recipe."""
    names = [file.name for file in files]
    entry = {"file": names[0], "settings": asdict(settings), **finished.log}
    return entry if len(names) == 1 else {**entry, "files": names}


def fitting(settings: Finish, target: Path, report: Report) -> Finish:
    """What the file can hold of a finish; a note says when that is less."""
    settings, note = settings.fitting(target.name)
    if note is not None:
        report.note(note)
    if not settings.textured and not settings.solid:
        report.note(
            f"{target.name} is for 3D printing, but its surface may be open or cross itself; "
            "--solid makes it a solid."
        )
    return settings


@contextmanager
def claimed(targets: Sequence[Path], *, finished: bool) -> Iterator[None]:
    """Places for results, checked before the work and kept from other runs while it lasts.

    Folders that are missing are made.

    Args:
        finished: whether textured assets are going to be written there.

    Raises:
        EngineError: ``mesh_format``, ``folder_taken``, ``unwritable``, and ``target_in_use`` when
            another run is going to write one of them.
    """
    locks: list[FileLock] = []
    try:
        for target in targets:
            _check_format(target, finished)
            check_place(target)
            check_folder(folder_of(target))
            locks.append(_lock(target))
        yield
    finally:
        for lock in locks:
            lock.release()


def _lock(target: Path) -> FileLock:
    """A lock for the folder of a result, which targets of several formats share.

    It lies among temporary files, so that none is left beside the result; each user has their own,
    since one may not open another's.
    """
    claimed = f"{Path.home()} {folder_of(target).resolve()}"
    name = hashlib.sha256(claimed.encode()).hexdigest()[:32]
    lock = FileLock(Path(tempfile.gettempdir()) / f"maquette-{name}.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise EngineError(
            "target_in_use",
            f"Another run of Maquette is about to write {target}.",
            "Wait until it is done, or choose another name.",
        ) from None
    return lock


def _check_format(target: Path, finished: bool) -> None:
    if finished and target.suffix.lower() not in FINISHED_SUFFIXES:
        raise EngineError(
            "mesh_format",
            f"{target.name} cannot hold a textured asset.",
            "Use a name that ends in .glb or .obj, for printing in .stl or .3mf; "
            "generate --finish none writes .ply too.",
        )
    if target.suffix.lower() not in SUFFIXES:
        raise EngineError(
            "mesh_format",
            f"{target.name} does not end like a mesh file that can be written.",
            f"Use one of {', '.join(SUFFIXES)}.",
        )
