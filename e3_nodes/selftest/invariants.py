"""The invariants I1 to I24, each one a function that says what is wrong; nothing is what it should say.

Those of ``ALWAYS`` hold after a kill at any instant; those of ``SETTLED`` once E3 has run again until idle.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .. import store
from ..model import Job, Rejection, Status
from ..store.protocol import JobStore
from ..store.queries import load_queries
from ..validation import names
from .scene import Scene
from .simulated import read_png


@dataclass(frozen=True)
class View:
    """One look at the table, taken while nothing runs."""

    jobs: dict[str, Job]
    attempts: dict[str, list[Mapping[str, Any]]]
    intents: dict[str, list[Mapping[str, Any]]]
    rejections: list[Rejection]
    damage: list[str]
    complaints: list[str]

    @classmethod
    def of(cls, scene: Scene, complaints: Sequence[str] = ()) -> View:
        """Open the table, read all of it, close it; complaints are what was written down since the last look."""
        with store.init_db(scene.cfg["paths"]["database"], clock=scene.now) as db:
            return cls.through(db, complaints)

    @classmethod
    def through(cls, db: JobStore, complaints: Sequence[str] = ()) -> View:
        """Read all of an open table."""
        light = db.list_jobs(limit=1000)["jobs"]
        jobs = {job["config_name"]: row for job in light if (row := db.get_job(job["config_name"]))}
        return cls(
            jobs,
            {name: [dict(attempt) for attempt in db.list_attempts(job["id"])] for name, job in jobs.items()},
            {name: [dict(intent) for intent in db.list_intents(job["id"])] for name, job in jobs.items()},
            db.list_rejections(limit=1000),
            db.quick_check(),
            list(complaints),
        )

    def told(self, heading: str) -> Iterator[str]:
        """Give what those who watch all the time have told under a heading."""
        return (said.removeprefix(f"{heading} ") for said in self.complaints if said.startswith(f"{heading} "))

    def done(self) -> Iterator[tuple[str, Job]]:
        """Walk the jobs that are done."""
        return ((name, job) for name, job in self.jobs.items() if job["status"] == Status.DONE.value)


Invariant = Callable[[Scene, View], Iterator[str]]


def violations(scene: Scene, view: View, invariants: tuple[Invariant, ...]) -> list[str]:
    """Return what each invariant says, with its number."""
    return [f"{rule.__name__.partition('_')[0].upper()} {said}" for rule in invariants for said in rule(scene, view)]


def i1_nothing_is_lost(scene: Scene, view: View) -> Iterator[str]:
    """Every file dropped has a row, or a rejection, or is waiting; and it is always somewhere, whole."""
    rejected = {Path(rejection["path"]).name for rejection in view.rejections}
    for name in [*scene.dropped, *scene.broken]:
        if name not in view.jobs and name not in rejected and not (scene.processing / name).exists():
            yield f"{name} is gone without a row or a rejection"
        if not any((folder / name).exists() for folder in (scene.processing, scene.finished)):
            yield f"the file {name} is nowhere"


def i2_one_row_an_identity(scene: Scene, view: View) -> Iterator[str]:
    """No two rows are the same job."""
    for identity, count in Counter(names.identity(name) for name in view.jobs).items():
        if count > 1:
            yield f"{identity} has {count} rows"


def i3_one_completion_a_job(scene: Scene, view: View) -> Iterator[str]:
    """No job was completed twice."""
    for name, attempts in view.attempts.items():
        count = sum(attempt["outcome"] == "done" for attempt in attempts)
        if count != (view.jobs[name]["status"] == Status.DONE.value):
            yield f"{name} is {view.jobs[name]['status']} and has {count} completions"


def i4_done_stays_done(scene: Scene, view: View) -> Iterator[str]:
    """A job seen done is done, and was not run again."""
    for name, count in scene.ledger.done.items():
        job = view.jobs.get(name)
        if job is None or job["status"] != Status.DONE.value or len(view.attempts[name]) != count:
            yield f"{name} was done and is {job and job['status']}"
    scene.ledger.done.update({name: len(view.attempts[name]) for name, _ in view.done()})


def i5_updates_name_their_token(scene: Scene, view: View) -> Iterator[str]:
    """Every statement that moves a processing row on names the attempt's token."""
    free = {"cancel_processing", "renew_leases", "set_priorities", "god_mode", "place_job", "refresh_path"}
    for name, sql in load_queries("sqlite").items():
        _, _, condition = sql.partition("WHERE")
        touches = re.match(r"UPDATE jobs\b", sql) and "'processing'" in condition
        if touches and name not in free and not re.search(r"\blease_token = (:|json_extract\()", condition):
            yield f"the statement {name} does not name the token"


