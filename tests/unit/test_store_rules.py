"""What becomes of a job when an attempt ends: the backoff, and the last word of each cause."""

from __future__ import annotations

import math

import pytest
from comfyui_e3.e3_nodes import errors
from comfyui_e3.e3_nodes.store import rules


@pytest.mark.parametrize(("retries", "seconds"), [(0, 10), (1, 20), (5, 320), (6, 600), (7, 600), (1000, 600)], ids=str)
@pytest.mark.parametrize("jitter", [0.0, 0.5, 1.0])
def test_store_rules_backoff_doubles_up_to_ten_minutes(retries: int, seconds: int, jitter: float) -> None:
    waited = rules.backoff_ms(retries, jitter)

    assert math.isclose(waited, seconds * 1000 * (0.8 + 0.4 * jitter))
    assert waited <= rules.LONGEST_BACKOFF_MS


def test_store_rules_check_updates_takes_what_it_knows() -> None:
    rules.check_updates({"start_time": 1, "metadata": {}, "error_trace": None})

    with pytest.raises(errors.InvalidConfig, match="no update 'saved'; it takes start_time"):
        rules.check_updates({"saved": []})
