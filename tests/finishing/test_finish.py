"""From O-Voxels to a finished asset, whole and with levels of detail."""

import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from benchmarks.gallery_meshes import in_unit_cube
from benchmarks.raw_surfaces import lantern, noisy
from engine.cli import app
from engine.export.mesh_file import save_mesh
from engine.finishing import given_mesh
from engine.finishing.finish import finish, unwrapped_mesh
from engine.host import files
from engine.mesh import Mesh
from engine.meshing.report import report_mesh
from engine.meshing.self_intersections import self_intersecting_faces
from engine.meshing.simplify import simplify_mesh
from engine.meshing.unwrap import uvs_are_valid
from engine.ovoxel import OVoxels, mesh_to_dual_grid
from engine.ovoxel.ovoxel_file import save_ovoxels
from engine.ovoxel.placement import Placement
from engine.readers.load import load_mesh
from engine.report import Cancelled, CancelToken, Report
from engine.worker.parts import packed_parts
from protocol.errors import EngineError
from protocol.events import Event, Note, Progress
from protocol.finishes import FINISHES
from tests.events import progress_to
from tests.finishing.shapes import box
from tests.meshes import moebius, punched, sphere

SMALL = replace(FINISHES["standard"], faces=800, texture_size=256)


@pytest.fixture(scope="module")
def ball() -> OVoxels:
    """A ball whose upper half is red and whose lower half is blue."""
    vertices, faces = sphere(40)
    vertices = 0.4 * vertices / np.linalg.norm(vertices, axis=1, keepdims=True)
    grid = mesh_to_dual_grid(vertices, faces, grid_size=64)
    materials = np.tile(np.array([0, 0, 1, 0.5, 0.25, 1], np.float32), (len(grid.coords), 1))
    materials[grid.coords[:, 2] >= 32, :3] = (1, 0, 0)
    placement = Placement(scale=0.5, centre=(1.0, 2.0, 3.0))
    return OVoxels(grid, materials, placement)


def test_a_ball_becomes_a_textured_mesh_in_its_place(ball: OVoxels) -> None:
    report = Report()
    finished = finish(ball, SMALL, report)
    assert [named.name for named in finished.meshes] == ["asset"]
    mesh = finished.meshes[0].mesh
    assert 0 < len(mesh.faces) <= SMALL.faces
    np.testing.assert_allclose(mesh.vertices.mean(axis=0), np.array([1.0, 2.0, 3.0]), atol=0.05)
    radii = np.linalg.norm(mesh.vertices - np.array([1.0, 2.0, 3.0]), axis=1)
    np.testing.assert_allclose(radii, 0.8, atol=0.02)
    assert uvs_are_valid(mesh.uvs)
    texture = mesh.materials[0].base_color_texture
    assert texture is not None and texture.pixels.shape[:2] == (256, 256)
    assert _color_at(mesh, top=True) == (255, 0, 0)
    assert _color_at(mesh, top=False) == (0, 0, 255)
    level = finished.log["levels"][0]
    assert level["after"]["flipped_edges"] == 0 and level["after"]["open_edges"] == 0
    assert level["alpha_mode"] == "opaque" and level["lost_texels"] == 0
    assert {"clean", "simplify", "unwrap", "bake"} <= set(report.seconds)


def _color_at(mesh: Mesh, *, top: bool) -> tuple[int, ...]:
    """The texture in the middle of the highest or the lowest face."""
    heights = mesh.vertices[mesh.faces, 2].mean(axis=1)
    face = heights.argmax() if top else heights.argmin()
    texture = mesh.materials[0].base_color_texture
    assert mesh.uvs is not None and texture is not None
    u, v = mesh.uvs[face].mean(axis=0)
    size = texture.pixels.shape[0]
    return tuple(texture.pixels[int((1 - v) * size), int(u * size), :3].tolist())


