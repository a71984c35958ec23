"""Memory that runs out and devices that fail, as sentences with a remedy."""

from collections.abc import Iterator
from contextlib import contextmanager

from engine.residency.models import is_out_of_memory, out_of_memory
from protocol.errors import EngineError

DEVICE_FAULT = "device_fault"
"""Code of the error after which this process is of no use: CUDA stays broken until it ends."""

_FAULTS = (
    *("CUDA error", "CUDA driver error", "device-side assert", "cudaError"),
    *("CUDNN_STATUS", "cuDNN error", "CUBLAS_STATUS", "unspecified launch failure"),
)


@contextmanager
def faults_told() -> Iterator[None]:
    """Errors of libraries about memory and the device, as an ``EngineError``.

    Raises:
        EngineError: ``out_of_memory``, ``device_fault``.
    """
    try:
        yield
    except EngineError:
        raise
    except Exception as error:
        if is_out_of_memory(error):
            raise out_of_memory() from error
        if is_device_fault(error):
            said = " ".join(str(error).split())[:120]
            raise EngineError(
                DEVICE_FAULT,
                f"The GPU failed in the middle of the work ({said}).",
                "Try again: the worker is started afresh. If it happens again, update the driver, "
                "close other programs that use the GPU, or use the processor (--device cpu).",
            ) from error
        raise


def is_device_fault(error: BaseException) -> bool:
    """Whether an exception says that a CUDA device, or a library on it, failed."""
    text = str(error)
    return isinstance(error, RuntimeError) and any(fault in text for fault in _FAULTS)
