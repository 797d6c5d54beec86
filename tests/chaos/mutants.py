"""The tests that test the tests: 20 ways to break the promise, each killed by the family named for it.

``python tests/chaos/mutants.py [NAME...]`` applies each mutant to a copy of the project and runs its family
against the copy. A mutant that survives is a hole in the tests, not in E3. With ``--control`` the same runs
are made on unchanged copies, where none may fail.
"""

# ruff: noqa: E501 - what is searched for stands as it is in the source
from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[2]
PARTS = ("__init__.py", "pyproject.toml", "e3_nodes", "server_routes", "web", "workflows", "tests", "jobs", "docs")
FAMILY_SECONDS = 150
WORKERS = 3


@dataclass(frozen=True)
class Mutant:
    """One way to break E3.

    Attributes:
        name: What it does.
        family: The family of tests that must notice, by the fault or the rule it injects.
        file: The file that is changed, under ``e3_nodes/``.
        changes: What stands there, and what takes its place.
        killers: Runs of which one must fail: a scenario of the chaos run, or arguments of pytest.
    """

    name: str
    family: str
    file: str
    changes: tuple[tuple[str, str], ...]
    killers: tuple[str, ...]


def scenario(*words: str) -> str:
    return " ".join(("tests/chaos/run_scenario.py", *words))


def tests(words: str) -> str:
    return f"-m pytest -q -x -p no:cacheprovider {words}"


ORDER = tests("tests/chaos/test_order.py")
FROZEN = scenario("woken_while_another_runs", "1")
STRANGER = scenario("strangers_file_at_the_last_moment", "1")

