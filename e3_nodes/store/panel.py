"""What only people look at: the bulky columns in brief, what changed lately, how much is still to do."""

from __future__ import annotations

import json
from collections.abc import Sequence

from . import mapping
from .base import StoreBase
from .protocol import JobChange, JobSummary


class PanelStore(StoreBase):
    """Reading for the panel; ``protocol.JobStore`` says what each method promises."""

    def job_summaries(self, job_ids: Sequence[int]) -> dict[int, JobSummary]:
        found = self._fetch("job_summaries", ids=mapping.to_json(list(job_ids)))
        return {
            row["id"]: JobSummary(inputs=json.loads(row["inputs"] or "{}"), error_summary=row["error_summary"] or None)
            for row in found
        }

    def changed_since(self, since: int, *, limit: int = 100) -> list[JobChange]:
        return [
            JobChange(
                config_name=row["config_name"],
                status=row["status"],
                phase=row["phase"],
                updated_at=row["updated_at"],
            )
            for row in self._fetch("changed_since", since=since, limit=limit)
        ]

    def open_by_workflow(self) -> dict[str, int]:
        return {row["workflow_id"]: row["n"] for row in self._fetch("open_by_workflow")}
