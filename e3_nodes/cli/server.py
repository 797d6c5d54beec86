"""A ComfyUI, or the embedded host, as a process that ends together with the command that started it."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from .. import config_loader
from ..errors import HostUnavailable, InvalidSettings
from . import comfyui
from .answers import CommandFailed

START_SECONDS = 240
END_SECONDS = 5
USUAL_PORT = 8188

Process = subprocess.Popen[bytes]
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@contextmanager
def running(place: Path | None, port: int, *, quiet_stdout: bool) -> Iterator[Process]:
    """Run the server, and end it with the block.

    Args:
        place: ComfyUI's folder; None for the embedded host.
        port: The port.
        quiet_stdout: Whether the server must leave our stdout alone; its words go to stderr then.
    """
    home = config_loader.find_home()
    command, folder = _embedded_command(home, port) if place is None else _comfyui_command(place, port)
    process = subprocess.Popen(
        command,
        cwd=folder,
        env={**os.environ, "E3_HOME": str(home)},
        stdin=subprocess.PIPE,
        stdout=sys.stderr.fileno() if quiet_stdout else None,
    )
    try:
        yield process
    finally:
        _end(process)


def choose_port(wanted: int | None) -> int:
    """Return the port to listen on: the wanted one, else 8188, else a free one.

    Raises:
        CommandFailed: The wanted one is taken.
    """
    for port in (wanted or USUAL_PORT, 0):
        with socket.socket() as probe:
            if os.name != "nt":
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
                return probe.getsockname()[1]
            except OSError:
                if wanted:
                    raise CommandFailed(f"port {wanted} is taken by another program", code="port_taken") from None
    raise CommandFailed("there is no free port", code="port_taken")


def is_ready(url: str, process: Process, goes_on: Callable[[], bool]) -> bool:
    """Wait until E3 answers; False when it is not to be waited for any more.

    Raises:
        HostUnavailable: The server ended, or stayed silent for four minutes.
    """
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        if not goes_on():
            return False
        if _answers(f"{url}/e3/health"):
            return True
        time.sleep(0.05)
    raise HostUnavailable(f"the server on {url} did not come up; its own messages above say why")


def _answers(url: str) -> bool:
    try:
        with _DIRECT.open(url, timeout=5) as answer:
            return answer.status == 200
    except urllib.error.HTTPError as exc:
        exc.close()
        return False
    except OSError:
        return False


def _end(process: Process) -> None:
    """Ask it to end as Ctrl-C does, then as a service manager does, then no more."""
    asks = [process.terminate, process.kill]
    if os.name == "posix":
        asks.insert(0, lambda: process.send_signal(signal.SIGINT))
    for ask in asks:
        with contextlib.suppress(subprocess.TimeoutExpired):
            ask()
            process.wait(timeout=END_SECONDS)
            break
    if process.stdin is not None:
        process.stdin.close()


def _embedded_command(home: Path, port: int) -> tuple[list[str], Path]:
    base = comfyui.embedded_base(home)
    base.mkdir(parents=True, exist_ok=True)
    plugin = config_loader.plugin_folder()
    tether, program = plugin / "e3_nodes" / "cli" / "tether.py", plugin / "e3_nodes" / "embedded"
    arguments = ["--base-directory", str(base), "--port", str(port), "--custom-node", str(plugin)]
    return [sys.executable, str(tether), str(program), *arguments], home


def _comfyui_command(place: Path, port: int) -> tuple[list[str], Path]:
    put_plugin_into(place)
    python = os.environ.get("COMFYUI_PYTHON") or _python_of(place)
    more = shlex.split(os.environ.get("COMFYUI_ARGS", ""), posix=os.name != "nt")
    return [python, "main.py", "--port", str(port), *more], place


def _python_of(place: Path) -> str:
    """Return the interpreter of ComfyUI's virtual environment or portable folder, else this one."""
    names = (".venv/bin/python", "venv/bin/python", ".venv/Scripts/python.exe", "venv/Scripts/python.exe")
    known = [*(place / name for name in names), place.parent / "python_embeded" / "python.exe"]
    return str(next((python for python in known if python.exists()), sys.executable))


def put_plugin_into(place: Path) -> None:
    """Link the plugin into custom_nodes, unless a folder there is it already.

    Raises:
        InvalidSettings: The link cannot be made; the message says what to do by hand.
    """
    plugin = config_loader.plugin_folder()
    nodes = place / "custom_nodes"
    nodes.mkdir(exist_ok=True)
    if any(entry.resolve() == plugin.resolve() for entry in nodes.iterdir()):
        return
    try:
        (nodes / "comfyui-e3").symlink_to(plugin, target_is_directory=True)
    except OSError as exc:
        raise InvalidSettings(f"E3 cannot be linked into {nodes} ({exc.strerror}); copy {plugin} there") from exc
