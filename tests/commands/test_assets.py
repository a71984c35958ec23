"""generate, texture and upscale on the command line, with a toy checkpoint."""

import re
import shutil
from pathlib import Path

import huggingface_hub
import numpy as np
import pytest
import trimesh
from PIL import Image
from typer.testing import CliRunner, Result

from engine import session
from engine.assets.folder import load_asset
from engine.checkpoints import image_encoders as encoders
from engine.checkpoints.image_encoders import EncoderKind
from engine.cli import app
from engine.export.mesh_file import save_mesh
from engine.images.rembg_matte import RembgMatte
from engine.readers.load import load_mesh
from engine.systems import catalogue, matte_network
from engine.systems.trellis2 import stages
from engine.weights.hub_names import DINOV3, REMBG
from tests.finishing.shapes import box
from tests.systems.trellis2.toy import ToyEncoder, picture
from tests.weights.fake_hub import weight


@pytest.fixture(autouse=True)
def toy_encoder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def load(*, folder: Path | None, offline: bool) -> ToyEncoder:
        return ToyEncoder()

    monkeypatch.setitem(encoders.ENCODERS, "ToyEncoder", EncoderKind(load, 4))
    monkeypatch.setenv("MAQUETTE_HOME", str(tmp_path / "home"))


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "disc.png"
    path.write_bytes(picture())
    return path


def run(*arguments: str | int | Path):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def made_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} - {"home"}


def test_generate_then_upscale(toy: Path, image: Path, tmp_path: Path) -> None:
    low, high = tmp_path / "low.glb", tmp_path / "high.glb"
    # The file names the object in it, so the one to compare with has the same name.
    direct = tmp_path / "direct" / "high.glb"
    options = ("--checkpoint", toy, "--device", "cpu", "--finish", "none")
    words = ("--quality", "draft", "--seed", 3, "--verbose")
    result = run("generate", image, "-o", low, *words, *options)
    assert result.exit_code == 0, result.output
    assert re.search(
        r"low.glb: [\d,]+ faces, [\d.]+ KiB, [\d.]+ x [\d.]+ x [\d.]+ m", result.stdout
    )
    assert "Next: Blender" in result.stdout
    assert "64^3, seed 3" in result.stdout
    assert "Seconds: picture" in result.stdout
    assert "Peak memory" in result.stdout
    assert "all networks resident" in result.stderr
    assert made_in(tmp_path) == {"disc.png", "low.glb", "low.maquette"}

    picture = tmp_path / "low.png"
    assert run("render", tmp_path / "low.maquette", "-o", picture, "--size", 16).exit_code == 0
    assert picture.is_file()
    picture.unlink()

    direct.parent.mkdir()
    result = run("upscale", tmp_path / "low.maquette", "-o", high, *options)
    assert result.exit_code == 0, result.output
    result = run("generate", image, "-o", direct, "--type", "192_cascade", "--seed", 3, *options)
    assert result.exit_code == 0, result.output
    assert high.read_bytes() == direct.read_bytes()
    written = trimesh.load(high, force="mesh")
    assert isinstance(written, trimesh.Trimesh)
    assert len(written.faces) == len(load_asset(tmp_path / "high.maquette").mesh.faces)


