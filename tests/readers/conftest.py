"""Fixtures of the readers' tests."""

import pytest

from engine.readers import apart


@pytest.fixture
def in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Readers that have a process of their own run in this one, which spares its start."""
    monkeypatch.setattr(apart, "_ask", apart._read)
