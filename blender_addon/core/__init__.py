"""Use-cases of the extension, without bpy: start a job, follow it, deliver its result."""
