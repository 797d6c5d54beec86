"""``e3 up``: ComfyUI with E3 in it, from one command."""

from __future__ import annotations

import argparse
import re
import shutil
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from .. import config_loader, monitor
from ..errors import HostUnavailable
from . import server, waiting
from .agent import ending_politely
from .answers import Answer, Block, Failure, Line, UsageError
from .comfyui import find_comfyui
from .home import Home, open_home
from .render import Screen


def run_up(args: argparse.Namespace, screen: Screen) -> Answer:
    """Start the ComfyUI that is found, else the embedded host; say what to open and where files appear."""
    if args.once and not args.examples:
        raise UsageError("e3 up: --once goes with --examples; right is: e3 up --examples --once")
    place = None if args.embedded else find_comfyui(args.comfyui)
    port = server.choose_port(args.port)
    with ending_politely() as asked_to_end, server.running(place, port, quiet_stdout=args.json) as process:
        if not server.is_ready(f"http://127.0.0.1:{port}", process, lambda: not asked_to_end.is_set()):
            return Answer()
        with open_home() as home:
            told = _told(port, home.cfg, place)
            return _at_work(args, told, home, screen, process, asked_to_end)


def _at_work(
    args: argparse.Namespace,
    told: dict[str, Any],
    home: Home,
    screen: Screen,
    process: server.Process,
    asked_to_end: threading.Event,
) -> Answer:
    """Say what to open, run the examples, and stay until asked to end."""
    names = drop_examples(home) if args.examples else []
    if args.once:
        screen.show(*_welcome(told))
    else:
        screen.finish(Answer(told, _welcome(told)))
    answer = _watched(home, names, screen, lambda: not asked_to_end.is_set() and process.poll() is None)
    if args.once:
        return Answer({**told, **(answer.data or {})}, answer.blocks, answer.failure)
    screen.show(*answer.blocks)
    if answer.failure is not None:
        screen.note(answer.failure.message)
    while process.poll() is None:
        if asked_to_end.wait(0.2):
            return Answer()
    raise HostUnavailable(f"the server ended with code {process.returncode}; its own messages above say why")


def drop_examples(home: Home) -> list[str]:
    """Take in the example jobs that need no model, under names of this moment; return the names."""
    folder = config_loader.plugin_folder() / "jobs" / "examples"
    own_inputs = Path(home.cfg["home"]) / "jobs" / "examples" / "inputs"
    if not own_inputs.exists():
        shutil.copytree(folder / "inputs", own_inputs)
    files = [file for file in sorted(folder.glob("*/*.yaml")) if file.parent.name != "needs_models"]
    return [_drop_example(file, home) for file in files]


def _drop_example(file: Path, home: Home) -> str:
    """Give an example a new name, so that it runs each time, and its result the same."""
    stamp = time.strftime("%Y%m%d%H%M%S")
    name = re.sub(r"_[0-9]{14}_", f"_{stamp}_", file.name)
    data = file.read_bytes().replace(file.stem.encode(), name.removesuffix(".yaml").encode())
    return monitor.submit_job(name, data, home.cfg, home.workflows, home.db)["config_name"]


def _watched(home: Home, names: Sequence[str], screen: Screen, goes_on: Callable[[], bool]) -> Answer:
    """Wait for the examples, and show each result as it appears."""
    if not names:
        return Answer()
    ended = waiting.watch(home, names, screen, goes_on=goes_on)
    answer = waiting.answer_for(names, ended)
    if answer.failure is None:
        return Answer(answer.data, [f"all {len(names)} examples are done"])
    if answer.failure.code == "timeout":
        return Answer(
            answer.data, failure=Failure("host_unavailable", "the server ended before the examples were done")
        )
    return answer


def _told(port: int, cfg: dict[str, Any], place: Path | None) -> dict[str, Any]:
    paths = cfg["paths"]
    return {
        "url": f"http://127.0.0.1:{port}/e3/",
        "server": str(place) if place else "embedded",
        "home": cfg["home"],
        "jobs_processing": paths["jobs_processing"],
        "jobs_finished": paths["jobs_finished"],
    }


def _welcome(told: dict[str, Any]) -> list[Block]:
    """Say what to open, where to drop, and where files appear."""
    embedded = "the embedded host (no ComfyUI was found; a few nodes, no models)"
    return [
        "",
        f"E3 runs in {embedded if told['server'] == 'embedded' else told['server']}",
        Line(f"  open          {told['url']}   (in ComfyUI: the E3 tab of the sidebar)", "head"),
        f"  drop jobs in  {told['jobs_processing']}",
        f"  files appear  {told['jobs_finished']}",
        "",
    ]
