"""One job from its settings to its parts, beginning at what an earlier attempt finished."""

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from engine import session
from engine.assets.asset import Asset
from engine.assets.folder import (
    load_asset,
    recipe_bytes,
    save_asset,
)
from engine.assets.names import ASSET, RECIPE, THUMBNAIL, asset_of_job, is_asset_folder
from engine.assets.recipe import RECIPE_VERSION
from engine.finishing.given_mesh import check_faces_stay, open_mesh
from engine.images.writing import png_bytes
from engine.mesh import Mesh
from engine.ovoxel import OVoxels
from engine.pipe.messages import PartFile, Run, Started
from engine.pipe.worker_end import write_part
from engine.render.asset import load_surface, mesh_of_ovoxels
from engine.render.surface import surface_of
from engine.render.turntable import AZIMUTH, save_thumbnail, still
from engine.report import Report
from engine.residency.models import Models
from engine.systems.inputs import Inputs
from engine.systems.table import system_for
from engine.worker.inputs import KEPT, inputs_of
from engine.worker.parts import file_part, packed_thumbnail, zip_folder
from protocol.errors import EngineError
from protocol.finishes import FinishChoice
from protocol.jobs import FinishJob, MakingJob, RenderJob, TextureJob
from protocol.parts import pack_file, pack_images


