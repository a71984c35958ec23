"""Drop a file on the Blender window, as a file manager does (XDND); needs python3-xlib.

    python3 drop_file.py FILE X Y

Blender then shows its menu of what can be done with the file at the pointer. The exit code is 0
when Blender asked for the file and finished.
"""

import sys
import time

from Xlib import X, display
from Xlib.protocol import event

SECONDS_BETWEEN = 0.15


class Drop:
    """A window that offers one file."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._display = display.Display()
        self._root = self._display.screen().root
        self._uris = self._atom("text/uri-list")
        found = self._window_for_drops(self._root)
        if found is None:
            raise SystemExit("no window takes drops")
        self._target = found
        self._source = self._root.create_window(
            0, 0, 1, 1, 0, X.CopyFromParent, event_mask=X.PropertyChangeMask
        )
        self._source.set_selection_owner(self._atom("XdndSelection"), X.CurrentTime)
        self.heard: set[str] = set()

    def at(self, x: int, y: int) -> None:
        """Move over the window and let go at a place of the screen."""
        self._root.warp_pointer(x, y)
        self._send("XdndEnter", 5 << 24, self._uris, 0, 0)
        for step in range(5):
            place = ((x + step) << 16) | y
            self._send("XdndPosition", 0, place, X.CurrentTime, self._atom("XdndActionCopy"))
        self._send("XdndDrop", 0, X.CurrentTime, 0, 0)
        self._answer(1.0)

    def _atom(self, name: str) -> int:
        return self._display.intern_atom(name)

    def _window_for_drops(self, window):
        for child in window.query_tree().children:
            if child.get_full_property(self._atom("XdndAware"), X.AnyPropertyType):
                return child
            if (found := self._window_for_drops(child)) is not None:
                return found
        return None

    def _send(self, name: str, *values: int) -> None:
        data = (32, [self._source.id, *values])
        message = event.ClientMessage(window=self._target, client_type=self._atom(name), data=data)
        self._target.send_event(message)
        self._answer(SECONDS_BETWEEN)

    def _answer(self, seconds: float) -> None:
        """Give the file to whoever asks for it, for so long."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            while self._display.pending_events():
                told = self._display.next_event()
                if told.type == X.SelectionRequest:
                    self._give(told)
                elif told.type == X.ClientMessage:
                    self.heard.add(self._display.get_atom_name(told.client_type))
            time.sleep(0.02)

    def _give(self, request) -> None:
        line = f"file://{self._path}\r\n".encode()
        request.requestor.change_property(request.property, request.target, 8, line)
        notify = event.SelectionNotify(
            time=request.time, requestor=request.requestor, selection=request.selection,
            target=request.target, property=request.property,
        )  # fmt: skip
        request.requestor.send_event(notify)
        self._display.flush()
        self.heard.add("asked")


if __name__ == "__main__":
    drop = Drop(sys.argv[1])
    drop.at(int(sys.argv[2]), int(sys.argv[3]))
    sys.exit(0 if {"asked", "XdndFinished"} <= drop.heard else 1)
