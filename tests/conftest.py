"""What all suites share: the order in which they run."""

from __future__ import annotations

import pytest


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let tests with a browser run last, whatever order was asked for.

    While Playwright is open its event loop counts as the running one of the main thread, and no test of asyncio
    can start its own.
    """
    items.sort(key=lambda item: item.get_closest_marker("browser") is not None)
