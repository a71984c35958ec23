"""What a set-up is asked to do: given to its process as JSON on its standard input.

Not among its arguments, which every user of the machine can read: addresses may hold a login.
"""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4


@dataclass(frozen=True, kw_only=True)
class Order:
    """
    Attributes:
        home: as ``Places``.
        wheel: file of the engine.
        extras: of it.
        uv_url, uv_size, uv_sha256: of uv's wheel.
        index: of the user, to get uv's wheel from; empty: ``uv_url``.
        backend: for uv's --torch-backend; empty: torch comes from the index as all else.
        nvidia: an NVIDIA card is expected to be used.
        agreed: bytes of download that the user knows of.
        accepted: the user was asked, and agreed to what was said.
        fresh: nothing of the engine that is there is taken over.
        longest_home: characters that the path may have; 0: any number.
        token: another one for every order; see ``Places.told``.
    """

    home: str
    wheel: str
    extras: tuple[str, ...] = ()
    uv_url: str
    uv_size: int
    uv_sha256: str
    index: str = ""
    backend: str = "auto"
    nvidia: bool = False
    agreed: int = 0
    accepted: bool = False
    fresh: bool = False
    longest_home: int = 0
    token: str = field(default_factory=lambda: uuid4().hex)

    def to_json(self) -> bytes:
        return json.dumps(asdict(self)).encode()

    @classmethod
    def from_json(cls, data: bytes) -> "Order":
        fields: dict[str, Any] = json.loads(data)
        fields["extras"] = tuple(fields["extras"])
        return cls(**fields)

    @property
    def requirement(self) -> str:
        """The engine, for uv."""
        extras = f"[{','.join(self.extras)}]" if self.extras else ""
        return f"maquette{extras} @ {Path(self.wheel).absolute().as_uri()}"