def test_levels_of_detail_and_a_hull(ball: OVoxels) -> None:
    settings = replace(
        FINISHES["game"], faces=600, texture_size=256, lod_shares=(1.0, 0.5), normal_map=True
    )
    finished = finish(ball, settings, Report(), name="ball")
    assert [named.name for named in finished.meshes] == ["ball_LOD0", "ball_LOD1", "UCX_ball_LOD0"]
    first, second, hull = (named.mesh for named in finished.meshes)
    assert [mesh.materials[0].name for mesh in (first, second)] == ["ball_LOD0", "ball_LOD1"]
    assert len(second.faces) <= 300 < len(first.faces) <= 600
    assert first.tangents is not None
    low, high = first.vertices.min(axis=0), first.vertices.max(axis=0)
    np.testing.assert_allclose(hull.vertices.min(axis=0), low, atol=0.05)
    np.testing.assert_allclose(hull.vertices.max(axis=0), high, atol=0.05)


def test_quads_are_unwrapped_baked_and_halved(ball: OVoxels, tmp_path: Path) -> None:
    settings = replace(SMALL, quads=1000, lod_shares=(1.0, 0.5), collision_hull=True)
    report = Report()
    finished = finish(ball, settings, report, name="ball")
    assert [named.name for named in finished.meshes] == ["ball_LOD0", "ball_LOD1", "UCX_ball_LOD0"]
    for level, most in enumerate((1000, 500)):
        mesh, told = finished.meshes[level].mesh, finished.log["levels"][level]
        polygons = mesh.polygons
        assert polygons is not None and uvs_are_valid(mesh.uvs)
        assert 0.85 * most <= told["quads"] <= most and told["quad_share"] >= 0.95
        assert (np.bincount(polygons) == 2).sum() == told["quads"]
        assert _color_at(mesh, top=True) == (255, 0, 0)
        assert _color_at(mesh, top=False) == (0, 0, 255)
        # No seam runs through a quad.
        first = np.flatnonzero(polygons[:-1] == polygons[1:])
        assert mesh.uvs is not None
        assert (mesh.uvs[first, 0] == mesh.uvs[first + 1, 0]).all()
    assert finished.has_quads and "quads" in report.seconds
    for parts, there in ((finished, True), (finish(ball, SMALL, Report()), False)):
        packed = dict(packed_parts("finished", (parts, settings)))["finished"]
        assert ("face_polygon" in {array.name for array in packed.layout.arrays}) == there
    finished.save(tmp_path / "ball.obj", settings)
    lines = (tmp_path / "ball.obj").read_text().splitlines()
    sizes = [len(line.split()) - 1 for line in lines if line.startswith("f ")]
    assert sizes.count(4) == finished.log["levels"][0]["quads"]
    read = load_mesh(tmp_path / "ball.obj")
    assert len(read.faces) == len(finished.meshes[0].mesh.faces)
    assert uvs_are_valid(read.uvs)


def test_levels_are_halves_of_a_surface_with_fewer_faces_than_were_asked_for() -> None:
    grid = mesh_to_dual_grid(*sphere(20), grid_size=24)
    settings = replace(FINISHES["game"], texture_size=64, normal_map=False)
    meshes = finish(OVoxels.plain(grid), settings, Report()).meshes
    counts = [len(named.mesh.faces) for named in meshes[:4]]
    assert counts[0] < settings.faces / 2
    assert all(0.98 * one / 2 <= two <= one / 2 for one, two in pairwise(counts))


def test_what_a_low_target_did_to_a_torn_shape_is_told() -> None:
    grid = mesh_to_dual_grid(*punched(sphere(40, noise=0.02, seed=1), 100, seed=1), grid_size=64)
    for closed, remedy in ((False, "or --closed, keep more"), (True, None)):
        report = Report()
        settings = replace(SMALL, faces=200, texture_size=64, closed=closed)
        (named,) = finish(OVoxels.plain(grid), settings, report).meshes
        assert 190 <= len(named.mesh.faces) <= 200
        told = [note for note in report.notes if "200 faces are so few" in note]
        assert len(told) == (0 if remedy is None else 1)
        assert remedy is None or remedy in told[0]


def test_a_closed_surface_full_of_tunnels_reaches_its_target() -> None:
    """Collapses close no tunnel; larger cells have fewer of them."""
    shape = in_unit_cube(lantern())
    grid = noisy(mesh_to_dual_grid(shape.vertices, shape.faces, grid_size=64), 1.0)
    some = np.random.default_rng(0).random(grid.intersected.shape) > 0.3
    grid = replace(grid, intersected=grid.intersected & some)
    settings = replace(SMALL, faces=150, closed=True, remesh_cells=64, texture_size=64)
    report = Report()
    (named,) = finish(OVoxels.plain(grid), settings, report).meshes
    assert 0.95 * 150 <= len(named.mesh.faces) <= 150
    found = report_mesh(named.mesh.vertices, named.mesh.faces)
    assert found.open_edges == found.non_manifold_edges == 0
    assert any("For 150 faces the surface was closed with" in note for note in report.notes)


