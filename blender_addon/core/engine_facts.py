"""What is known of the engine's process and its set-up; ``Session`` adds what the engine says."""

from dataclasses import dataclass, field

from .snapshot import EngineView, SetupView


@dataclass(frozen=True, kw_only=True)
class EngineFacts:
    """
    Attributes:
        engine: its state is "ready" as soon as the process lives, or another machine is chosen:
            whether it answers, its client knows.
        setup: of the set-up.
    """

    engine: EngineView = field(default_factory=EngineView)
    setup: SetupView = field(default_factory=SetupView)
