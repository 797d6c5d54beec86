"""``e3 doctor``: name what will fail before the night does, and the fix."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

from ..errors import E3Error
from . import checks_comfyui, checks_home
from .answers import Answer, Block, Failure, Line
from .checks import Check
from .home import Home, open_home
from .render import Screen


def run_doctor(args: argparse.Namespace, screen: Screen) -> Answer:
    """Look at everything."""
    with open_home() as home:
        found = list(_checks(home, args))
    fails = sum(check.level == "fail" for check in found)
    warns = sum(check.level == "warn" for check in found)
    verdict = Line(f"{fails} will fail, {warns} to look at" if fails or warns else "all is well", "dim")
    blocks: list[Block] = [*(line for check in found for line in _lines(check)), verdict]
    data = {"checks": [check.as_data() for check in found], "fail": fails, "warn": warns}
    failure = Failure("will_fail", f"{fails} things will fail") if fails else None
    return Answer(data, blocks, failure)


def _lines(check: Check) -> Iterator[Line]:
    yield Line(f"{check.level:<4}  {check.message}", "" if check.level == "ok" else check.level)
    if check.fix:
        yield Line(f"      -> {check.fix}", "dim")


def _checks(home: Home, args: argparse.Namespace) -> Iterator[Check]:
    yield from checks_home.check_program()
    try:
        cfg = home.cfg
    except E3Error as exc:
        yield Check(exc.code, "fail", str(exc), "mend global_config.yaml; e3 schema config prints every setting")
        return
    if args.url:
        cfg["comfyui"]["api_base_url"] = args.url
    yield from checks_home.check_folders(cfg, fix=args.fix)
    yield from checks_home.check_locks(cfg)
    yield from checks_home.check_privacy(home)
    found = list(checks_home.check_database(home))
    yield from found
    reachable, nodes = checks_comfyui.check_reachable(cfg)
    yield from reachable
    yield from checks_comfyui.check_workflows(home, nodes)
    if Path(cfg["paths"]["database"]).exists() and not any(check.level == "fail" for check in found):
        yield from checks_home.check_workers(home, fix=args.fix)
        yield from checks_comfyui.check_jobs(home, nodes)
