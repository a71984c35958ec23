"""A session with a real service process that plays a script, and what tests wait for."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from blender_addon.core.deliveries import Delivery, Placed, Target
from blender_addon.core.pictures import PictureIn
from blender_addon.core.session import Session
from blender_addon.core.snapshot import JobView, Snapshot
from blender_addon.protocol.connection import read_connection
from tests.service.peer import PATIENCE

TICK = 0.01


def picture(title: str = "chair", side: int = 64) -> PictureIn:
    """A brown square on white, as rows."""
    white, brown = bytes((255, 255, 255, 255)), bytes((120, 80, 40, 255))
    quarter = side // 4
    line = white * quarter + brown * (side - 2 * quarter) + white * quarter
    rows = white * side * quarter + line * (side - 2 * quarter) + white * side * quarter
    return PictureIn(title=title, rows=rows, width=side, height=side)


class Desk:
    """A Blender without Blender: ticks, and takes what is delivered.

    Args:
        home: of the service; may be changed to that of another one.
        folder: of the extension.

    Attributes:
        delivered: all that came, in order.
        answer: what the scene says to a delivery.
        there: whether an object is in a scene.
    """

    def __init__(self, home: Path, folder: Path, **others: Any) -> None:
        self.home = home
        self.session = Session(
            lambda: read_connection(self.home / "engine.json"),
            client=others.pop("client", "Blender test"),
            program="maquette test",
            user_folder=folder,
            home=others.pop("engine_home", None),
            **others,
        )
        self.delivered: list[Delivery] = []
        self.answer: Callable[[Delivery], Placed] = lambda delivery: Placed(
            outcome="placed",
            object=7,
            object_name=delivery.title or "Object",
            sentence="It is here.",
        )

        self.there: Callable[[int], bool] = lambda uid: True

    @property
    def snapshot(self) -> Snapshot:
        return self.session.snapshot

    def tick(self) -> None:
        self.session.objects_seen(self.there)
        for delivery in self.session.tick(0.01):
            self.delivered.append(delivery)
            self.session.placed(delivery, self.answer(delivery))

    def until(self, condition: Callable[[], Any], patience: float = PATIENCE) -> Any:
        """Tick until it holds.

        Raises:
            TimeoutError: it does not come about.
        """
        end = time.monotonic() + patience
        while not (found := condition()):
            if time.monotonic() > end:
                raise TimeoutError(f"not seen; {self.snapshot}")
            self.tick()
            time.sleep(TICK)
        return found

    def pump(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.tick()
            time.sleep(TICK)

    def ready(self) -> None:
        self.until(lambda: self.snapshot.engine.state == "ready")

    def job(self, id: str) -> JobView:
        return next(job for job in self.snapshot.jobs if job.id == id)

    def reach(self, id: str, *states: str) -> JobView:
        """Tick until the job is in one of these states."""
        return self.until(
            lambda: next((j for j in self.snapshot.jobs if j.id == id and j.state in states), None)
        )

    def stages(self, id: str) -> Sequence[str]:
        return [delivery.stage for delivery in self.delivered if delivery.job == id]


HERE = Target(file="file 1", scene=1)
