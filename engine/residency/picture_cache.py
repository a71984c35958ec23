"""What networks made of the last picture: kept for the next request that shows the same one."""

from collections.abc import Callable
from typing import Any

from torch import Tensor


class PictureCache:
    """Image tokens, and what the flows on the device prepared of them, of one picture.

    Another picture takes its place, so it never grows.
    """

    def __init__(self) -> None:
        self._picture = ""
        self._tokens: dict[int, Tensor] = {}
        self._prepared: dict[str, tuple[Any, int]] = {}

    def tokens(self, picture: str, size: int, make: Callable[[], Tensor]) -> Tensor:
        """``image_tokens`` in host memory, computed by ``make`` once for a picture and size.

        Args:
            picture: its identity, such as a hash.
            size: pixels a side at which the encoder looks at it.
        """
        self._look_at(picture)
        if size not in self._tokens:
            self._tokens[size] = make().cpu()
        return self._tokens[size]

    def prepared(self, picture: str, network: str, size: int, make: Callable[[], Any]) -> Any:
        """What a network prepares of a picture, until the network leaves the device.

        Args:
            size: its bytes, for ``prepared_bytes``.
        """
        self._look_at(picture)
        if network not in self._prepared:
            self._prepared[network] = make(), size
        return self._prepared[network][0]

    @property
    def prepared_bytes(self) -> int:
        """Bytes on the device."""
        return sum(size for _, size in self._prepared.values())

    def bytes_of(self, network: str) -> int:
        """Those of ``prepared_bytes`` that belong to a network."""
        return self._prepared[network][1] if network in self._prepared else 0

    def forget_network(self, network: str) -> None:
        self._prepared.pop(network, None)

    def forget(self) -> None:
        self._look_at("")

    def _look_at(self, picture: str) -> None:
        if picture != self._picture:
            self._picture, self._tokens, self._prepared = picture, {}, {}
