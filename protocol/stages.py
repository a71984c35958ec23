"""The stages that jobs are made of: a closed table of names, with words for people and shares."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Stage:
    """A stage of a job.

    Attributes:
        name: what programs call it; never changes.
        label: what people read while it runs.
        share: how long it usually takes beside the others, in seconds of the small model on two
            cores. Only the ratios matter: they turn steps of a stage into a fraction of the job.
    """

    name: str
    label: str
    share: float


STAGES: dict[str, Stage] = {
    stage.name: stage
    for stage in (
        Stage("reading", "Reading the file", 0.5),
        Stage("picture", "Preparing the picture", 0.5),
        Stage("encode", "Looking at the picture", 0.3),
        Stage("structure", "Making the rough shape", 1.0),
        Stage("decode_structure", "Building the rough shape", 0.2),
        Stage("shape", "Making the shape", 1.0),
        Stage("upsample", "Finding finer cells", 0.5),
        Stage("fine_shape", "Making the finer shape", 2.0),
        Stage("texture", "Making the materials", 0.7),
        Stage("decode_shape", "Building the shape", 1.0),
        Stage("decode_material", "Building the materials", 0.7),
        Stage("voxels", "Turning the mesh into voxels", 1.0),
        Stage("materials", "Reading its materials", 0.7),
        Stage("encode_shape", "Reading the shape", 0.7),
        Stage("surface", "Making the surface", 0.5),
        Stage("saving", "Saving the asset", 0.5),
        Stage("clean", "Cleaning the surface", 1.0),
        Stage("remesh", "Closing the surface", 1.5),
        Stage("simplify", "Simplifying", 1.0),
        Stage("quads", "Making quads", 2.0),
        Stage("check_uvs", "Checking the UVs", 0.3),
        Stage("unwrap", "Unwrapping", 1.5),
        Stage("detail", "Preparing to bake", 1.0),
        Stage("bake", "Baking textures", 2.0),
        Stage("writing", "Writing the file", 0.7),
        Stage("thumbnail", "Taking a thumbnail", 0.7),
        Stage("rendering", "Rendering", 5.0),
    )
}


class Overall:
    """How much of a whole job is done: from 0 to 1, never backwards.

    Args:
        expected: names of the stages that the job is going to pass, in order; one that comes
            several times stands there several times. A job may pass others than these: they count
            once they begin.
    """

    def __init__(self, expected: tuple[str, ...] = ()) -> None:
        self._ahead = list(expected)
        self._behind = 0.0
        self._stage = ""
        self.fraction = 0.0

    def update(self, stage: str, step: int, steps: int) -> float:
        """The fraction when ``stage`` has done ``step`` of its ``steps``."""
        share = STAGES[stage].share
        if stage != self._stage:
            self._begin(stage)
        done = self._behind + share * step / max(1, steps)
        whole = self._behind + share + sum(STAGES[name].share for name in self._ahead)
        self.fraction = max(self.fraction, done / whole)
        if step >= steps:
            self._behind += share
            self._stage = ""
        return self.fraction

    def _begin(self, stage: str) -> None:
        """Stages before this one that did not come are not going to: they count as nothing."""
        if stage in self._ahead:
            del self._ahead[: self._ahead.index(stage) + 1]
        self._stage = stage