MUTANTS: tuple[Mutant, ...] = (
    Mutant(
        "done committed before link",
        "F01",
        "delivery.py",
        (
            (
                "    return db.record_intents([_promise_of(one.owner.job, one.intents) for one in publications])",
                "    held = db.record_intents([_promise_of(one.owner.job, one.intents) for one in publications])\n"
                "    for one in publications:\n"
                '        one.owner.saved = {"saved": [i["final_path"] for i in one.intents],\n'
                '            "hashes": [i["sha256"] for i in one.intents]}\n'
                "    db.complete_jobs([_success(one.owner) for one in publications])\n"
                "    return held",
            ),
            ('holds_lease = partial(db.holds_lease, job["id"], token_of(job))', "holds_lease = None"),
            ("    batch.step_at_once(lambda some: _commit_done(some, db))\n", ""),
        ),
        (scenario("failpoints", "1", "publish.before_link"),),
    ),
    Mutant(
        "copy in place",
        "F01 + watcher",
        "file_utils/linking.py",
        (
            (
                "disk.patiently(os.link, src, dst, **extra)",
                "_copy_in_place(src, dst, **extra)",
            ),
            (
                "def _rename_new(",
                "def _copy_in_place(src, dst, src_dir_fd=None, dst_dir_fd=None, follow_symlinks=True):\n"
                "    import time\n"
                "    data = os.open(src, os.O_RDONLY, dir_fd=src_dir_fd)\n"
                "    new = os.open(dst, os.O_WRONLY | os.O_CREAT | os.O_EXCL, dir_fd=dst_dir_fd)\n"
                "    while piece := os.read(data, 2048):\n"
                "        os.write(new, piece)\n"
                "        time.sleep(0.02)\n"
                "    os.close(data), os.close(new)\n\n\n"
                "def _rename_new(",
            ),
        ),
        (scenario("failpoints", "1", "done.committed,publish.linked"),),
    ),
    Mutant(
        "no intent row",
        "F01",
        "delivery.py",
        (
            (
                "    return db.record_intents([_promise_of(one.owner.job, one.intents) for one in publications])",
                "    return [True] * len(publications)",
            ),
        ),
        (scenario("failpoints", "1", "publish.linked,done.committed"),),
    ),
    Mutant(
        "os.replace",
        "foreign-file test",
        "file_utils/linking.py",
        (
            (
                "disk.patiently(os.link, src, dst, **extra)",
                "os.replace(src, dst, **{key: folders[key] for key in folders})",
            ),
        ),
        (tests("tests/unit/test_file_utils.py -k never_replaces"), STRANGER),
    ),
    Mutant(
        "exists() then rename",
        "F40",
        "outputs/publishing.py",
        (
            (
                '        _ask(terms, intent)\n        linking.link_or_rename_new(intent["staged_path"], folder.at(name), dst_dir_fd=folder.fd)',
                '        if folder.lstat(name) is not None:\n            raise OutputExists(intent["final_path"])\n'
                '        _ask(terms, intent)\n        os.rename(intent["staged_path"], folder.at(name), dst_dir_fd=folder.fd)',
            ),
        ),
        (STRANGER,),
    ),
    Mutant(
        "guard by id only",
        "F07",
        "store/attempts.py",
        (('return run if run and lease_token in (None, run["lease_token"]) else None', "return run"),),
        (FROZEN,),
    ),
    Mutant(
        "fsync of a result removed",
        "F50",
        "outputs/planning.py",
        (("        disk.fsync_file(path)\n", "        pass\n"),),
        (ORDER,),
    ),
    Mutant(
        "fsync of the final folder removed",
        "F50",
        "file_utils/folders.py",
        (("            if self.fd is not None:\n                disk.sync_folder(self.fd)\n", "            pass\n"),),
        (ORDER,),
    ),
    Mutant(
        "fsync of the database removed",
        "F50",
        "store/opening.py",
        (
            (
                'WRITE_AHEAD = ("journal_mode = WAL", "synchronous = FULL")',
                'WRITE_AHEAD = ("journal_mode = WAL", "synchronous = NORMAL")',
            ),
        ),
        (ORDER,),
    ),
    Mutant(
        "wall clock in the lease",
        "F11",
        "store/sql/sqlite/attempts.sql",
        (("\nAND    worker_id NOT IN (SELECT worker_id FROM workers)", ""),),
        (tests("tests/unit/test_recovery.py -k wall_clock"),),
    ),
    Mutant(
        "PID liveness",
        "F06",
        "recovery.py",
        (
            (
                "if lock_path.exists() and locks.is_free(lock_path):",
                'import os\n        pid = worker["worker_id"].split("-")[1]\n'
                '        if pid.isdecimal() and not Path(f"/proc/{pid}").exists() and os.name == "posix":',
            ),
        ),
        (tests("tests/chaos/test_processes.py -k restart_in_place"),),
    ),
    Mutant(
        "adopted prompt fetched into the folder of the agent before",
        "F07",
        "backends/http_backend.py",
        (("target = self.staging(token) / named.relative_to(self.staging(given))", "target = named"),),
        (tests("tests/unit/test_backends_http.py -k earlier_attempt"),),
    ),
    Mutant(
        "outage taken for a crash",
        "eviction",
        "backends/http_backend.py",
        (("return before.witness is None or self._client.history_entry(before.witness) is None", "return True"),),
        (tests("tests/unit/test_backends_http.py -k out_of_sight"),),
    ),
    Mutant(
        "except only YAMLError",
        "corpus Y20-Y33",
        "parsing/strict_yaml.py",
        (("        except _FOREIGN as exc:", "        except yaml.YAMLError as exc:"),),
        (tests("tests/unit/test_strict_yaml.py tests/unit/test_bad_input_corpus.py"),),
    ),
    Mutant(
        "CSafeLoader without pre-scan",
        "Y40 in a subprocess",
        "parsing/strict_yaml.py",
        (
            (
                "            return Document(self._root(), self.warnings, self.text)",
                '            loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)\n'
                "            return Document(yaml.load(self.text, Loader=loader), [], self.text)",
            ),
        ),
        (tests("tests/unit/test_bad_input_corpus.py -k bomb"),),
    ),
    Mutant(
        "5-tuple",
        "F46",
        "host.py",
        (
            (
                '        return self._on_loop(post(), "POST /prompt")',
                '        extra = dict(body["extra_data"], client_id=body["client_id"])\n'
                '        targets = list(body["partial_execution_targets"] or body["prompt"])\n'
                '        item = (body["number"], body["prompt_id"], dict(body["prompt"]), extra, targets)\n'
                "        self._server.prompt_queue.put(item)\n"
                '        return 200, {"node_errors": {}}',
            ),
        ),
        (tests("tests/unit/test_host.py -k own_handler"),),
    ),
    Mutant(
        "history without prefix check",
        "F45 cached output",
        "backends/history.py",
        (
            (
                ' if _path_of(file).startswith(f"{folder}/")]',
                "]",
            ),
        ),
        (tests("tests/unit/test_backends_history.py"),),
    ),
    Mutant(
        "settle after one look",
        "F31/F32",
        "drop_folder.py",
        (("            if now - entry.since >= entry.wait:", "            if True:"),),
        (tests("tests/unit/test_drop_folder.py"),),
    ),
    Mutant(
        "unlink YAML before link",
        "F01 step 17",
        "outputs/filing.py",
        (
            (
                "            _Filing.harden,\n            _Filing.appear,\n            _Filing.settle,\n            _Filing.leave,\n",
                "            _Filing.harden,\n            _Filing.leave,\n            _Filing.appear,\n            _Filing.settle,\n",
            ),
        ),
        (scenario("failpoints", "1", "yaml.moved,yaml.linked"),),
    ),
    Mutant(
        "retry counts evictions",
        "machine rule I14",
        "store/rules.py",
        (
            (
                '    changes: dict[str, Any] = {"evict_count": job["evict_count"] + evicted}',
                '    changes: dict[str, Any] = {"evict_count": job["evict_count"] + evicted,\n'
                '        "retries_attempted": job["retries_attempted"] + evicted}',
            ),
        ),
        (tests("tests/chaos/test_machine.py -k eviction"),),
    ),
)