def test_a_given_mesh_keeps_vertices_faces_and_valid_uvs(ball: OVoxels) -> None:
    vertices = ball.placement.to_object(np.array([[-0.3, -0.3, 0], [0.3, -0.3, 0], [0, 0.3, 0]]))
    faces = np.array([[0, 1, 2]], np.int32)
    uvs = np.array([[[0.1, 0.1], [0.9, 0.1], [0.5, 0.9]]], np.float32)
    faults = {
        None: (uvs, True), "leave the unit square": (uvs + 3, False), "": (None, False),
        "have no area": (uvs * 0, False), "are not numbers": (uvs * np.float32("nan"), False),
    }  # fmt: skip
    for fault, (given, kept) in faults.items():
        mesh, report = Mesh(vertices, faces, uvs=given), Report()
        finished = finish(ball, SMALL, report, given_mesh=mesh).meshes[0].mesh
        told = [note for note in report.notes if "The mesh's UVs" in note]
        assert len(told) == bool(fault) and (not fault or fault in told[0])
        np.testing.assert_array_equal(finished.vertices, vertices)
        np.testing.assert_array_equal(finished.faces, faces)
        assert finished.uvs is not None
        assert np.array_equal(finished.uvs, uvs) == kept
        if not fault or fault == "are not numbers":
            assert finished.second_uvs is None
        else:
            np.testing.assert_array_equal(finished.second_uvs, given)


def test_why_there_are_blocks_for_charts_is_told() -> None:
    in_line = Mesh(np.zeros((3, 3), np.float32), np.array([[0, 1, 2]], np.int32))
    report = Report()
    _, method = unwrapped_mesh(in_line, 64, report)
    assert method == "blocks" and not any("too long" in note for note in report.notes)
    assert any("No face has an area" in note for note in report.notes)


@pytest.mark.parametrize("when", ["at once", "within a stage", "between levels"])
def test_cancel(ball: OVoxels, when: str) -> None:
    token, seen = CancelToken(), []
    if when == "at once":
        token.cancel()

    def watch(progress: Progress) -> None:
        seen.append(progress)
        baked = [other.step for other in seen if other.stage == "bake" and other.step]
        if baked and (when == "within a stage" or baked[-1] == progress.steps):
            token.cancel()

    settings = replace(SMALL, lod_shares=(1.0, 0.5))
    with pytest.raises(Cancelled):
        finish(ball, settings, Report(progress_to(watch), cancel=token))
    stages = [progress.stage for progress in seen if progress.step == 0]
    assert stages == (
        [] if when == "at once" else ["clean", "detail", "simplify", "unwrap", "bake"]
    )
    if when == "within a stage":
        assert seen[-1].stage == "bake" and 0 < seen[-1].step < seen[-1].steps


def test_what_is_inside_goes_or_stays(ball: OVoxels) -> None:
    """A ball in a shell: hidden when it is opaque, seen through glass, kept on demand."""
    vertices, faces = sphere(30)
    unit = vertices / np.linalg.norm(vertices, axis=1, keepdims=True)
    both = np.concatenate([0.45 * unit, 0.2 * unit]).astype(np.float32)
    grid = mesh_to_dual_grid(both, np.concatenate([faces, faces + len(unit)]), grid_size=64)
    radius = np.linalg.norm((grid.coords + 0.5) / 64 - 0.5, axis=1)
    for glass, keep_inner in ((False, False), (True, False), (False, True)):
        materials = np.ones((len(grid.coords), 6), np.float32)
        materials[radius > 0.33, 5] = 0.2 if glass else 1
        report = Report()
        settings = replace(SMALL, keep_inner=keep_inner)
        finished = finish(OVoxels(grid, materials), settings, report)
        mesh = finished.meshes[0].mesh
        stays = glass or keep_inner
        assert (np.linalg.norm(mesh.vertices, axis=1).min() < 0.3) == stays
        assert any("nobody outside can see" in note for note in report.notes) != stays
        assert finished.log["removed"].get("inner_parts", 0) == (0 if stays else 1)
        assert (finished.log["before"]["inner_faces"] > 0) != glass
        json.dumps(finished.log, allow_nan=False)


