"""Options that several verbs share, with what --help says of them."""

from pathlib import Path
from typing import Annotated

import typer

from engine.systems.table import sampled_stages
from protocol.finishes import LOD_SHARES, WALL, finish_help
from protocol.jobs import GenerateJob, MakingJob, TextureJob, UpscaleJob
from protocol.limits import IMAGE_FORMATS, LODS, MATTE_METHODS, quality_help


def _steps_help(job: type[MakingJob]) -> str:
    return f"STAGE=N: {', '.join(sampled_stages(job))}."


Output = Annotated[
    Path,
    typer.Option(
        "--output", "-o", help="A .glb, .obj, .stl or .3mf file; without finishing also .ply."
    ),
]
Force = Annotated[
    bool, typer.Option("--force", help="Replace what is there, whatever it was made from.")
]
Finish = Annotated[
    str, typer.Option("--finish", help=f"{finish_help()}, or none (raw, colours per vertex).")
]
Checkpoint = Annotated[
    str | None,
    typer.Option(
        help="A folder with a pipeline.json, or a hub repository's name; if absent the published "
        "weights where they are on this disk, else the small model that ships."
    ),
]
Device = Annotated[str | None, typer.Option(help="Such as cpu or cuda:1; the best one if absent.")]
Memory = Annotated[
    float | None, typer.Option(min=0.01, help="GiB that may be used; what is free if absent.")
]
Offline = Annotated[bool, typer.Option("--offline", help="Never ask the hub.")]
NoService = Annotated[
    bool,
    typer.Option(
        "--no-service",
        help="Work in this process though an engine runs; --device, --memory and --offline do too.",
    ),
]
RequireTextures = Annotated[
    bool,
    typer.Option(
        "--require-textures", help="Stop where a picture or material file of a mesh is missing."
    ),
]
Json = Annotated[bool, typer.Option("--json", help="For programs: one JSON value on stdout.")]
Wait = Annotated[bool, typer.Option("--wait", help="Follow it to its end.")]
Batch = Annotated[bool, typer.Option("--batch", help="Let other jobs go before.")]
Quality = Annotated[
    str | None,
    typer.Option(help=f"{quality_help()}. The checkpoint's default if absent."),
]
FinerQuality = Annotated[str | None, typer.Option(help="As for generate; high if absent.")]
Type = Annotated[
    str | None, typer.Option("--type", help="Instead of a quality, such as 512 or 1024_cascade.")
]
Matte = Annotated[
    str, typer.Option(help=f"How the background is removed: {', '.join(MATTE_METHODS)}.")
]
Seed = Annotated[int, typer.Option(help="Another seed, another result.")]
MaxTokens = Annotated[
    int | None, typer.Option(min=1, help="Cells above which a cascade's resolution is lowered.")
]
Steps = Annotated[list[str] | None, typer.Option(help=_steps_help(GenerateJob))]
TextureSteps = Annotated[list[str] | None, typer.Option(help=_steps_help(TextureJob))]
FinerSteps = Annotated[list[str] | None, typer.Option(help=_steps_help(UpscaleJob))]
Fast = Annotated[
    bool,
    typer.Option(
        "--fast",
        help="Save about a third of the passes of the networks, for a small error: of the steps "
        "that come last, every other one is told from those before it.",
    ),
]
Guidance = Annotated[list[str] | None, typer.Option(help="STAGE=STRENGTH, as --steps.")]
Picture = Annotated[Path, typer.Argument(metavar="IMAGE", help="A picture of the object.")]
Prompts = Annotated[
    list[str] | None,
    typer.Option("--prompt", help="Words instead of a picture, for checkpoints that know some."),
]
Verbose = Annotated[
    bool, typer.Option("--verbose", help="Also figures of the mesh, seconds and memory.")
]
Faces = Annotated[int | None, typer.Option(help="Faces, other than the finish's.")]
Quads = Annotated[
    int | None,
    typer.Option(help="Quads that follow the shape, about so many, instead of triangles."),
]
Closed = Annotated[
    bool | None,
    typer.Option(
        "--closed/--open",
        help="Remesh to a closed surface, or do not; if absent as the checkpoint advises.",
    ),
]
Rebuild = Annotated[
    bool,
    typer.Option(
        "--rebuild", help="Make a mesh new from O-Voxels instead of keeping or reducing its faces."
    ),
]
Solid = Annotated[
    bool,
    typer.Option("--solid", help="A solid for 3D printing: closed, without crossings, with walls."),
]
Wall = Annotated[
    float | None,
    typer.Option(
        help=f"Least thickness of a solid, as a share of the longest side; {WALL} if absent."
    ),
]
NormalMap = Annotated[
    bool | None,
    typer.Option(
        "--normal-map/--no-normal-map", help="For the detail that is lost; as the finish if absent."
    ),
]
Occlusion = Annotated[
    bool | None,
    typer.Option("--occlusion/--no-occlusion", help="Ambient occlusion; as the finish if absent."),
]
Levels = Annotated[
    int | None,
    typer.Option(help=f"Levels of detail, 1 to {len(LOD_SHARES)}; as the finish if absent."),
]
ImageFormat = Annotated[
    str | None,
    typer.Option(
        "--image-format",
        help=f"{', '.join(IMAGE_FORMATS)}: of pictures in a .glb file; png if absent.",
    ),
]
Lods = Annotated[
    str | None,
    typer.Option(
        help=f"{' or '.join(LODS)}: levels of detail in one .glb file, the further ones hidden, or "
        "each in a file of its own (NAME_LOD0.glb, ...); nodes if absent."
    ),
]
Height = Annotated[
    float | None, typer.Option(help="Of the result, in metres; as it comes if absent.")
]
Scale = Annotated[
    float | None,
    typer.Option(help="Times which the result gets larger, such as 0.01; instead of a height."),
]
Origin = Annotated[
    str | None,
    typer.Option(
        help="Where the result has its origin: base (the middle of its foot, so that it stands on "
        "the ground), centre, or kept."
    ),
]
Hull = Annotated[
    bool | None, typer.Option("--hull/--no-hull", help="A collision hull; as the finish if absent.")
]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]
