"""How long a sighting is good for, and how long a ComfyUI may be away."""

from __future__ import annotations

import pytest
from comfyui_e3.e3_nodes.backends import sightings
from comfyui_e3.e3_nodes.backends.base import Sighting
from comfyui_e3.e3_nodes.errors import HostUnavailable

NOTHING = sightings.Traces()


def test_backends_sightings_wait_for_a_host_that_is_away_but_not_for_ever() -> None:
    now = [0.0]
    known = sightings.Sightings(lambda: now[0])
    away = HostUnavailable("away")
    known.keep("id", Sighting("running"), 1, NOTHING)

    early = known.missed("id", 1, away)
    now[0] = sightings.OUTAGE_SECONDS
    late = known.missed("id", 1, away)
    now[0] += 1

    assert (early.place, late.place) == ("running", "running")
    with pytest.raises(HostUnavailable, match="away"):
        known.missed("id", 1, away)


def test_backends_sightings_an_outage_that_ends_is_forgotten() -> None:
    now = [0.0]
    known = sightings.Sightings(lambda: now[0])
    known.keep("id", Sighting("running"), 1, NOTHING)
    known.missed("id", 1, HostUnavailable("away"))

    known.keep("id", Sighting("running"), 2, NOTHING)
    now[0] = sightings.OUTAGE_SECONDS + 1

    assert known.missed("id", 2, HostUnavailable("away again")).place == "running"


def test_backends_sightings_a_host_that_never_showed_the_prompt_is_not_waited_for() -> None:
    with pytest.raises(HostUnavailable, match="away"):
        sightings.Sightings().missed("id", 1, HostUnavailable("away"))


@pytest.mark.parametrize(
    ("version", "age", "expected"),
    [(1, 1.9, True), (1, 2.0, False), (2, 0.0, False)],
    ids=["good", "old", "changed"],
)
def test_backends_sightings_fresh_while_young_and_nothing_changed(version: int, age: float, expected: bool) -> None:
    now = [0.0]
    known = sightings.Sightings(lambda: now[0])
    known.keep("id", Sighting("running"), 1, NOTHING)
    now[0] = age

    assert (known.fresh("id", version, 2.0) is not None) is expected


@pytest.mark.parametrize(
    ("before", "now", "is_outage"),
    [(0, 0, False), (0, 1, True), (None, 0, True), (None, 1, True)],
    ids=["open all the time", "lost since", "not open then", "opened and lost since"],
)
def test_backends_sightings_a_broken_or_missing_connection_may_hide_the_death_of_comfyui(
    before: int | None, now: int, is_outage: bool
) -> None:
    known = sightings.Sightings()
    traces = sightings.Traces(before, "witness")
    known.keep("id", Sighting("pending"), 1, traces)

    assert (known.before_an_outage("id", now) == traces) is is_outage