def main(names: Sequence[str]) -> int:
    """Try the mutants; those that are named, or all."""
    if list(names) == ["--control"]:
        return _control()
    chosen = [mutant for mutant in MUTANTS if not names or mutant.name in names]
    with ThreadPoolExecutor(max_workers=WORKERS) as pool:
        told = list(pool.map(_try, chosen))
    for mutant, killer in zip(chosen, told, strict=True):
        print(f"{'killed  ' if killer else 'SURVIVED'}  {mutant.name}  [{mutant.family}]  {killer or ''}")
    survivors = [mutant.name for mutant, killer in zip(chosen, told, strict=True) if not killer]
    print(f"{len(chosen) - len(survivors)} of {len(chosen)} mutants killed")
    return 1 if survivors else 0


def _control() -> int:
    """Make every run on an unchanged copy; return 1 if one fails there, for then it proves nothing."""
    killers = sorted({killer for mutant in MUTANTS for killer in mutant.killers})
    nothing = [Mutant("nothing", "control", "executor.py", (), (killer,)) for killer in killers]
    with ThreadPoolExecutor(max_workers=WORKERS) as pool:
        failed = list(filter(None, pool.map(_try, nothing)))
    print(f"{len(failed)} of {len(killers)} runs fail without a mutant: {failed}")
    return 1 if failed else 0


def _try(mutant: Mutant) -> str | None:
    """Return the run that noticed the mutant, or None when it survived."""
    began = time.monotonic()
    killer = _killer_of(mutant)
    if os.environ.get("E3_MUTANTS_TELL"):
        print(f"{time.monotonic() - began:6.1f} s  {mutant.name}  {mutant.killers}", flush=True)
    return killer


def _killer_of(mutant: Mutant) -> str | None:
    with tempfile.TemporaryDirectory(prefix="e3-mutant-", ignore_cleanup_errors=True) as folder:
        copy = Path(folder) / "comfyui_e3"
        for part in PARTS:
            _copy(REPO / part, copy / part)
        apply(mutant, copy)
        return next((killer for killer in mutant.killers if _fails(killer, copy)), None)


def apply(mutant: Mutant, project: Path) -> None:
    """Change the file of a mutant.

    Raises:
        ValueError: The source has changed, and the mutant does not fit it any more.
    """
    path = project / "e3_nodes" / mutant.file
    text = path.read_text("utf-8")
    for old, new in mutant.changes:
        if text.count(old) != 1:
            raise ValueError(f"mutant {mutant.name!r}: {mutant.file} has {text.count(old)} times: {old}")
        text = text.replace(old, new)
    path.write_text(text, "utf-8")


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        ignored = shutil.ignore_patterns("__pycache__", "*.sqlite3*", ".locks", "node_modules")
        shutil.copytree(source, target, ignore=ignored)
    elif source.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, target)


def _fails(killer: str, copy: Path) -> bool:
    environment = {**os.environ, "PYTHONPATH": str(copy.parent), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, *killer.split()]
    try:
        done = subprocess.run(
            command, cwd=copy, env=environment, capture_output=True, text=True, timeout=FAMILY_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return True
    if killer.startswith("-m pytest"):
        return done.returncode == pytest.ExitCode.TESTS_FAILED  # the other codes say that none could run
    return done.returncode != 0 and not re.search(r"(ImportError|SyntaxError|usage:)", done.stdout + done.stderr)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
