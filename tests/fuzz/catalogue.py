"""The targets by name."""

from __future__ import annotations

from fuzz import targets
from fuzz.requests_target import Requests

TARGETS: dict[str, type[targets.Target]] = {
    kind.name: kind
    for kind in (
        targets.Jobs,
        targets.Names,
        targets.Paths,
        Requests,
        targets.Settings,
        targets.Workflows,
        targets.Long,
    )
}
