"""``e3 add`` and ``e3 validate``: judge every file, say everything that is wrong, take all in or none."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from .. import authoring, file_utils, judging, validation
from ..errors import InvalidConfig
from ..judging import Candidate
from ..model import MAX_CONFIG_BYTES
from ..parsing import strict_yaml
from ..validation import names
from .answers import Answer, Block, Failure, Line, UsageError
from .home import Home, open_home
from .render import Screen

STDIN = "-"


def run_add(args: argparse.Namespace, screen: Screen) -> Answer:
    """Judge files, and take them in if all are good."""
    if args.name and args.files != [STDIN]:
        raise UsageError("e3 add: --name is for a job on stdin; right is: e3 add - --name NAME")
    with open_home() as home:
        candidates = _judged(args.files, home, lambda data: args.name or _free_name(data, home))
        judging.judge_names(candidates, home.cfg, home.db)
        if any(candidate.problems for candidate in candidates):
            return _refusal(candidates, home, "; nothing was taken in")
        findings = judging.deliver(candidates, home.cfg, home.workflows, home.db)
        refused = [finding for finding in findings if finding.get("status") == "rejected"]
        blocks = [_taken(candidate, home) for candidate in candidates]
        data = {"jobs": [_data_of(candidate, home) for candidate in candidates]}
    if refused:
        return Answer(data, blocks, Failure(refused[0].get("code", "rejected"), refused[0].get("reason", "")))
    return Answer(data, blocks)


def run_validate(args: argparse.Namespace, screen: Screen) -> Answer:
    """Judge files, and leave them where they are."""
    with open_home() as home:
        candidates = _judged(args.files, home, lambda data: f"{_subject(data, home)[0]}_20250101000000_1_job")
        if any(candidate.problems for candidate in candidates):
            return _refusal(candidates, home, "")
    files = [{"file": candidate.label, "warnings": _warnings(candidate)} for candidate in candidates]
    blocks = [block for candidate in candidates for block in _good(candidate)]
    return Answer({"files": files, "problems": []}, blocks)


def _judged(files: Sequence[str], home: Home, name_of: Callable[[bytes], str]) -> list[Candidate]:
    candidates = [candidate for file in files for candidate in _candidates(file, home, name_of)]
    if not candidates:
        raise InvalidConfig(f"there is no job file in {', '.join(files)}; job files end in .yaml")
    for candidate in candidates:
        if not candidate.problems:
            judging.judge(candidate, home.cfg, home.workflows)
    return candidates


def _candidates(file: str, home: Home, name_of: Callable[[bytes], str]) -> Iterator[Candidate]:
    """Yield what an argument means: stdin, the files of a folder, or a file."""
    if file == STDIN:
        data = sys.stdin.buffer.read(MAX_CONFIG_BYTES + 1)
        yield Candidate(STDIN, validation.canonical_config_name(name_of(data)), data)
        return
    paths = file_utils.list_yaml_under(file) if Path(file).is_dir() else [file]
    for path in paths:
        with Path(path).open("rb") as opened:
            data = opened.read(MAX_CONFIG_BYTES + 1)
        yield Candidate(path, Path(path).name, data, _place_in_processing(Path(path), home))


def _place_in_processing(path: Path, home: Home) -> Path | None:
    """Return the file's path if it was dropped already."""
    root = Path(home.cfg["paths"]["jobs_processing"])
    absolute = Path(path).absolute()
    return absolute if absolute.is_relative_to(root) else None


def _free_name(data: bytes, home: Home) -> str:
    """Find a free name for a job that came without one."""
    return authoring.free_name(*_subject(data, home), home.cfg, home.db, datetime.now())


def _subject(data: bytes, home: Home) -> tuple[str, str]:
    """Read a job's type and workflow, for its name; a job that cannot be read gets any."""
    try:
        job = strict_yaml.read(data).data
        names.media_of_type(job["job_type"], home.cfg["job_types"])
        return job["job_type"], str(job["workflow_id"])
    except (InvalidConfig, LookupError, TypeError):
        return "T2I", "job"


def _refusal(candidates: Sequence[Candidate], home: Home, outcome: str) -> Answer:
    problems = [
        {"file": candidate.label, "code": p.code, "message": p.message, "line": p.line, "column": p.column}
        for candidate in candidates
        for p in candidate.problems
    ]
    blocks: list[Block] = [Line(_problem_line(problem), "bad") for problem in problems]
    blocks += [Line(f"left out: {problem}", "warn") for problem in home.workflow_problems]
    bad = sum(bool(candidate.problems) for candidate in candidates)
    message = f"{bad} of {len(candidates)} files cannot be taken{outcome}"
    data = {"files": [{"file": candidate.label} for candidate in candidates], "problems": problems}
    return Answer(data, blocks, Failure("rejected", message, hint="" if outcome else "mend what is named"))


def _problem_line(problem: dict[str, Any]) -> str:
    """Write a problem as compilers do, so that editors can jump to it."""
    place = f"{problem['line']}:{problem['column']}:" if problem["line"] is not None else ""
    return f"{problem['file']}:{place} {problem['message']} ({problem['code']})"


def _good(candidate: Candidate) -> list[Block]:
    warnings = [Line(f"{candidate.label}: warning: {warning}", "warn") for warning in _warnings(candidate)]
    return [Line(f"{candidate.label}: good", "good"), *warnings]


def _warnings(candidate: Candidate) -> list[str]:
    return candidate.row["warnings"] if candidate.row else []


def _taken(candidate: Candidate, home: Home) -> Line:
    name = candidate.row["config_name"] if candidate.row else candidate.name
    if not candidate.is_known:
        return Line(f"took {name}", "good")
    job = home.db.get_job(name)
    return Line(f"{name} is there already ({job['status'] if job else 'removed'})", "dim")


def _data_of(candidate: Candidate, home: Home) -> dict[str, Any]:
    name = candidate.row["config_name"] if candidate.row else candidate.name
    job = home.db.get_job(name)
    keys = ("config_name", "status", "priority", "workflow_id", "config_path", "warnings")
    known = {key: job.get(key) for key in keys} if job else {"config_name": name}
    return {"file": candidate.label, "was_known": candidate.is_known, **known}
