"""pytest inside a part: a row for each file of tests, and one for each test that fails."""

import contextlib
import io
import os
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.gpu_day.parts import Row


class _Heard:
    """A plugin that keeps what became of the tests."""

    def __init__(self) -> None:
        self.found: dict[str, Counter[str]] = {}
        self.failures: list[tuple[str, str]] = []

    def pytest_collectreport(self, report: Any) -> None:
        if report.failed:
            self._fail(report.nodeid, str(report.longrepr))

    def pytest_runtest_logreport(self, report: Any) -> None:
        if report.failed:
            self._fail(report.nodeid, str(report.longrepr))
        elif report.when == "call" or report.skipped:
            self._count(report.nodeid, report.outcome)

    def _fail(self, test: str, text: str) -> None:
        self._count(test, "failed")
        self.failures.append((test, text))

    def _count(self, test: str, outcome: str) -> None:
        self.found.setdefault(test.split("::")[0], Counter())[outcome] += 1


def run_tests(
    root: Path, arguments: Sequence[str], environment: Mapping[str, str] | None = None
) -> Iterator[Row]:
    """Run tests of the project in this process, which should be one of its own.

    Args:
        root: of the project.
        arguments: for pytest: files, folders, -m.
        environment: what the tests read.
    """
    import pytest

    os.environ.update(environment or {})
    os.chdir(root)
    if str(root) not in sys.path:
        sys.path.insert(0, str(root))
    heard, said = _Heard(), io.StringIO()
    with contextlib.redirect_stdout(said):
        code = pytest.main(["-q", "-p", "no:cacheprovider", *arguments], plugins=[heard])
    for file, counts in heard.found.items():
        text = ", ".join(f"{count} {outcome}" for outcome, count in sorted(counts.items()))
        yield Row(file, text, "none failed", counts["failed"] == 0)
    for test, text in heard.failures:
        last = next((line for line in text.splitlines()[::-1] if line.startswith("E ")), "")
        message = last.removeprefix("E ").strip() or text.strip().splitlines()[-1]
        yield Row(test, message[:300], "passes", False, {"traceback": text[-6000:]})
    if not heard.found or code not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
        more = {"output": said.getvalue()[-6000:]}
        yield Row("pytest", f"ended with {int(code)}", "runs tests", False, more)
