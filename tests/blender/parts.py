"""Parts as the engine sends them, made here: packed and checked by the extension's own protocol."""

import struct
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from tests.blender import addon

MEAN = (0.58, 0.19, 0.02)
"""Of the base colour, as the engine tells it."""


def fetched(name: str, packed: Any, job: str = "0" * 32) -> Any:
    """A part that is here."""
    client = addon.module("protocol.client")
    replies = addon.module("protocol.replies")
    data = memoryview(b"".join(bytes(chunk) for chunk in packed.chunks()))
    head = replies.PartHead(
        job=job, name=name, size=len(data), sha256="0" * 64, layout=packed.layout
    )
    return client.Fetched(1, head, data)


def png(side: int, color: tuple[int, ...] = (200, 120, 40), noise: bool = False) -> bytes:
    """A square PNG, RGB or RGBA."""
    channels = len(color)
    rows = np.empty((side, side, channels), np.uint8)
    rows[:] = color
    if noise:
        rows[..., :3] = np.random.default_rng(7).integers(0, 256, (side, side, 3))
    return png_of(rows)


def png_of(rows: Any) -> bytes:
    """A PNG of (H, W, 3 or 4) uint8 rows from the top."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    height, width, channels = rows.shape
    raw = b"".join(b"\0" + rows[y].tobytes() for y in range(height))
    header = struct.pack(">IIBBBBB", width, height, 8, {3: 2, 4: 6}[channels], 0, 0, 0)
    parts = (chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(raw, 1)), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def ball(faces: int = 2000, squash: float = 1.0) -> tuple[Any, Any, Any, Any]:
    """(V, 3) points, (F, 3) faces, (F, 3, 2) UVs and (F, 3, 3) normals of a ball in the cube.

    Args:
        faces: about how many triangles.
        squash: its height as a share of its width.
    """
    rings = max(3, round((faces / 4) ** 0.5))
    around = 2 * rings
    v, u = np.meshgrid(np.arange(rings + 1), np.arange(around), indexing="ij")
    polar, turn = np.pi * v / rings, 2 * np.pi * u / around
    grid = np.stack(
        [np.sin(polar) * np.cos(turn), np.sin(polar) * np.sin(turn), squash * np.cos(polar)], -1
    )
    index = np.empty((rings + 1, around + 1), np.int64)
    index[1:-1, :-1] = np.arange((rings - 1) * around).reshape(rings - 1, around) + 1
    index[0], index[-1] = 0, (rings - 1) * around + 1
    index[1:-1, -1] = index[1:-1, 0]
    points = np.concatenate([grid[:1, 0], grid[1:-1].reshape(-1, 3), grid[-1:, 0]]) / 2
    uv = np.stack(np.meshgrid(np.arange(around + 1) / around, 1 - np.arange(rings + 1) / rings), -1)
    a, b, c, d = (
        (slice(None, -1), slice(None, -1)), (slice(1, None), slice(None, -1)),
        (slice(1, None), slice(1, None)), (slice(None, -1), slice(1, None)),
    )  # fmt: skip
    one = np.stack([index[a], index[b], index[c]], -1).reshape(-1, 3)
    two = np.stack([index[a], index[c], index[d]], -1).reshape(-1, 3)
    uv_one = np.stack([uv[a], uv[b], uv[c]], -2).reshape(-1, 3, 2)
    uv_two = np.stack([uv[a], uv[c], uv[d]], -2).reshape(-1, 3, 2)
    triangles, uvs = np.concatenate([one, two]), np.concatenate([uv_one, uv_two])
    whole = (np.diff(np.sort(triangles, axis=1), axis=1) > 0).all(axis=1)
    triangles, uvs = triangles[whole], uvs[whole]
    normals = points / np.maximum(np.linalg.norm(points, axis=1, keepdims=True), 1e-9)
    return points, triangles, uvs, normals[triangles]


def mesh_part(name: str = "finished", faces: int = 2000, squash: float = 1.0, **more: Any) -> Any:
    """A ball as a part; with UVs and normals if it is called finished, else with colours."""
    pack_mesh = addon.module("protocol.parts").pack_mesh
    points, triangles, uvs, normals = ball(faces, squash)
    others: dict[str, Any] = {}
    if name.startswith("finished"):
        others = {"corner_uv": uvs.reshape(-1, 2), "corner_normal": normals.reshape(-1, 3)}
    elif name == "mesh":
        colors = np.ones((len(points), 4), np.float32)
        colors[:, :3] = points + 0.5
        values = np.full((len(points), 2), 0.25, np.float32)
        others = {"color_srgb": colors, "metallic_roughness": values}
    return fetched(name, pack_mesh(points, triangles, **(others | more)))


def textures_part(
    side: int = 16, *, alpha: bool = False, normal: bool = False, noise: bool = False
) -> Any:
    """The pictures of a material."""
    pack_images = addon.module("protocol.parts").pack_images
    base = png(side, (200, 120, 40, 128) if alpha else (200, 120, 40), noise)
    pictures: dict[str, tuple[bytes, bool]] = {
        "base_color": (base, alpha),
        "metallic_roughness": (png(side, (0, 180, 30), noise), False),
    }
    if normal:
        pictures["normal"] = png(side, (128, 128, 255)), False
    return fetched("textures", pack_images(pictures, means={"base_color": MEAN}))


def structure_part(side: int = 16) -> Any:
    """The cells of a ball."""
    pack_structure = addon.module("protocol.parts").pack_structure
    cells = np.indices((side,) * 3).reshape(3, -1).T
    inside = np.linalg.norm(cells + 0.5 - side / 2, axis=1) < side / 2
    return fetched("structure", pack_structure(cells[inside], side))


def delivery(stage: str = "finished", *, title: str = "Chair", **more: Any) -> Any:
    """A delivery of a stage with the usual parts, into the open file.

    Args:
        more: ``parts``, ``job``, ``recipe``; all else goes to its ``Target``.
    """
    import bpy

    deliveries = addon.module("core.deliveries")
    parts: Mapping[str, Any] = (
        more.pop("parts", None)
        or {
            "structure": lambda: {"structure": structure_part()},
            "mesh": lambda: {"mesh": mesh_part("mesh")},
            "finished": lambda: {"finished": mesh_part(), "textures": textures_part()},
        }[stage]()
    )
    job = more.pop("job", "ab" * 16)
    recipe = more.pop("recipe", {"kind": "generate", "job": job} if stage == "finished" else {})
    more.setdefault("file", addon.module("bl.open_file").key())
    more.setdefault("scene", bpy.context.scene.session_uid)
    target = deliveries.Target(**more)
    return deliveries.Delivery(
        job=job, stage=stage, title=title, target=target, parts=parts, recipe=recipe
    )


def deliver(stage: str = "finished", **more: Any) -> Any:
    """Put one into the scene; what became of it."""
    return addon.module("bl.place").deliver(delivery(stage, **more))
