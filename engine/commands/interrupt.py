"""A Ctrl-C that cannot get lost, though a library catches every exception while it is imported."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class _Interrupt:
    pressed = False


_interrupt = _Interrupt()


@contextmanager
def remembered() -> Iterator[None]:
    """Ctrl-C raises KeyboardInterrupt, as always, and is noted for ``check`` besides.

    Where something else than Python's own handler is set (ignored by nohup, a host program, not
    the main thread) it stays.
    """
    _interrupt.pressed = False
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    try:
        signal.signal(signal.SIGINT, _note)
    except ValueError:  # not the main thread, which alone gets signals
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def check() -> None:
    """Stop what runs if Ctrl-C was pressed; every report of progress calls this.

    Raises:
        KeyboardInterrupt: again, since whoever was running may have swallowed the first one.
    """
    if _interrupt.pressed:
        raise KeyboardInterrupt


def pressed() -> bool:
    """Whether Ctrl-C was pressed since ``remembered`` began."""
    return _interrupt.pressed


def _note(*_: Any) -> None:
    _interrupt.pressed = True
    raise KeyboardInterrupt