def i6_tokens_are_never_reused(scene: Scene, view: View) -> Iterator[str]:
    """No token was ever seen at two jobs."""
    for job in view.jobs.values():
        for token in {attempt["lease_token"] for attempt in view.attempts[job["config_name"]]}:
            if scene.ledger.tokens.setdefault(token, job["id"]) != job["id"]:
                yield f"token {token} served two jobs"


def i7_one_live_attempt_a_job(scene: Scene, view: View) -> Iterator[str]:
    """A running job has one live attempt, any other one none; the simulated ComfyUI counts its prompts itself."""
    yield from view.told("I7")
    for name, job in view.jobs.items():
        live = [attempt["lease_token"] for attempt in view.attempts[name] if attempt["outcome"] is None]
        if live != ([job["lease_token"]] if job["status"] == Status.PROCESSING.value else []):
            yield f"{name} is {job['status']} with {len(live)} live attempts"


def i8_no_file_without_intent(scene: Scene, view: View) -> Iterator[str]:
    """What is visible was promised before, or is somebody else's."""
    promised = {intent["final_path"] for intents in view.intents.values() for intent in intents}
    for path in scene.finished.iterdir():
        is_result = path.suffix not in (".yaml", ".json") and not path.name.startswith(".")
        if is_result and path not in scene.strangers and str(path) not in promised:
            yield f"{path.name} was never promised"


def i9_files_appear_whole(scene: Scene, view: View) -> Iterator[str]:
    """What is visible is complete, and was so from its first instant, as the watcher saw it."""
    for path in scene.finished.glob("*.png"):
        if path not in scene.strangers and read_png(path.read_bytes()) is None:
            yield f"{path.name} is not whole"
    yield from view.told("I9")


def i10_strangers_are_untouched(scene: Scene, view: View) -> Iterator[str]:
    """A file that E3 did not make is as it was."""
    for path, data in scene.strangers.items():
        if not path.exists() or path.read_bytes() != data:
            yield f"{path.name} belonged to somebody else and was changed"


def i11_done_means_delivered(scene: Scene, view: View) -> Iterator[str]:
    """Each file of a done job is there, with the bytes whose hash the row tells."""
    for name, job in view.done():
        told = zip(job["metadata"].get("saved", ["(nothing)"]), job["metadata"].get("hashes", [""]), strict=True)
        for path, digest in told:
            found = Path(path)
            if not found.is_file() or hashlib.sha256(found.read_bytes()).hexdigest() != digest:
                yield f"{name} is done, and {found.name} is missing or other than recorded"


def i12_job_files_are_where_they_belong(scene: Scene, view: View) -> Iterator[str]:
    """The file of a done job lies in finished/ alone, that of any other ended job in processing/."""
    for name, job in view.jobs.items():
        is_done = job["status"] == Status.DONE.value
        if (scene.finished / name).exists() != is_done or (scene.processing / name).exists() == is_done:
            yield f"the file of {name}, which is {job['status']}, is not where it belongs"


def i13_job_files_keep_their_bytes(scene: Scene, view: View) -> Iterator[str]:
    """Nobody changed a byte of a job file."""
    for name, data in {**scene.dropped, **scene.broken}.items():
        for folder in (scene.processing, scene.finished):
            if (folder / name).exists() and (folder / name).read_bytes() != data:
                yield f"{name} has other bytes in {folder.parent.name}"


def i14_counters_are_honest(scene: Scene, view: View) -> Iterator[str]:
    """Runs are leases that were not returned; only failures spend retries."""
    for name, job in view.jobs.items():
        outcomes = [attempt["outcome"] for attempt in view.attempts[name]]
        if job["run_count"] != len(outcomes) - outcomes.count("returned"):
            yield f"{name} counts {job['run_count']} runs, its attempts were {outcomes}"
        spent = job["retries_attempted"] - job["retries_base"]
        if spent > job["retry_limit"] or (
            spent and job["error_type"] in (None, "crash") and not _has_failed(view, name)
        ):
            yield f"{name} has spent {spent} of {job['retry_limit']} retries, its attempts were {outcomes}"


def _has_failed(view: View, name: str) -> bool:
    return any(attempt["error_type"] not in (None, "crash") for attempt in view.attempts[name])


