"""The Blender extension: a panel that talks to the engine, and makes its results into objects.

Importing it imports nothing: bpy and the wheels wait until ``register`` or their first use, so that
``core`` works without Blender and a broken wheel cannot keep Blender from starting.
"""


def register() -> None:
    """Called by Blender when the extension is enabled."""
    from . import registration

    registration.register()


def unregister() -> None:
    """Called by Blender when the extension is disabled, updated, or Blender quits."""
    from . import registration

    registration.unregister()
