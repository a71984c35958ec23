"""The stages that a job is going to pass, told before it begins."""

from engine.residency.models import Models
from engine.systems.trellis2.routes import offer_of, route_of
from protocol.jobs import GenerateJob, MakingJob, TextureJob, UpscaleJob

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
            return ("picture", "encode", *_FINER, *_DECODING)