def test_a_given_mesh_says_what_it_does_not_get(ball: OVoxels) -> None:
    triangle = Mesh(np.eye(3, dtype=np.float32), np.array([[0, 1, 2]], np.int32))
    settings = replace(FINISHES["game"], texture_size=256)
    report = Report()
    assert len(finish(ball, settings, report, given_mesh=triangle).meshes) == 1
    assert any("neither levels of detail nor a hull" in note for note in report.notes)
    with pytest.raises(EngineError) as caught:
        finish(ball, replace(settings, closed=True), Report(), given_mesh=triangle)
    assert caught.value.code == "given_mesh"


def test_a_closed_surface_of_as_many_cells_as_are_asked_for(ball: OVoxels) -> None:
    """The ball, without its top: the opening stays open, or becomes the rim of a closed bowl."""
    rows = ball.grid.coords[:, 2] < 44
    coords = ball.grid.coords[rows]
    grid = replace(
        ball.grid, coords=coords, dual_vertices=ball.grid.dual_vertices[rows],
        intersected=ball.grid.intersected[rows],
    )  # fmt: skip
    bowl = replace(ball, grid=grid, materials=ball.materials[rows])
    faces: dict[int | None, int] = {}
    for cells in (None, 64, 24):
        settings = replace(SMALL, closed=True, remesh_cells=cells)
        log = finish(bowl, settings, Report()).log
        assert log["levels"][0]["after"]["open_edges"] == 0
        faces[cells] = log["cleaned_faces"]
    assert faces[None] == faces[64] > 4 * faces[24]
    assert finish(bowl, SMALL, Report()).log["levels"][0]["after"]["open_edges"] > 0


def test_a_solid_for_printing(ball: OVoxels, tmp_path: Path) -> None:
    settings = replace(SMALL, closed=True, solid=True, remesh_cells=24)
    textured = finish(ball, settings, Report())
    mesh = textured.meshes[0].mesh
    assert mesh.materials and not self_intersecting_faces(mesh.vertices, mesh.faces).any()
    assert textured.log["levels"][0]["after"]["open_edges"] == 0
    target = tmp_path / "ball.stl"
    save_ovoxels(tmp_path / "ball.vxz", ball)
    done = CliRunner().invoke(
        app, ["finish", str(tmp_path / "ball.vxz"), "-o", str(target), "--solid", "--faces", "900"]
    )
    assert done.exit_code == 0 and "100.0 mm there" in done.stdout and "slicer" in done.stdout
    printed = load_mesh(target)
    assert 800 < len(printed.faces) <= 900 and printed.uvs is None
    assert report_mesh(printed.vertices, printed.faces).open_edges == 0


@pytest.mark.parametrize("closed", [False, True])
def test_a_part_with_one_side_is_told_to_who_wants_to_know_more(closed: bool) -> None:
    vertices, faces = moebius()
    strip = OVoxels.plain(mesh_to_dual_grid(vertices, faces, grid_size=64))
    told: list[Event] = []
    log = finish(strip, replace(SMALL, closed=closed), Report(told.append)).log
    assert log["one_sided_parts"] == 1
    levels = [e.level for e in told if isinstance(e, Note) and "only one side" in e.sentence]
    assert levels == ([] if closed else ["detail"])


def test_the_command(tmp_path: Path) -> None:
    example = Path(__file__).parents[2] / "examples" / "lantern.glb"
    target = tmp_path / "lantern.glb"
    options = ["--resolution", "64", "--faces", "2000", "--texture", "256", "--verbose"]
    options.append("--rebuild")
    result = CliRunner().invoke(app, ["finish", str(example), "-o", str(target), *options])
    assert result.exit_code == 0, result.output
    mesh, original = load_mesh(target), load_mesh(example)
    assert 0 < len(mesh.faces) <= 2000
    extent = np.ptp(original.vertices, axis=0)
    np.testing.assert_allclose(np.ptp(mesh.vertices, axis=0), extent, atol=2 * extent.max() / 64)
    few = ["--resolution", "64", "--quads", "700", "--texture", "256", "--verbose"]
    quads = tmp_path / "quads.obj"
    result_of_quads = CliRunner().invoke(app, ["finish", str(example), "-o", str(quads), *few])
    assert result_of_quads.exit_code == 0, result_of_quads.output
    corners = [len(x.split()) - 1 for x in quads.read_text().splitlines() if x.startswith("f ")]
    assert corners.count(4) > 0.95 * len(corners) > 300
    assert "As voxels:" in result.stdout and "rebuilt from O-Voxels of 64^3" in result.stderr
    result = CliRunner().invoke(app, ["finish", str(example), "-o", str(tmp_path / "x.ply")])
    assert result.exit_code == 2 and "cannot hold a textured asset" in result.output


