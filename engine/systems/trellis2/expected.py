"""The stages that a job is going to pass, told before it begins."""

from pathlib import Path

from engine.residency.models import Models
from engine.systems.trellis2.routes import offer_of, route_of
from protocol.jobs import GenerateJob, MakingJob, TextureJob, UpscaleJob
from protocol.references import Attached, File, Reference

_FINER = ("upsample", "fine_shape")
_DECODING = ("texture", "decode_shape", "decode_material")


def expected_stages(job: MakingJob, models: Models) -> tuple[str, ...]:
    """Names of ``protocol.stages``, in order.

    Raises:
        EngineError: ``type_unknown`` and what else is wrong with the quality that is asked for.
    """
    match job:
        case GenerateJob():
            fine = _FINER if route_of(offer_of(models), job.type, job.quality).fine else ()
            sampling = ("structure", "decode_structure", "shape", *fine)
            return ("picture", "encode", *sampling, *_DECODING)
        case TextureJob():
            mesh = ("reading", "picture", "voxels", "encode_shape")
            return (*mesh, "encode", "texture", "decode_material")
        case UpscaleJob():
            finer = ("upsample", "encode", "fine_shape", *_DECODING)
            if _is_mesh(job.source):
                return ("reading", "picture", "voxels", "encode_shape", *finer)
            return ("picture", *finer)


def _is_mesh(source: Reference) -> bool:
    """Whether it is a mesh that has to be read first, as far as its name tells."""
    if isinstance(source, File):
        return not Path(source.path).is_dir()
    return isinstance(source, Attached)
