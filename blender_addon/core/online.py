"""Whether Blender lets its extensions use the internet, and the sentence when it does not."""

from typing import Literal

Online = Literal["allowed", "off", "overridden"]
"""Of ``bpy.app.online_access``: "overridden" is a start of Blender with --offline-mode, which its
preferences cannot change (``online_access_override``)."""


def online(access: bool, override: bool) -> Online:
    """From Blender's two flags of these names."""
    if access:
        return "allowed"
    return "overridden" if override else "off"


def why_no_download(state: Online) -> str:
    """Why the engine may not download anything: a sentence with the remedy, or empty."""
    if state == "allowed":
        return ""
    if state == "overridden":
        return (
            "Blender was started with --offline-mode, so nothing can be downloaded: start it "
            "without."
        )
    return (
        "Blender's online access is off, so nothing can be downloaded: press Allow Online Access."
    )


def why_not_online(state: Online) -> str:
    """Why neither a set-up nor another machine can be used: a sentence with the remedy, or
    empty."""
    if state == "allowed":
        return ""
    if state == "overridden":
        return (
            "Blender was started with --offline-mode, so that it may not use the internet. Start "
            "it without, or use an engine that is already on this machine."
        )
    return (
        "Blender may not use the internet. Switch on Allow Online Access in the Preferences under "
        "System > Network, or use an engine that is already on this machine."
    )
