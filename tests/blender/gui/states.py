"""Every state of the interface as a hand-made Snapshot."""

import time
from dataclasses import replace
from typing import Any


def states(view: Any) -> dict[str, Any]:
    """Name -> Snapshot.

    Args:
        view: the module ``core.snapshot``.
    """
    GB = 1_000_000_000
    ready = view.EngineView(
        state="ready",
        sentence="Ready on this machine.",
        verb="",
        device="NVIDIA GeForce RTX 4070",
        memory_used=int(3.1 * GB),
        memory_total=12 * GB,
        versions="Maquette 0.1.0, engine 0.1.0",
    )
    cpu = replace(ready, device="CPU, 8 cores", memory_used=None, memory_total=None)
    small = view.CheckpointView(
        name="Small model",
        small=True,
        qualities=(view.QualityView(name="standard", resolution=64, seconds=11, memory=None),),
        stages=(
            view.StageView(
                name="structure", label="Structure", steps=12, guidance_strength=7.5, reuse_after=6
            ),
            view.StageView(
                name="shape", label="Shape", steps=12, guidance_strength=7.5, reuse_after=4
            ),
            view.StageView(
                name="texture", label="Materials", steps=12, guidance_strength=1.0, reuse_after=4
            ),
        ),
        upscale_resolution=96,
        note="This is the small model: it knows simple toys. For pictures of anything, "
        "download the weights: panel Engine.",
        faces=20000,
    )
    big = view.CheckpointView(
        name="TRELLIS.2 4B",
        small=False,
        qualities=(
            view.QualityView(name="draft", resolution=512, seconds=40, memory=9 * GB),
            view.QualityView(name="standard", resolution=1024, seconds=150, memory=11 * GB),
            view.QualityView(name="high", resolution=1536, seconds=420, memory=12 * GB),
        ),
        stages=small.stages,
        upscale_resolution=1536,
        upscale_seconds=420,
        game_seconds=37,
        texture_resolution=1024,
        texture_seconds=95,
    )
    setup = view.SetupView(download=int(2.6 * GB), disk=int(6.4 * GB), minutes=8.0)
    absent = view.Snapshot(
        engine=view.EngineView(state="absent", sentence="No engine is set up yet."), setup=setup
    )
    installing = view.Snapshot(
        engine=view.EngineView(state="installing", sentence="Setting up", verb=""),
        setup=replace(
            setup,
            running=True,
            step="Downloading PyTorch for NVIDIA cards (2 of 4)",
            fraction=0.37,
            bytes_done=int(0.9 * GB),
            bytes_total=int(2.6 * GB),
            log=(
                "Using CPython 3.12.11",
                "Creating virtual environment at: ~/.local/share/maquette/engine/venv",
                "Resolved 61 packages in 1.42s",
                "Downloading torch (821.9MiB)",
                "Downloading nvidia-cudnn-cu12 (544.5MiB)",
            ),
        ),
    )
    cut = replace(
        absent,
        setup=replace(
            setup,
            problem="The download was cut after 0.9 GB: the connection was reset.",
            hint="Continue when the network is back; what is here is kept.",
            resumable=True,
        ),
    )
    offline = replace(
        absent,
        setup=replace(
            setup,
            why_not="Blender's online access is off, so nothing can be downloaded.",
        ),
    )
    base = view.Snapshot(engine=ready, checkpoint=big)
    picture = view.PictureView(title="mushroom", width=512, height=512, cut_out=True, serial=1)
    noted = replace(
        picture,
        notes=(
            "The object touches the lower edge of the picture: what is cut off will be missing.",
            "The object is only 180 x 212 pixels large; fine details will be missing.",
            "The plain background was taken away by rule: look at the outline.",
        ),
        warnings=2,
    )
    chosen = replace(base, picture=picture)
    running = view.JobView(
        id="a" * 32, title="mushroom", kind="generate", state="running",
        stage="Making the shape", step=7, steps=12, fraction=0.43, elapsed=42, eta=68,
    )  # fmt: skip
    queued = tuple(
        view.JobView(id=str(n) * 32, title=t, kind=k, state="queued", position=n, target=g)
        for n, (t, k, g) in enumerate(
            (
                ("rocket", "generate", ""),
                ("lighthouse at the end of the pier, evening", "generate", ""),
                ("brass", "texture", "Lantern"),
            ),
            1,
        )
    )
    failed = view.JobView(
        id="f" * 32, title="trophy", kind="generate", state="failed", fraction=0.6,
        problem="The graphics card ran out of memory while decoding the shape: 11.2 GB were "
        "needed and 9.8 GB free.",
        hint="Close other programs that use the card, or choose the quality Draft.",
    )  # fmt: skip
    waiting = replace(
        running, state="waiting", fraction=1.0, title="rocket",
        waiting_for="Waits until you leave Edit mode: then it is placed.",
    )  # fmt: skip
    interrupted = replace(
        running, state="interrupted",
        problem="The engine ended while this job ran.",
        hint="Resume it: finished stages are kept.",
    )  # fmt: skip
    done = view.BannerView(
        job="c" * 32, state="done", sentence="Mushroom is in the scene.", verb="show", object=7
    )
    in_history = view.BannerView(
        job="b" * 32,
        state="done",
        sentence="rocket was deleted while its job ran: the result waits in the history.",
        verb="insert",
    )
    deleted = view.BannerView(
        job=running.id,
        state="running",
        sentence="mushroom was deleted: its result will wait in the history.",
        verb="cancel",
    )
    cancelled = view.BannerView(
        job=running.id, state="cancelled",
        sentence="mushroom was cancelled: what was made so far stays.", verb="show", object=7,
    )  # fmt: skip
    now = time.time()
    names = ("mushroom", "rocket", "lighthouse", "duck", "armchair", "trophy")
    history = tuple(
        view.HistoryRow(
            id=f"{n:032x}", title=names[n % 6] if n != 4 else "lighthouse at the pier",
            kind=("generate", "generate", "texture", "upscale")[n % 4], created=now - n * 5000,
            pinned=n == 2, bytes=31_000_000 + n * 700_000, picture=f"{n % 6:064x}",
            offered=n == 1, thumbnail=True, seed=None if n % 4 == 3 else 42 + n,
            quality=("draft", "standard", "", "")[n % 4],
        )
        for n in range(200)
    )  # fmt: skip

    def row(purpose: str, size: float, *, gated: bool = False, here: bool = False) -> Any:
        size = int(size * GB)
        name = "facebook/dinov3-vitl16" if gated else purpose
        page = "https://huggingface.co/facebook" if gated else ""
        return view.WeightView(
            name=name,
            purpose=purpose,
            bytes=size,
            missing=0 if here else size,
            gated=gated,
            page=page,
        )

    weights = view.WeightsView(
        rows=(
            row("Shape and structure", 9.1),
            row("Materials", 3.9),
            row("Looking at pictures (DINOv3)", 1.2, gated=True),
            row("Removing backgrounds", 0.4, here=True),
        ),
        folder="~/.local/share/maquette/models",
        total=int(14.6 * GB),
        missing=int(14.2 * GB),
        free=212 * GB,
    )  # fmt: skip

    def told(news: Any) -> Any:
        """The last word is about a job, in the panel and in the status bar."""
        return replace(chosen, banner=news, message=news.sentence, news=news)

    return {
        "01_no_engine": absent,
        "02_offline": offline,
        "03_installing": installing,
        "04_setup_cut": cut,
        "47_asleep": replace(
            chosen,
            engine=view.EngineView(
                state="stopped", sentence="The engine is asleep: a job wakes it.", verb="start"
            ),
        ),
        "05_starting": replace(
            base, checkpoint=None,
            engine=view.EngineView(state="starting", sentence="The engine is starting…", verb=""),
        ),
        "06_ready": base,
        "07_ready_small": replace(base, engine=cpu, checkpoint=small),
        "08_picture": chosen,
        "09_picture_notes": replace(base, picture=noted),
        "10_picture_small": replace(base, picture=picture, engine=cpu, checkpoint=small),
        "11_picture_bad": replace(
            base,
            picture=view.PictureView(
                title="sunset.exr",
                problem="sunset is an OpenEXR picture, whose white level is not known.",
                hint="Save it as PNG or JPEG and choose that file.",
                readable=False,
                maskable=False,
            ),
        ),
        "46_busy": replace(
            base,
            picture=view.PictureView(
                title="mushroom in the wood",
                serial=1,
                problem="The background is not plain enough to be removed by rule: its border "
                "has many colours.",
                hint="Download a small network (220 MB) that finds the object in front of any "
                "background, or paint the mask by hand (Adjust Cut-Out, below).",
                wants_network=True,
            ),
        ),
        "12_running": replace(chosen, jobs=(running,)),
        "13_queue": replace(chosen, jobs=(running, *queued)),
        "14_failed": replace(
            chosen,
            jobs=(failed,),
            banner=view.BannerView(
                job=failed.id,
                state="failed",
                sentence=f"{failed.title}: {failed.problem}",
                verb="retry",
            ),
        ),
        "25_words": replace(
            base,
            engine=cpu,
            checkpoint=replace(small, words=True),
            picture=view.PictureView(
                title="a red mushroom with white dots",
                words="a red mushroom with white dots",
                of_words=True,
            ),
        ),
        "26_in_history": told(in_history),
        "22_deleted": replace(
            chosen,
            jobs=(replace(running, gone=deleted.sentence, target="mushroom"),),
            banner=deleted,
        ),
        "24_cancelled": told(cancelled),
        "27_several": replace(
            base,
            picture=replace(
                noted, title="lighthouse", place=1, count=5, made=3, unusable=1, noted=2, unseen=1
            ),
        ),
        "28_left_out": replace(
            base, picture=replace(picture, place=4, count=5, made=4, left_out=True)
        ),
        "29_choices_words": replace(base, engine=cpu, checkpoint=replace(small, words=True)),
        "30_words_missing": replace(
            base,
            engine=cpu,
            checkpoint=replace(small, words=True, words_missing="What reads words is missing."),
        ),
        "15_waiting": replace(chosen, jobs=(waiting,)),
        "16_done": told(done),
        "17_gone": replace(
            chosen,
            engine=view.EngineView(
                state="gone",
                sentence="The engine does not answer any more.",
                hint="Restart the engine: jobs that were running can be resumed then.",
                verb="restart",
            ),
            jobs=(interrupted,),
            banner=view.BannerView(
                job=running.id,
                state="interrupted",
                sentence=f"{running.title}: {interrupted.problem}",
                verb="resume",
            ),
        ),
        "18_refused": replace(
            chosen,
            engine=view.EngineView(
                state="refused",
                sentence="This engine is of version 0.0.9, and the extension needs 0.1.0.",
                hint="Update the engine: results and weights stay.",
                verb="update",
            ),
        ),
        "19_history": replace(chosen, history=history),
        "20_weights": replace(base, weights=weights),
        "21_downloading": replace(
            base,
            weights=replace(
                weights, running=True, done=int(4.2 * GB),
                file="ckpts/slat_flow_img2shape_dit_1_3B_512_bf16.safetensors",
            ),
        ),
        "23_remote": replace(
            chosen,
            engine=replace(
                ready, place="studio.local:50123", remote=True, sentence="Ready on studio.local."
            ),
        ),
    }  # fmt: skip
