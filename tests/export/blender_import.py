"""Run by a Python that has bpy: `python blender_import.py FILE.glb OUT.json`.

Imports the file with Blender's own importer and writes what arrived; for meshes with UVs also the
tangents that Blender's MikkTSpace computes for the normals of the file.
"""

# pyright: reportAttributeAccessIssue=none, reportOptionalMemberAccess=none
# pyright: reportArgumentType=none, reportOptionalIterable=none, reportIndexIssue=none

import json
import os
import sys

import bpy  # pyright: ignore[reportMissingImports]


def main(source: str, target: str) -> None:
    bpy.ops.wm.read_factory_settings(use_empty=True)
    bpy.ops.import_scene.gltf(filepath=source)
    found = {}
    for item in bpy.data.objects:
        if item.type != "MESH":
            continue
        mesh = item.data
        corners = [
            tuple(item.matrix_world @ mesh.vertices[v].co) for v in range(len(mesh.vertices))
        ]
        entry = {
            "vertices": len(mesh.vertices),
            "triangles": sum(len(p.vertices) - 2 for p in mesh.polygons),
            "low": [min(c[i] for c in corners) for i in range(3)],
            "high": [max(c[i] for c in corners) for i in range(3)],
            "materials": [m.name for m in mesh.materials if m],
            "backface_culling": [m.use_backface_culling for m in mesh.materials if m],
            "images": sorted(
                node.image.colorspace_settings.name
                for m in mesh.materials
                if m and m.node_tree
                for node in m.node_tree.nodes
                if node.type == "TEX_IMAGE"
            ),
        }
        if mesh.uv_layers:
            mesh.calc_tangents()
            entry["corners"] = [
                [
                    *mesh.vertices[loop.vertex_index].co,
                    *loop.normal,
                    *loop.tangent,
                    loop.bitangent_sign,
                    *mesh.uv_layers[0].data[loop.index].uv,
                ]
                for loop in mesh.loops
            ]
        found[item.name] = entry
    with open(target, "w", encoding="utf-8") as file:
        json.dump(found, file)


main(sys.argv[1], sys.argv[2])
sys.stdout.flush()
os._exit(0)  # bpy may hang at exit
