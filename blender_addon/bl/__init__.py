"""Everything that touches bpy's data: on the main thread, and nothing is kept across ticks."""
