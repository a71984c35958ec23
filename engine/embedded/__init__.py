"""The small checkpoint that ships: it works on any machine, without a download.

Trained by `maquette train embedded`; docs/embedded.md says on what, and how good it is. A room of
files: networks, losses and pipelines are those of the other rooms.
"""

from pathlib import Path

FOLDER = Path(__file__).parent
"""Laid out as the published checkpoints are: pipeline.json and ckpts/."""