def test_meshes_without_area_or_far_away_are_told(tmp_path: Path) -> None:
    source, target = tmp_path / "in.obj", tmp_path / "out.glb"
    command = f"finish {source} -o {target} --resolution 16 --faces 90000 --texture 64 --rebuild"
    command = command.split()
    source.write_text("v 0 0 0\nv 1 0 0\nv 2 0 0\nf 1 2 3\nf 1 1 2\n")
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 2 and "No face of the mesh has an area" in result.stderr
    source.write_text("v 99999 0 0\nv 100000 0 0\nv 99999 1 0\nv 99999 0 1\n"
                      "f 1 3 2\nf 1 2 4\nf 1 4 3\nf 2 3 4\n")  # fmt: skip
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, result.output
    notes = " ".join(result.stderr.split())
    assert "times its size away from the origin" in notes
    assert "90,000 faces were asked for; the surface has only" in notes


def test_the_command_refuses_or_notes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    example = Path(__file__).parents[2] / "examples" / "lantern.glb"

    def run(name: str, *options: str):
        target = str(tmp_path / name)
        return CliRunner().invoke(app, ["finish", str(example), "-o", target, *options])

    for name, options, message in (
        ("x.glb", ["--texture", "16384"], "16384 x 16384 texels"),
        ("x.glb", ["--faces", "2"], "2 faces is not possible"),
        ("x.glb", ["--image-format", "gif"], "'gif'"),
        ("x.obj", ["--image-format", "jpeg"], "would be .png files"),
    ):
        result = run(name, *options)
        assert result.exit_code == 2 and message in " ".join(result.stderr.split())
    small = ["--rebuild", "--resolution", "32", "--faces", "400", "--texture", "64"]
    result = run("x.obj", "--finish", "game", "--verbose", *small)
    assert result.exit_code == 0, result.output
    assert "without further levels of detail and hull" in " ".join(result.stderr.split())
    assert "Removed or fixed:" in result.stdout and "UVs charts" in result.stdout
    result = run("x.glb", "--image-format", "jpeg", *small)
    assert result.exit_code == 0 and b"image/jpeg" in (tmp_path / "x.glb").read_bytes()
    monkeypatch.setattr(given_mesh, "MOST_FACES", 10)
    result = run("y.glb")
    assert result.exit_code == 2 and "more than 10 are refused" in " ".join(result.stderr.split())

    def refuse(**_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(files.tempfile, "TemporaryFile", refuse)
    result = run("y.glb")
    assert result.exit_code == 2 and "Permission denied" in " ".join(result.stderr.split())


def test_a_missed_face_target_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stuck(vertices, faces, target, *, colors=None):
        return simplify_mesh(vertices, faces, 3 * target, colors=colors)

    monkeypatch.setattr("engine.finishing.reduced.simplify_mesh", stuck)
    source, target = tmp_path / "box.ply", tmp_path / "x.glb"
    save_mesh(box((1, 1, 1), (0, 0, 0)), source)
    words = ["finish", str(source), "-o", str(target), "--resolution", "32", "--texture", "64"]
    words.append("--rebuild")
    result = CliRunner().invoke(app, [*words, "--faces", "100"])
    assert result.exit_code == 0, result.output
    faces = len(load_mesh(target).faces)
    notes = " ".join(result.stderr.split())
    assert faces > 102
    assert f"100 faces were asked for, and {faces:,} is as few as this surface allows" in notes
    missing = CliRunner().invoke(app, ["finish", str(tmp_path / "no.maquette"), "-o", str(target)])
    assert missing.exit_code == 2 and "does not exist" in missing.stderr
