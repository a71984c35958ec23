"""What tests listen to of a report."""

from collections.abc import Callable

from protocol.events import Event, Note, Progress


def progress_to(listen: Callable[[Progress], object]) -> Callable[[Event], None]:
    """A ``send`` for a report that passes on how far stages are."""

    def send(event: Event) -> None:
        if isinstance(event, Progress):
            listen(event)

    return send


def notes_to(listen: Callable[[str], object]) -> Callable[[Event], None]:
    """A ``send`` for a report that passes on the sentences of notes."""

    def send(event: Event) -> None:
        if isinstance(event, Note):
            listen(event.sentence)

    return send
