"""The laws of the job table, held by any sequence of what workers, operators, files and crashes may do."""

from __future__ import annotations

from typing import Any

from comfyui_e3.e3_nodes import errors
from comfyui_e3.e3_nodes.model import ErrorType, Status
from comfyui_e3.e3_nodes.store import init_db
from comfyui_e3.tests.stores import Clock, job_name, make_intent, make_row, promise
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

NUMBERS = st.integers(1, 3)
WORKERS = st.sampled_from(["worker-1", "worker-2"])
CRASH_LIMIT = 2
LEASE_SECONDS = 60


class JobTable(RuleBasedStateMachine):
    """Two workers, an operator and a clock at one table; every held or lost lease is remembered."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.db = init_db(":memory:", clock=self.clock, crash_limit=CRASH_LIMIT, jitter=lambda: 0.5)
        self.leases: list[Any] = []
        self.tokens: set[str] = set()
        self.done: set[str] = set()

    def teardown(self) -> None:
        self.db.close()

    # --- files ---

    @initialize(numbers=st.sets(NUMBERS, min_size=1))
    def drop_files(self, numbers: set[int]) -> None:
        for number in numbers:
            self.drop_file(number, 50, 1, 1)

    @rule(number=NUMBERS, priority=st.integers(1, 3), retry_limit=st.integers(0, 2), version=st.integers(1, 2))
    def drop_file(self, number: int, priority: int, retry_limit: int, version: int) -> None:
        before = self.db.get_job(job_name(number))
        row = make_row(number, priority=priority, retry_limit=retry_limit, config_sha256=f"{version:064x}")

        [ingested] = self.db.ingest_jobs([row])

        after = self.row(job_name(number))
        assert ingested["id"] == after["id"]
        assert after["status"] == (before["status"] if before else Status.PENDING)
        if ingested["outcome"] == "name_conflict":
            assert after == before

    # --- workers ---

    @rule(worker=WORKERS)
    def lease(self, worker: str) -> None:
        shown = self.db.most_urgent()
        running = {job["config_name"] for job in self.jobs() if job["status"] == Status.PROCESSING}

        job = self.db.lease_next_job(worker, LEASE_SECONDS)

        assert (job and job["id"]) == (shown and shown["id"])
        if job is None:
            return
        assert job["config_name"] not in running
        assert job["lease_token"] not in self.tokens
        self.remember(job)

    @precondition(lambda self: self.leases)
    @rule(data=st.data(), step=st.sampled_from(["submit", "start", "leave", "publish"]))
    def advance(self, data: st.DataObject, step: str) -> None:
        job = self.pick(data)
        owned = (job["id"], job["lease_token"])
        held = self.db.holds_lease(*owned)
        moved = {
            "submit": lambda: self.db.record_submission(*owned, f"prompt-{owned[1]}"),
            "start": lambda: self.db.record_start(*owned, self.clock.now),
            "leave": lambda: self.db.record_leaving(*owned),
            "publish": lambda: promise(self.db, *owned, make_intent(1)),
        }[step]()
        assert held or not moved

    @precondition(lambda self: self.leases)
    @rule(data=st.data())
    def succeed(self, data: st.DataObject) -> None:
        job = self.pick(data)
        if self.end(job, success=True, updates={"metadata": {"saved": ["a.png"]}}):
            assert self.row(job["config_name"])["status"] == Status.DONE

    @precondition(lambda self: self.leases)
    @rule(data=st.data(), error_type=st.sampled_from(list(ErrorType)))
    def fail(self, data: st.DataObject, error_type: ErrorType) -> None:
        job = self.pick(data)
        before = self.db.get_job(job["config_name"])
        updates = {"error_type": error_type.value, "error_trace": "boom"}
        if before is None or not self.end(job, success=False, updates=updates):
            return
        after = self.row(job["config_name"])
        assert after["status"] == Status.CANCELLED or not before["cancel_requested"]
        spent = after["retries_attempted"] - before["retries_attempted"]
        assert spent == (after["status"] == Status.PENDING and error_type is not ErrorType.CRASH)
        assert not spent or after["retries_attempted"] - after["retries_base"] <= after["retry_limit"]

    @precondition(lambda self: self.leases)
    @rule(data=st.data(), evicted=st.booleans(), delay=st.sampled_from([None, 30_000]))
    def give_back(self, data: st.DataObject, evicted: bool, delay: int | None) -> None:
        job = self.pick(data)
        retries = (self.db.get_job(job["config_name"]) or job)["retries_attempted"]
        not_before = delay and self.clock.now + delay
        held = self.db.holds_lease(job["id"], job["lease_token"])
        given = self.db.return_job(
            job["id"], job["lease_token"], reason="take-back", not_before=not_before, evicted=evicted
        )
        assert given == held
        if given:
            assert self.row(job["config_name"])["retries_attempted"] == retries

    @precondition(lambda self: self.leases)
    @rule(data=st.data(), worker=WORKERS)
    def steal(self, data: st.DataObject, worker: str) -> None:
        job = self.pick(data)
        held = self.db.holds_lease(job["id"], job["lease_token"])
        stolen = self.db.steal_job(job["id"], job["lease_token"], worker, LEASE_SECONDS)
        assert (stolen is not None) == held
        if stolen is not None:
            assert stolen["lease_token"] not in self.tokens
            assert not self.db.holds_lease(job["id"], job["lease_token"])
            self.remember(stolen)

    # --- time and crashes ---

    @rule(seconds=st.sampled_from([1, 15, 61, 700]))
    def time_passes(self, seconds: int) -> None:
        self.clock.forward(seconds)

    @rule(worker=WORKERS)
    def beat(self, worker: str) -> None:
        self.db.renew_leases(worker, LEASE_SECONDS)

    @rule()
    def recover(self) -> None:
        live = {job["id"] for job in self.jobs() if (job["lease_expires_at"] or 0) >= self.clock.now}
        retries = {job["config_name"]: job["retries_attempted"] for job in self.jobs()}
        self.db.recover_orphans(self.clock.now)
        assert self.db.recover_orphans(self.clock.now) == 0
        assert retries == {job["config_name"]: job["retries_attempted"] for job in self.jobs()}
        assert live == {job["id"] for job in self.jobs() if job["status"] == Status.PROCESSING}

    @rule(worker=WORKERS)
    def worker_dies(self, worker: str) -> None:
        self.db.release_worker(worker)
        assert self.db.jobs_of_worker(worker) == []

    # --- the operator ---

    @rule(
        number=NUMBERS,
        verb=st.sampled_from(["retry", "cancel", "god", "end", "priority", "remove", "restore"]),
    )
    def wish(self, number: int, verb: str) -> None:
        name = job_name(number)
        before: Any = self.db.get_job(name)
        verbs: dict[str, Any] = {
            "retry": lambda: self.db.retry_job(name),
            "cancel": lambda: self.db.cancel_job(name),
            "god": lambda: self.db.god_mode(name),
            "end": lambda: self.db.move_job(name, None),
            "priority": lambda: self.db.set_priority(name, 2),
            "remove": lambda: self.db.remove_job(name),
            "restore": lambda: self.db.restore_job(name),
        }
        try:
            verbs[verb]()
        except (errors.UnknownJob, errors.WrongState):
            assert self.db.get_job(name) == before
            return
        assert verb != "retry" or before["status"] in (Status.FAILED, Status.CANCELLED)
        if verb == "god" and before is not None and before["status"] == Status.PENDING:
            assert self.pending()[0]["config_name"] == name
            assert (self.db.most_urgent() or before)["config_name"] == name
        if verb == "remove":
            self.done.discard(name)

    @rule(first=NUMBERS, second=NUMBERS)
    def drag(self, first: int, second: int) -> None:
        order = [job["config_name"] for job in self.pending()]
        name, target = job_name(first), job_name(second)
        if name == target or name not in order or target not in order:
            return
        order.remove(name)
        order.insert(order.index(target), name)

        self.db.move_job(name, target)

        assert [job["config_name"] for job in self.pending()] == order

    @rule(person=st.booleans(), seconds=st.sampled_from([0, 700]))
    def pause_for_a_while(self, person: bool, seconds: int) -> None:
        if person:
            self.db.set_user_paused(True)
        else:
            self.db.set_auto_pause("disk_full")
        self.clock.forward(seconds)
        assert self.db.lease_next_job("worker-1", LEASE_SECONDS) is None
        assert self.db.set_auto_pause(None)["user_paused"] == person
        self.db.set_user_paused(False)

    @rule(action=st.sampled_from(["retry", "cancel", "god-mode"]))
    def wish_for_all(self, action: Any) -> None:
        assert all(answer["ok"] for answer in self.db.bulk(action, where={}))

    # --- the laws ---

    @invariant()
    def counts_are_those_of_the_rows(self) -> None:
        counted = {status.value: 0 for status in Status}
        for job in self.jobs():
            counted[job["status"]] += 1
        assert self.db.count_by_status() == counted

    @invariant()
    def one_live_attempt_a_running_job_and_none_else(self) -> None:
        for job in self.jobs():
            attempts = self.db.list_attempts(job["id"])
            live = [attempt["lease_token"] for attempt in attempts if attempt["outcome"] is None]
            assert live == ([job["lease_token"]] if job["status"] == Status.PROCESSING else [])
        owners = [lease for lease in self.leases if self.db.holds_lease(lease["id"], lease["lease_token"])]
        assert len({owner["id"] for owner in owners}) == len(owners)

    @invariant()
    def a_stale_attempt_can_do_nothing(self) -> None:
        stale = [job for job in self.leases if not self.db.holds_lease(job["id"], job["lease_token"])]
        for owned in [(job["id"], job["lease_token"]) for job in stale]:
            assert not self.db.complete_job(owned[0], success=True, updates={}, lease_token=owned[1])
            assert not self.db.complete_job(owned[0], success=False, updates={}, lease_token=owned[1])
            assert not self.db.return_job(*owned, reason="late")
            assert not self.db.abandon_job(*owned, reason="late")
            assert not promise(self.db, *owned, make_intent(2))

    @invariant()
    def runs_are_leases_that_were_not_returned(self) -> None:
        for job in self.jobs():
            outcomes = [attempt["outcome"] for attempt in self.db.list_attempts(job["id"])]
            assert job["run_count"] == len(outcomes) - outcomes.count("returned")
            assert outcomes.count("done") <= 1

    @invariant()
    def done_is_for_ever_and_happens_once(self) -> None:
        for job in self.jobs():
            if job["status"] == Status.DONE:
                self.done.add(job["config_name"])
            assert (job["config_name"] in self.done) == (job["status"] == Status.DONE)
            assert job["status"] != Status.DONE or job["metadata"]["saved"] == ["a.png"]

    @invariant()
    def no_job_waits_for_ever(self) -> None:
        for job in self.jobs():
            if job["status"] == Status.PENDING:
                assert not job["cancel_requested"]
                assert (job["not_before"] or 0) <= self.clock.now + 720_000

    @invariant()
    def a_search_by_its_name_finds_each_job_and_no_other(self) -> None:
        for job in self.jobs():
            found = self.db.list_jobs({"q": job["config_name"]})
            assert [each["id"] for each in found["jobs"]] == [job["id"]]
            assert found["totals"][job["status"]] == sum(found["totals"].values()) == 1

    # --- helpers ---

    def jobs(self) -> list[Any]:
        return self.db.list_jobs(limit=1000)["jobs"]

    def pending(self) -> list[Any]:
        return self.db.list_jobs({"status": ["pending"]}, limit=1000)["jobs"]

    def row(self, name: str) -> Any:
        row = self.db.get_job(name)
        assert row is not None
        return row

    def remember(self, job: Any) -> None:
        """Keep a few leases: those that live, and some that were lost."""
        self.tokens.add(job["lease_token"])
        self.leases = [*self.leases[-3:], job]

    def pick(self, data: st.DataObject) -> Any:
        return data.draw(st.sampled_from(self.leases))

    def end(self, job: Any, **how: Any) -> bool:
        held = self.db.holds_lease(job["id"], job["lease_token"])
        ended = self.db.complete_job(job["id"], **how, lease_token=job["lease_token"])
        assert ended == held
        return ended


JobTable.TestCase.settings = settings(
    max_examples=60,
    stateful_step_count=50,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
TestJobTable = JobTable.TestCase
