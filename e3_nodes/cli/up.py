"""``e3 up``: ComfyUI with E3 in it, from one command."""

from __future__ import annotations

import argparse
import re
import shutil
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .. import config_loader, monitor
from ..errors import HostUnavailable
from . import server, waiting
from .agent import ending_politely
from .answers import Answer, Block, Failure, Line, UsageError
from .comfyui import find_comfyui
from .home import Home, open_home
from .render import JsonScreen, Screen


def run_up(args: argparse.Namespace, screen: Screen) -> Answer:
    """Start the ComfyUI that is found, else the embedded host; say what to open and where files appear."""
    if args.once and not args.examples:
        raise UsageError("e3 up: --once goes with --examples; right is: e3 up --examples --once")
    place = None if args.embedded else find_comfyui(args.comfyui)
    port = server.choose_port(args.port)
    url = f"http://127.0.0.1:{port}"
    is_json = isinstance(screen, JsonScreen)
    with (
        ending_politely() as asked_to_end,
        server.running(place, port, quiet_stdout=is_json) as process,
        open_home() as home,
    ):
        server.wait_until_ready(url, process)
        names = drop_examples(home) if args.examples else []
        told = _told(url, home.cfg, place)
        if is_json and not args.once:
            screen.finish(Answer(told))
        screen.show(*_welcome(told))

        def goes_on() -> bool:
            return not asked_to_end.is_set() and process.poll() is None

        answer = _watched(home, names, screen, goes_on)
        if args.once:
            return Answer({**told, **(answer.data or {})}, answer.blocks, answer.failure)
        return _until_the_end(process, asked_to_end, is_json)


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


def _watched(home: Home, names: Sequence[str], screen: Screen, goes_on: Any) -> Answer:
    """Wait for the examples, and show each result as it appears."""
    if not names:
        return Answer()
    ended = waiting.watch(home, names, screen, goes_on=goes_on)
    answer = waiting.answer_for(names, ended)
    if answer.failure is None:
        return Answer(answer.data, [f"all {len(names)} examples are done"])
    if answer.failure.code == "timeout":
        return Answer(answer.data, failure=Failure("host_unavailable", "the server ended before the examples were done"))
    return answer


def _until_the_end(process: server.Process, asked_to_end: threading.Event, is_json: bool) -> Answer:
    """Wait for Ctrl-C; a server that ends by itself with an error is one of ours."""
    while process.poll() is None:
        if asked_to_end.wait(0.2):
            return _Silent() if is_json else Answer()
    if process.returncode == 0:
        return _Silent() if is_json else Answer()
    raise HostUnavailable(f"the server ended with code {process.returncode}; its own messages above say why")


def _told(url: str, cfg: dict[str, Any], place: Path | None) -> dict[str, Any]:
    paths = cfg["paths"]
    return {
        "url": f"{url}/e3/",
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
