"""What all suites share: the order in which they run, and that Ctrl-C reaches what they start."""

from __future__ import annotations

import signal

import pytest


def pytest_configure() -> None:
    """Heed Ctrl-C, also for the servers that tests stop by it: a shell's background job ignores it from birth."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let tests with a browser run last, whatever order was asked for.

    While Playwright is open its event loop counts as the running one of the main thread, and no test of asyncio
    can start its own.
    """
    items.sort(key=lambda item: item.get_closest_marker("browser") is not None)
