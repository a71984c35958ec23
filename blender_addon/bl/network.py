"""Whether Blender lets its extensions use the network, as it is now."""

import bpy

from ..core.online import Online, online


def access() -> Online:
    """As Blender's flags say."""
    return online(bpy.app.online_access, bpy.app.online_access_override)