def test_variants_of_several_pictures(toy: Path, image: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.png"
    other.write_bytes(picture((0, 120, 220)))
    out = tmp_path / "out"
    out.mkdir()
    result = run(
        "generate", image, other, "-o", out / "a.ply", "--type", "64", "--variants", 2,
        "--steps", "structure=2", "--steps", "texture=1", "--guidance", "shape=2.5",
        "--checkpoint", toy, "--device", "cpu", "--finish", "none",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert made_in(out) == {f"a_{i}{end}" for i in range(1, 5) for end in (".ply", ".maquette")}
    recipes = [load_asset(out / f"a_{i}.maquette").recipe for i in range(1, 5)]
    assert [recipe["seed"] for recipe in recipes] == [42, 43, 42, 43]
    samplers = recipes[0]["samplers"]
    assert (samplers["structure"]["steps"], samplers["texture"]["steps"]) == (2, 1)
    assert (samplers["shape"]["steps"], samplers["shape"]["guidance_strength"]) == (4, 2.5)
    assert recipes[0]["picture_sha256"] != recipes[2]["picture_sha256"]


def test_fast(toy: Path, image: Path, tmp_path: Path) -> None:
    options = ("--checkpoint", toy, "--device", "cpu", "--finish", "none", "--fast")
    steps = ("--steps", "structure=9", "--steps", "texture=7")
    result = run("generate", image, "-o", tmp_path / "a.ply", "--type", "64", *steps, *options)
    assert result.exit_code == 0, result.output
    told = "Fast: 1 of 9 steps (structure), 1 of 7 steps (texture) are told from"
    assert told in " ".join(result.stderr.split())
    samplers = load_asset(tmp_path / "a.maquette").recipe["samplers"]
    assert samplers["structure"]["reuse_after"] == 6
    save_mesh(box((2, 1, 0.5)), tmp_path / "box.glb")
    result = run(
        "texture", tmp_path / "box.glb", image, "-o", tmp_path / "b.ply", "--resolution", 64,
        "--steps", "texture=7", *options,
    )  # fmt: skip
    assert result.exit_code == 0 and "1 of 7 steps (texture)" in result.stderr, result.output
    result = run(
        "upscale", tmp_path / "box.glb", image, "-o", tmp_path / "c.ply", "--type", "192_cascade",
        *options,
    )  # fmt: skip
    assert result.exit_code == 0 and "none is saved" in result.stderr, result.output


def test_texture(toy: Path, image: Path, tmp_path: Path) -> None:
    mesh = box((2, 1, 0.5), centre=(3, 4, 5))
    save_mesh(mesh, tmp_path / "box.glb")
    target = tmp_path / "painted.ply"
    result = run(
        "texture", tmp_path / "box.glb", image, "-o", target, "--resolution", 64,
        "--checkpoint", toy, "--device", "cpu", "--finish", "none",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    painted = trimesh.load(target, process=False)
    assert isinstance(painted, trimesh.Trimesh)
    np.testing.assert_allclose(painted.bounds, [[2, 3.5, 4.75], [4, 4.5, 5.25]], atol=1e-5)
    assert len(painted.faces) == 12


@pytest.mark.parametrize("verb", ["texture", "upscale"])
def test_textures_can_be_required(verb: str, toy: Path, image: Path, tmp_path: Path) -> None:
    lost = tmp_path / "lost.obj"
    lost.write_text("mtllib gone.mtl\nusemtl a\nv 0 0 0\nv 1 0 0\nv 0 1 1\nf 1 2 3\n")
    result = run(
        verb, lost, image, "-o", tmp_path / "x.glb", "--checkpoint", toy, "--device", "cpu",
        "--require-textures",
    )  # fmt: skip
    assert result.exit_code == 2, result.output
    assert "The material file gone.mtl" in " ".join(result.stderr.split())
    assert made_in(tmp_path) == {"disc.png", "lost.obj"}


def test_a_textured_mesh_is_finished_with_its_own_faces(
    toy: Path, image: Path, tmp_path: Path
) -> None:
    given = box((2, 1, 0.5), centre=(3, 4, 5))
    save_mesh(given, tmp_path / "box.glb")
    target = tmp_path / "painted.glb"
    result = run(
        "texture", tmp_path / "box.glb", image, "-o", target, "--resolution", 64,
        "--checkpoint", toy, "--device", "cpu",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    folder = tmp_path / "painted.maquette"
    with Image.open(folder / "thumbnail.png") as thumbnail:
        assert thumbnail.size == (512, 512)
        assert thumbnail.getchannel("A").getextrema() == (0, 255)
    painted = load_mesh(target)
    assert len(painted.faces) == len(given.faces)
    np.testing.assert_allclose(painted.vertices.min(axis=0), [2, 3.5, 4.75], atol=1e-5)
    assert painted.uvs is not None and painted.materials[0].base_color_texture is not None
    noted = load_asset(tmp_path / "painted.maquette").recipe["finish"]
    assert (noted["file"], noted["settings"]["texture_size"]) == ("painted.glb", 2048)
    assert noted["levels"][0]["after"]["faces"] == len(given.faces)
    for option in (["--faces", "100"], ["--keep-inner"], ["--closed"]):
        result = run("finish", folder, "-o", tmp_path / "again.glb", *option)
        assert result.exit_code == 2
        assert "keeps its faces" in result.stderr or "stay as they are" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["generate", "IMAGE", "-o", "x.txt"], "cannot hold a textured asset"),
        (["generate", "IMAGE", "-o", "x.txt", "--finish", "none"], "does not end like a mesh file"),
        (["generate", "IMAGE", "-o", "x.glb", "--finish", "shiny"], "no finish 'shiny'"),
        (["generate", "IMAGE", "-o", "home/x.glb", "--variants", "2"], "x_2.maquette is there"),
        (["generate", "absent.png", "-o", "x.glb"], "'absent.png' cannot be opened"),
        (["generate", "IMAGE", "-o", "x.glb", "--quality", "best"], "no quality 'best'"),
        (["generate", "IMAGE", "-o", "x.glb", "--type", "64", "--quality", "a"], "no quality 'a'"),
        (["generate", "IMAGE", "-o", "x.glb", "--type", "513"], "cannot make the type '513'"),
        (["generate", "IMAGE", "-o", "x.glb", "--seed", "-1"], "seed cannot be -1"),
        (["generate", "IMAGE", "-o", "x.glb", "--variants", "0"], "variants cannot be 0"),
        (["generate", "IMAGE", "-o", "x.glb", "--steps", "shape"], "--steps shape"),
        (["generate", "IMAGE", "-o", "x.glb", "--steps", "shape=0"], "steps cannot be 0"),
        (["generate", "IMAGE", "-o", "x.glb", "--guidance", "form=2"], "--guidance form=2"),
        (["generate", "IMAGE", "-o", "x.glb", "--matte", "magic"], "'magic'"),
        (["generate", "IMAGE", "-o", "x.glb", "--device", "abacus"], "Give cpu, cuda or cuda:N"),
        (["texture", "IMAGE", "cloth.glb", "-o", "x.glb"], "The mesh comes first"),
        (["texture", "absent.glb", "IMAGE", "-o", "x.glb"], "absent.glb"),
        (["upscale", "absent.glb", "-o", "x.glb"], "A mesh alone"),
        (["upscale", ".", "-o", "x.glb"], "not the folder of an asset"),
    ],
)
def test_mistakes_are_told_in_a_sentence(
    arguments: list[str],
    message: str,
    toy: Path,
    image: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "home" / "x_2.maquette").mkdir(parents=True)
    given = [str(image) if word == "IMAGE" else word for word in arguments]
    result = run(*given, "--checkpoint", toy)
    assert result.exit_code == 2, result.output
    assert message in " ".join(result.stderr.split())
    assert "Traceback" not in result.stderr
    assert made_in(tmp_path) <= {"disc.png"}


def test_folders_are_made_and_two_runs_into_one_name_are_not_mixed(
    toy: Path, image: Path, tmp_path: Path
) -> None:
    target = tmp_path / "new" / "folder" / "x.glb"
    options = ("--type", "64", "--checkpoint", toy, "--device", "cpu", "--finish", "none")
    with session.claimed([target], finished=False):
        other = run("generate", image, "-o", target.with_suffix(".ply"), *options)
        assert other.exit_code == 2
        assert "Another run of Maquette" in other.stderr
    result = run("generate", image, "-o", target, *options)
    assert result.exit_code == 0, result.output
    assert made_in(target.parent) == {"x.glb", "x.maquette"}


def stopped_at(
    room: object, name: str, monkeypatch: pytest.MonkeyPatch, toy: Path, image: Path
) -> Result:
    """A generation to x.glb beside the picture, with Ctrl-C pressed in a function of a room."""

    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(room, name, stop)
    result = run(
        "generate", image, "-o", image.parent / "x.glb", "--type", "64", "--checkpoint", toy,
        "--device", "cpu",
    )  # fmt: skip
    assert result.exit_code == 130
    return result


def test_stopped_while_working(
    toy: Path, image: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = stopped_at(stages, "dense_spread", monkeypatch, toy, image)
    assert "Stopped." in result.stderr
    assert made_in(tmp_path) == {"disc.png"}


def test_stopped_while_finishing_says_how_to_go_on(
    toy: Path, image: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = stopped_at(session, "finish", monkeypatch, toy, image)
    folder, target = tmp_path / "x.maquette", tmp_path / "x.glb"
    assert f"maquette finish {folder} -o {target}" in " ".join(result.stderr.split())
    assert made_in(tmp_path) == {"disc.png", "x.maquette"}
    load_asset(folder)


@pytest.fixture
def small_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    """DINOv3 and BiRefNet as files of a few bytes."""
    small = {
        "image_encoder": weight(
            "image_encoder", {"config.json": b"{}", "model.safetensors": b"12345"},
            repository=DINOV3,
        ),
        "matte": weight("matte", {"birefnet-general.onnx": b"123"}, repository=REMBG),
        "matte_lite": weight("lite", {"birefnet-general-lite.onnx": b"12"}, repository=REMBG),
    }  # fmt: skip
    monkeypatch.setattr(catalogue, "catalogue", lambda: small)
    monkeypatch.setattr(matte_network, "catalogue", lambda: small)


def put(home: Path, repository: str, name: str, content: bytes) -> Path:
    path = home / "models" / repository / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path.parent


@pytest.mark.usefixtures("small_weights")
def test_a_downloaded_matte_network_is_used_and_never_downloaded_offline(
    toy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[RembgMatte] = []

    def alpha(self: RembgMatte, image: Image.Image) -> Image.Image:
        seen.append(self)
        return Image.new("L", image.size, 255)

    monkeypatch.setattr(RembgMatte, "alpha", alpha)
    image, words = (
        tmp_path / "photo.png",
        ("--type", "64", "--checkpoint", toy, "--device", "cpu"),
    )
    Image.new("RGB", (60, 40), (200, 40, 30)).save(image)
    words += ("--finish", "none", "--matte", "rembg", "--offline")
    result = run("generate", image, "-o", tmp_path / "a.glb", *words)
    assert result.exit_code == 0, result.output
    folder = put(tmp_path / "home", REMBG, "birefnet-general-lite.onnx", b"12")
    assert run("generate", image, "-o", tmp_path / "b.glb", *words).exit_code == 0
    put(tmp_path / "home", REMBG, "birefnet-general.onnx", b"123")
    assert run("generate", image, "-o", tmp_path / "c.glb", *words).exit_code == 0
    assert [network.allow_download for network in seen] == [False] * 3
    assert [network.weights_folder for network in seen] == [None, folder, folder]
    assert [network.model.removeprefix("birefnet-general") for network in seen] == ["", "-lite", ""]


@pytest.mark.usefixtures("small_weights")
def test_an_encoder_that_is_not_whole_is_not_taken_for_one(
    toy: Path, image: Path, tmp_path: Path
) -> None:
    published = tmp_path / "published"
    shutil.copytree(toy, published)
    for name in ("pipeline.json", "texturing_pipeline.json"):
        text = (published / name).read_text().replace("ToyEncoder", "DinoV3FeatureExtractor")
        (published / name).write_text(text)
    put(tmp_path / "home", DINOV3, "config.json", b"{}")
    words = ("generate", image, "-o", tmp_path / "x.glb", "--device", "cpu", "--checkpoint")
    result = run(*words, published)
    assert result.exit_code == 2
    assert "models download image_encoder" in " ".join(result.stderr.split())
    # Who needs no DINOv3 is not bothered with it.
    assert run(*words, toy, "--type", "64", "--finish", "none").exit_code == 0


def test_the_users_hub_and_mirrors_are_asked(
    image: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, str]] = []

    def download(repository: str, name: str, *, endpoint: str, **_: object) -> str:
        asked.append((repository, endpoint))
        raise TimeoutError

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    monkeypatch.setattr(huggingface_hub, "get_hf_file_metadata", lambda url, **_: None)
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "config.toml").write_text(
        '[models]\nendpoint = "https://hub.example.org"\n[models.mirrors]\n"me/mine" = "you/copy"\n'
    )
    result = run("generate", image, "-o", tmp_path / "x.glb", "--checkpoint", "me/mine")
    assert result.exit_code == 2
    assert asked == [("you/copy", "https://hub.example.org")]
