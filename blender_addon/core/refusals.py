"""Why something cannot be done now: a full sentence with a remedy for each main button.

Each function gives "" when all is well. A stopped engine is no reason: it starts on demand, and a
job waits for it.
"""

from .costs import bytes_in_words, quality_of, upscaled
from .language import said, whole
from .snapshot import EngineView, Snapshot, WeightsView

_BY_NETWORK = (
    "Download a small network (220 MB) that finds the object in front of any background, or "
    "paint the mask by hand (Adjust Cut-Out, below)."
)
_REMEDIES = {
    "background_not_plain": _BY_NETWORK,
    "image_no_foreground": "Paint the mask by hand (Adjust Cut-Out, below), or choose another "
    "picture.",
    "image_no_alpha": "Choose Automatic as Background (Adjust Cut-Out, below).",
    "matte_not_installed": "Choose Automatic as Background, or paint the mask by hand (Adjust "
    "Cut-Out, below).",
    "matte_weights_missing": _BY_NETWORK,
}
"""What helps in Blender, where the engine's hint is for its command line: by code."""
MASKABLE = frozenset(_REMEDIES)
"""Codes of what is wrong with a picture that was read, and that a mask puts right."""
READ = MASKABLE | {"image_too_small"}
"""Codes of what is wrong with a picture that was read."""
WANT_NETWORK = frozenset(code for code, words in _REMEDIES.items() if words == _BY_NETWORK)
"""Codes of what a network that finds objects puts right."""


def remedy(code: str, hint: str) -> str:
    """What to do about a picture that the engine refuses.

    Args:
        hint: the engine's own.
    """
    return _REMEDIES.get(code, hint)


def matte_note(method: str, note: str) -> str:
    """How the background was taken away.

    Args:
        method: of ``protocol.limits.MATTE_METHODS``.
        note: the engine's own sentence.
    """
    if method == "plain":
        return "The plain background was taken away by rule: look at the outline."
    return note


def why_not_engine(engine: EngineView) -> str:
    """Why no job can be given to the engine, now or in a moment."""
    match engine.state:
        case "absent":
            return "The engine is not set up yet: press Set Up the Engine."
        case "installing":
            return "The engine is being set up: wait until that is done."
        case "refused":
            return whole(engine.sentence, engine.hint)
        case "gone" if engine.remote:
            return whole(
                engine.sentence
                or said("The engine on {place} does not answer.", place=engine.place),
                engine.hint,
            )
        case _:
            return ""


def why_not_words(snapshot: Snapshot) -> str:
    """Why words cannot take the place of a picture."""
    checkpoint = snapshot.checkpoint
    if checkpoint is None:
        return "The engine has not told yet whether its networks know words: start it first."
    if not checkpoint.words:
        return said("{name} makes objects from pictures and knows no words.", name=checkpoint.name)
    return checkpoint.words_missing


def why_not_picture(snapshot: Snapshot) -> str:
    """Why the picture that is shown, or the words in its place, cannot be used."""
    picture = snapshot.picture
    if picture.of_words:
        if refused := why_not_words(snapshot):
            return refused
        return (
            ""
            if picture.words.strip()
            else "Write what the object looks like, or choose a picture."
        )
    if not picture.title:
        return "No picture is chosen: choose, paste or drop one."
    if picture.problem:
        return whole(picture.problem, picture.hint)
    if picture.checking and snapshot.engine.state == "ready":
        return "The engine is looking at the picture: this takes a moment."
    return ""


def why_not_generate(snapshot: Snapshot, quality: str = "") -> str:
    """Why no object can be generated from what is chosen.

    Args:
        quality: that is wanted; empty: the checkpoint's default.
    """
    return (
        why_not_engine(snapshot.engine)
        or why_not_quality(snapshot, quality)
        or (why_not_any(snapshot) if snapshot.picture.count > 1 else why_not_picture(snapshot))
    )


def why_not_any(snapshot: Snapshot) -> str:
    """Why none of several pictures can be used."""
    picture = snapshot.picture
    if picture.unusable == picture.count:
        return said("None of the {count} pictures can be used: choose others.", count=picture.count)
    if not picture.made:
        return "No picture is left to use: take one in again, or choose others."
    if picture.checking and snapshot.engine.state == "ready":
        return "The engine is looking at the picture: this takes a moment."
    return ""


def why_not_quality(snapshot: Snapshot, quality: str = "") -> str:
    """Why this machine cannot generate in a quality."""
    checkpoint = snapshot.checkpoint
    if checkpoint is None:
        return ""  # the engine has not told yet, and will refuse by itself
    row = quality_of(checkpoint, quality)
    if row is None:
        names = ", ".join(said(row.name) for row in checkpoint.qualities)
        return said(
            "{name} has no quality {quality}: choose one of {names}.",
            name=checkpoint.name,
            quality=said(quality),
            names=names,
        )
    if row.missing:
        return said(
            "{missing} of weights for the quality {name} are not here: press Download Weights, "
            "or choose another quality.",
            missing=bytes_in_words(row.missing),
            name=said(row.name),
        )
    total = snapshot.engine.memory_total
    if row.memory is not None and total is not None and row.memory > total:
        return said(
            "The quality {name} needs {memory} of memory, and {device} has {total}: choose "
            "a lower quality.",
            name=said(row.name),
            memory=bytes_in_words(row.memory),
            device=snapshot.engine.device or said("this machine"),
            total=bytes_in_words(total),
        )
    return ""


