"""A surface as quads that follow its shape."""

import numpy as np

from engine.meshing.creases import find_kinds, find_lines
from engine.meshing.edges import face_areas, faces_around
from engine.meshing.normals import vertex_normals
from engine.meshing.quad_cells import collapse_cells, pair_triangles
from engine.meshing.quad_fields import field_of_directions, field_of_places, levels_of
from engine.meshing.quad_fit import Surface, quads_of_cells
from engine.meshing.quad_surface import edge_ends, even, settle, turn_edges
from engine.meshing.sheets import separate_sheets


SHORT=0.5

def make(vertices, faces, count, log=None):
    import time
    t=time.process_time()
    def say(*a):
        if log: print(f"{time.process_time()-t:.2f}", *a)
    origin, faces = separate_sheets(vertices, faces)
    points = vertices[origin].astype(np.float64)
    cell = 2 * np.sqrt(face_areas(points, faces).sum() / count)
    lines = find_lines(points, faces, cell)
    surface = Surface(points, faces, lines)
    say('lines', len(lines), len(faces))
    points, faces, lines = even(points, faces, lines, cell / 2.5)
    say('even', len(faces), len(lines))
    kind, along = find_kinds(points, lines)
    normals = vertex_normals(points, faces).astype(np.float64)
    area = np.bincount(faces.reshape(-1), np.repeat(face_areas(points, faces) / 3, 3), len(points))
    levels = levels_of(points, normals, area, edge_ends(faces, len(points)), kind, along)
    ways = field_of_directions(levels)
    places = field_of_places(levels, ways, cell)
    say('fields')
    low, low_lines = collapse_cells(points, faces, normals, ways, places, kind, lines, cell)
    say('collapsed', len(low))
    start, corners = faces_around(low, len(points))
    points = points.copy()
    settle(points, low, start, corners, normals, places)
    def short(ends):
        length = np.linalg.norm(points[ends[:, 0]] - points[ends[:, 1]], axis=1)
        swap = kind[ends[:, 0]] > kind[ends[:, 1]]
        return np.where(length < SHORT * cell, length, np.inf), np.where(swap[:, None], ends[:, ::-1], ends)
    from engine.meshing.quad_surface import collapse
    low, low_lines = collapse(points, low, normals, kind, low_lines, short)
    low = turn_edges(points, low, low_lines, 1.35)
    cells = pair_triangles(points, low, low_lines)
    say('cells', len(cells), (cells[:,3]<0).sum())
    v, q = quads_of_cells(points, cells, low_lines, kind, normals, surface)
    say('fit')
    return v, q
