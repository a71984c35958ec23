"""What a finish makes, in words."""

from ..protocol.finishes import FINISHES, Finish
from .language import said


def in_words(finish: Finish) -> str:
    """Such as "20,000 faces, normal map, 4 levels of detail, collision hull"."""
    words = [said("{faces:,} faces", faces=finish.faces)]
    if finish.normal_map:
        words.append(said("normal map"))
    if len(finish.lod_shares) > 1:
        words.append(said("{count} levels of detail", count=len(finish.lod_shares)))
    if finish.collision_hull:
        words.append(said("collision hull"))
    return ", ".join(words)


def game_ready() -> str:
    """What the button *Game-Ready* makes."""
    return in_words(FINISHES["game"])