class Story:
    """Does one job.

    Args:
        run: the job.
        report: told about everything but Started and parts that are files.
        send: sends to the front process.
        open_models: gives the networks of the job's checkpoint.
        offer: for the first half of a job, whose asset is saved: raises HandedOver where another
            worker does the second.
    """

    def __init__(
        self,
        run: Run,
        report: Report,
        send: Callable[[Started | PartFile], None],
        open_models: Callable[[], Models],
        offer: Callable[[], None],
    ) -> None:
        self._run, self._report, self._send = run, report, send
        self._open_models, self._offer = open_models, offer
        self._folder = Path(run.folder)
        # A later attempt must not write to a file that somebody is being sent. Attempts are counted
        # from 1 again when a user resumes a job.
        parts, number = self._folder / "parts", run.attempt
        while (parts / f"attempt{number}").exists():
            number += 1
        self._out = parts / f"attempt{number}"
        self._model = self._out / f"{_file_name(run.title) or ASSET}.glb"

    def tell(self) -> None:
        """The whole job.

        Raises:
            Cancelled: through the report.
            HandedOver: another worker does the rest.
            EngineError: what is wrong with the job, its inputs, the checkpoint or the memory.
        """
        spec = self._run.spec
        inputs = inputs_of(self._run)
        if isinstance(spec, FinishJob):
            self._finish(spec, inputs)
        elif isinstance(spec, RenderJob):
            self._render(spec, inputs)
        else:
            self._make(spec, inputs)
        # What is kept for another attempt has done its duty.
        shutil.rmtree(self._folder / KEPT, ignore_errors=True)

    def _make(self, spec: MakingJob, inputs: Inputs) -> None:
        report, finish = self._report, self._run.finish
        if isinstance(spec, TextureJob) and finish is not None:
            check_faces_stay(finish)  # before anything is spent
        folder = asset_of_job(self._folder)
        asset = self._earlier(folder)
        if asset is None:
            models = self._open_models()
            given = isinstance(spec, TextureJob)
            advice = models.generation.finishing
            then = session.delivery_stages(finish, advice, given_mesh=given)
            expected = system_for(spec, models.generation.name).expect(spec, models)
            self._started(str(models.checkpoint.home), (*expected, *then))
            asset = session.run(spec, models, report, inputs, then=then)
            with report.stage("saving"):
                save_asset(asset, folder)
            if self._run.half == "first":
                self._offer()
        else:
            given = asset.given_mesh is not None
            then = session.delivery_stages(finish, asset.finish_advice, given_mesh=given)[1:]
            report.expect(then)
            self._started(str(asset.recipe["checkpoint"]["home"]), then)
        self._out.mkdir(parents=True, exist_ok=True)
        delivered = session.write(asset, folder, self._model, finish, report)
        self._deliver(delivered.files, folder / THUMBNAIL, (folder / RECIPE).read_bytes())
        archive = self._out / f"{ASSET}.zip"
        zip_folder(folder, archive)
        self._send(file_part(self._run, "asset", archive))

    def _earlier(self, folder: Path) -> Asset | None:
        """What an attempt before this one finished sampling and saved."""
        if not is_asset_folder(folder):
            return None
        try:
            asset = load_asset(folder)
        except EngineError:
            # It is made again, by a worker that can.
            shutil.rmtree(folder, ignore_errors=True)
            return None
        if self._run.half != "second":  # which is told by whoever had the first
            self._report.part("source", lambda: asset.picture)
            self._report.part("mesh", lambda: asset.mesh)
        return asset

    def _finish(self, job: FinishJob, inputs: Inputs) -> None:
        report = self._report
        source = inputs.resolve(job.source)
        place = source if isinstance(source, Path) else Path(f"{ASSET}.glb")  # a mesh was attached
        stages = (
            *session.stages_of_finishing(place, job, rebuild=job.rebuild),
            "thumbnail",
        )
        report.expect(stages)
        self._started("", stages)
        opened = self._finishable(job, inputs)
        recipe: dict[str, Any] = {"version": RECIPE_VERSION, "kind": "finish"}
        if isinstance(opened, Asset):
            recipe, picture = dict(opened.recipe), opened.picture
            report.part("source", lambda: picture)
        self._out.mkdir(parents=True, exist_ok=True)
        finished, settings = session.finish_source(opened, job, self._model, report)
        files = session.write_finished(finished, self._model, settings, report, folder=None)
        thumbnail = self._out / THUMBNAIL
        with report.stage("thumbnail"):
            save_thumbnail(finished.mesh, thumbnail)
        recipe[session.FINISH] = session.finish_entry(finished, files, settings)
        self._deliver(files, thumbnail, recipe_bytes(recipe))

    def _finishable(
        self, job: FinishJob, inputs: Inputs
    ) -> Asset | OVoxels | Mesh | session.VoxelisedMesh:
        value = inputs.resolve(job.source)
        if isinstance(value, Path):
            return session.open_source(
                value,
                job.resolution,
                self._report,
                job,
                rebuild=job.rebuild,
                require_textures=job.require_textures,
            )
        if isinstance(value, Mesh):
            return session.mesh_or_ovoxels(
                open_mesh(value), job.resolution, self._report, job, rebuild=job.rebuild
            )
        return inputs.asset(job.source)

    def _render(self, job: RenderJob, inputs: Inputs) -> None:
        report = self._report
        stages = ("reading", "rendering")
        report.expect(stages)
        self._started("", stages)
        with report.stage("reading"):
            mesh = self._visible(job, inputs)
        pictures: dict[str, tuple[bytes, bool]] = {}
        with report.stage("rendering", job.frames) as step:
            surface = surface_of(mesh, None)
            for number in range(job.frames):
                azimuth = AZIMUTH + 360.0 * number / job.frames
                rgba = still(mesh, surface, azimuth, size=job.size).rgba
                used = bool((rgba[..., 3] < np.iinfo(rgba.dtype).max).any())
                pictures[f"frame_{number:03d}"] = png_bytes(Image.fromarray(rgba)), used
                step(number + 1)
        self._send(write_part(self._run, "pictures", pack_images(pictures)))

    def _visible(self, job: RenderJob, inputs: Inputs) -> Mesh:
        value = inputs.resolve(job.source)
        if isinstance(value, Mesh):
            return open_mesh(value)
        if isinstance(value, Path) and not value.is_dir():
            return load_surface(
                value, require_textures=job.require_textures, tell=self._report.note
            )
        asset = inputs.asset(job.source)
        return asset.mesh if asset.given_mesh is not None else mesh_of_ovoxels(asset.voxels)

    def _started(self, checkpoint: str, stages: tuple[str, ...]) -> None:
        spec, finish = self._run.spec, self._run.finish
        names = ("type", "quality", "resolution", "finish", "faces", "texture_size", "levels")
        settings = [getattr(spec, name, None) for name in names]
        route = "/".join(str(value) for value in (*settings, _words(finish)) if value)
        self._send(Started(job=self._run.job, checkpoint=checkpoint, route=route, stages=stages))

    def _deliver(self, files: Sequence[Path], thumbnail: Path, recipe: bytes) -> None:
        """What is told as parts after everything was written."""
        for level, file in enumerate(files):
            self._send(file_part(self._run, f"model_lod{level}" if level else "model", file))
        self._send(write_part(self._run, "thumbnail", packed_thumbnail(thumbnail)))
        self._send(write_part(self._run, "recipe", pack_file(RECIPE, recipe)))


def _words(choice: FinishChoice | None) -> str:
    """A finish as a key of estimates."""
    if choice is None:
        return ""
    own = (choice.faces, choice.texture_size, choice.levels)
    return f"{choice.finish} {' '.join(str(value or '') for value in own)} {choice.closed}"


def _file_name(title: str) -> str:
    """A title as the name of a file on any system."""
    kept = "".join(c if c.isalnum() or c in "-_ " else "_" for c in title)
    return kept.strip(" _")[:60]
