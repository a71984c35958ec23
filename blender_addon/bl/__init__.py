"""Everything that touches bpy's data; all of it on the main thread, none of it kept across ticks."""
