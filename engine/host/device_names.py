"""Names of devices, without torch."""

import re

from engine.host.command import command
from protocol.errors import EngineError

_NAME = re.compile(r"cpu|mps|cuda(:\d{1,3})?")


def check_device_name(name: str) -> None:
    """Refuse what is the name of no device; whether the machine has it is torch's to say.

    Raises:
        EngineError: ``device_unusable``.
    """
    if not _NAME.fullmatch(name):
        raise EngineError(
            "device_unusable",
            f"The device {name} cannot be used: there is no such device.",
            f"Give cpu, cuda or cuda:N, as doctor names them: {command('doctor')}",
        )
