"""The toy checkpoint, written once."""

from tests.systems.conftest import toy

__all__ = ["toy"]