def why_not_retexture(snapshot: Snapshot) -> str:
    """Why no mesh can get new materials from the chosen picture. What is wrong with the object
    itself, ``bl`` knows."""
    checkpoint = snapshot.checkpoint
    if refused := why_not_engine(snapshot.engine):
        return refused
    if checkpoint is not None and not checkpoint.texture_resolution:
        return said(
            "{name} cannot make materials for meshes: choose other weights.", name=checkpoint.name
        )
    return why_not_picture(snapshot)


def why_not_upscale(snapshot: Snapshot, *, made_here: bool = True, side: int = 0) -> str:
    """Why no object can be made finer.

    Args:
        made_here: the object has a recipe, so that its own picture is used.
        side: voxels an axis of the stored result that it would start from; 0: of none.
    """
    checkpoint = snapshot.checkpoint
    if refused := why_not_engine(snapshot.engine):
        return refused
    if checkpoint is not None and not checkpoint.upscale_resolution:
        return said("{name} has no upscale: choose other weights.", name=checkpoint.name)
    if checkpoint is not None and side >= checkpoint.upscale_resolution:
        return said("It has {side}³ voxels already, as many as these weights make.", side=side)
    row, total = upscaled(checkpoint), snapshot.engine.memory_total
    if row is not None and row.missing:
        return said(
            "{missing} of weights for upscaling are not here: press Download Weights.",
            missing=bytes_in_words(row.missing),
        )
    if row is not None and row.memory is not None and total is not None and row.memory > total:
        return said(
            "Upscaling needs {memory} of memory, and {device} has {total}: use the engine of "
            "another machine.",
            memory=bytes_in_words(row.memory),
            device=snapshot.engine.device or said("this machine"),
            total=bytes_in_words(total),
        )
    return "" if made_here else why_not_picture(snapshot)


ONLY_LOOK = (
    "The mesh was not made here, only its look: there is no stored result to finish. Retexture it "
    "for other textures."
)


def why_not_finish(snapshot: Snapshot, *, made_here: bool = True) -> str:
    """Why an object cannot be finished again.

    Args:
        made_here: the object has a recipe.
    """
    if not made_here:
        return "Only an object that Maquette made can be finished again: select one."
    return why_not_engine(snapshot.engine)


def why_not_finder(snapshot: Snapshot) -> str:
    """Why the network that finds objects cannot be downloaded."""
    engine, weights = snapshot.engine, snapshot.weights
    if engine.remote:
        return said(
            "Weights are downloaded on the engine's own machine: do it on {place}.",
            place=engine.place,
        )
    if engine.state != "ready":
        return why_not_engine(engine) or "The engine does not run: start it first."
    if weights is not None and weights.running:
        return "A download is running: cancel it to begin another one."
    return ""


def why_not_download(snapshot: Snapshot) -> str:
    """Why the missing weights cannot be downloaded."""
    weights = snapshot.weights
    if refused := why_not_finder(snapshot):
        return refused
    if weights is None:
        return "The engine has not told yet which weights there are: wait a moment."
    if not weights.missing:
        return "All of these weights are here."
    return _why_no_room(weights)


def gate_sentence(view: WeightsView | None) -> str:
    """What has to be done before a gated network can be downloaded; empty: nothing.

    It names the network; the page to open is ``WeightView.page``.
    """
    gated = [row for row in view.rows if row.gated and row.missing] if view else []
    if not gated:
        return ""
    names = ", ".join(row.purpose.partition(":")[0] or row.name for row in gated)
    return said(
        "{names}: its owner asks you to log in and to accept a licence, once. Open the page, "
        "accept, then log in on this machine with `hf auth login`; or use a copy without a "
        "gate.",
        names=names,
    )


def why_not_release(snapshot: Snapshot) -> str:
    """Why the engine cannot give its memory back."""
    if snapshot.engine.state != "ready":
        return "The engine does not run, and so holds no memory."
    if any(job.state == "running" for job in snapshot.jobs):
        return "A job needs the memory: cancel it, or wait until it is done."
    if not snapshot.engine.warm:
        return "No networks are loaded: there is no memory to give back."
    return ""


def _why_no_room(weights: WeightsView) -> str:
    if weights.free and weights.missing > weights.free:
        return said(
            "{missing} are missing, and the disk of the folder for weights has "
            "{free} free: make room, or choose another folder.",
            missing=bytes_in_words(weights.missing),
            free=bytes_in_words(weights.free),
        )
    return ""