def i15_poison_is_set_aside(scene: Scene, view: View) -> Iterator[str]:
    """No job that killed ComfyUI as often as allowed waits to do it again."""
    for name, job in view.jobs.items():
        if job["crash_count"] >= scene.cfg["crash_limit"] and job["status"] in ("pending", "processing"):
            yield f"{name} died {job['crash_count']} times and is {job['status']}"


def i16_staging_is_collected(scene: Scene, view: View) -> Iterator[str]:
    """Only the originals of done jobs stay in ComfyUI's output folder."""
    kept = {a["lease_token"] for attempts in view.attempts.values() for a in attempts if a["outcome"] in ("done", None)}
    for folder in scene.output.parent.glob("output*/e3/*"):
        if folder.name not in kept:
            yield f"the staging folder {folder.name} is of no live attempt"


def i17_comfyui_is_unharmed(scene: Scene, view: View) -> Iterator[str]:
    """No function of the host was replaced, and its prompt worker lives, as the witness in it saw."""
    yield from view.told("I17")


def i18_event_loop_is_free(scene: Scene, view: View) -> Iterator[str]:
    """The host's event loop never stood in E3's code for more than 50 ms, as the witness in it saw."""
    yield from view.told("I18")


def i19_only_the_dead_are_robbed(scene: Scene, view: View) -> Iterator[str]:
    """Jobs were taken over from processes that were killed or frozen, whatever the clocks said."""
    for owner in view.told("robbed"):
        if not any(f"-{pid}-" in owner for pid in scene.ledger.buried):
            yield f"a job was taken from {owner}, which neither died nor was frozen"


def i20_database_is_sound(scene: Scene, view: View) -> Iterator[str]:
    """SQLite finds nothing wrong."""
    yield from view.damage


def i21_json_is_strict(scene: Scene, view: View) -> Iterator[str]:
    """Every result file is strict JSON and tells of a done job."""
    for path in scene.finished.glob("*.result.json"):
        try:
            told = json.loads(path.read_text("utf-8"), parse_constant=_refuse)
        except ValueError as exc:
            yield f"{path.name} is no strict JSON: {exc}"
            continue
        if view.jobs[told["config_name"]]["status"] != Status.DONE.value:
            yield f"{path.name} tells of a job that is not done"


def _refuse(word: str) -> None:
    raise ValueError(f"{word} is no JSON")


def i22_rejections_keep_the_file(scene: Scene, view: View) -> Iterator[str]:
    """A rejection has a code and a reason, and its file is still there."""
    for rejection in view.rejections:
        if not re.fullmatch("[a-z_0-9]+", rejection["code"]) or not rejection["reason"]:
            yield f"the rejection of {rejection['path']} gives no reason"
        if not Path(rejection["path"]).exists():
            yield f"{rejection['path']} was rejected and is gone"


def i23_one_path_one_job(scene: Scene, view: View) -> Iterator[str]:
    """No two done jobs claim one file."""
    for path, count in Counter(path for _, job in view.done() for path in job["metadata"].get("saved", ())).items():
        if count > 1:
            yield f"{path} is the result of {count} jobs"


def i24_every_job_ends(scene: Scene, view: View) -> Iterator[str]:
    """Nothing waits or runs for ever."""
    for name in scene.dropped:
        status = view.jobs[name]["status"] if name in view.jobs else "unknown"
        if status not in ("done", "failed", "cancelled"):
            yield f"{name} is still {status}"


ALWAYS: tuple[Invariant, ...] = (
    i1_nothing_is_lost,
    i2_one_row_an_identity,
    i3_one_completion_a_job,
    i4_done_stays_done,
    i6_tokens_are_never_reused,
    i7_one_live_attempt_a_job,
    i8_no_file_without_intent,
    i9_files_appear_whole,
    i10_strangers_are_untouched,
    i11_done_means_delivered,
    i13_job_files_keep_their_bytes,
    i14_counters_are_honest,
    i15_poison_is_set_aside,
    i17_comfyui_is_unharmed,
    i18_event_loop_is_free,
    i19_only_the_dead_are_robbed,
    i20_database_is_sound,
    i21_json_is_strict,
    i22_rejections_keep_the_file,
    i23_one_path_one_job,
)
SETTLED: tuple[Invariant, ...] = (
    *ALWAYS,
    i5_updates_name_their_token,
    i12_job_files_are_where_they_belong,
    i16_staging_is_collected,
    i24_every_job_ends,
)
