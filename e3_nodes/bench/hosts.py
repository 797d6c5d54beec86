"""A ComfyUI, or the embedded host, in a process of its own on a scratch folder, and the requests to it."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .. import config_loader
from ..errors import HostUnavailable

START_SECONDS = 240.0
PROBE = Path(__file__).parent / "probe"


class Host:
    """One server process.

    Args:
        base: An empty folder for its input, output and custom_nodes.
        home: E3's home; None leaves the plugin out.
        comfyui: A ComfyUI checkout; None runs the embedded host.
    """

    def __init__(self, base: Path, home: Path | None, comfyui: Path | None = None) -> None:
        self.base = base
        self.started_in = 0.0
        self._connection: http.client.HTTPConnection | None = None
        packs = {"bench-probe": PROBE, **({"comfyui-e3": config_loader.plugin_folder()} if home else {})}
        for folder in ("input", "output", "user", "models", "custom_nodes"):
            (base / folder).mkdir(parents=True, exist_ok=True)
        for name, source in packs.items():
            (base / "custom_nodes" / name).symlink_to(source, target_is_directory=True)
        self.port = _free_port()
        # One thread for torch on the CPU: idle ones spin, and would measure the neighbours instead.
        self._environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        # An installed plugin is compiled once, not at every start.
        self._environment.pop("PYTHONDONTWRITEBYTECODE", None)
        if home:
            self._environment["E3_HOME"] = str(home)
        self._command, self._folder = _command(base, self.port, comfyui)

    def __enter__(self) -> Host:
        began = time.perf_counter()
        with (self.base / "host.log").open("ab") as log:
            self.process = subprocess.Popen(
                self._command,
                cwd=self._folder,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        try:
            self._wait_until("/system_stats")
        except BaseException:
            self.__exit__()
            raise
        self.started_in = time.perf_counter() - began
        return self

    def __exit__(self, *_: object) -> None:
        if self._connection is not None:
            self._connection.close()
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def request(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """Send one request on a connection that is kept."""
        data = None if body is None else json.dumps(body)
        if self._connection is None:
            self._connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        try:
            self._connection.request(method, path, data, {"Content-Type": "application/json"} if data else {})
            answer = self._connection.getresponse()
            text = answer.read()
        except (OSError, http.client.HTTPException):
            self._connection.close()
            self._connection = None
            raise
        return answer.status, _decoded(text)

    def get(self, path: str) -> Any:
        """GET; return the decoded body."""
        return self.request("GET", path)[1]

    def post(self, path: str, body: Any = None) -> Any:
        """POST JSON; return the decoded body."""
        return self.request("POST", path, {} if body is None else body)[1]

    def wait_for_e3(self) -> float:
        """Wait until E3 works; return the seconds since the server answered."""
        began = time.perf_counter()
        self._wait_until("/e3/queue")
        return time.perf_counter() - began

    def _wait_until(self, path: str) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                if self.request("GET", path)[0] == 200:
                    return
            except (OSError, http.client.HTTPException):
                pass
            time.sleep(0.01)
        end = (self.base / "host.log").read_text("utf-8", "replace")[-3000:]
        raise HostUnavailable(f"the server did not come up; its log ends with:\n{end}")


def _command(base: Path, port: int, comfyui: Path | None) -> tuple[list[str], Path]:
    place = ["--base-directory", str(base), "--port", str(port)]
    if comfyui is None:
        return [sys.executable, str(config_loader.plugin_folder() / "e3_nodes" / "embedded"), *place], base
    page = base / "page"
    page.mkdir(exist_ok=True)
    (page / "index.html").write_text("<!doctype html><title>ComfyUI</title>", "utf-8")
    python = os.environ.get("COMFYUI_PYTHON", sys.executable)
    database = f"sqlite:///{(base / 'user' / 'comfyui.db').as_posix()}"
    more = ["--cpu", "--disable-auto-launch", "--front-end-root", str(page), "--database-url", database]
    return [python, "main.py", *place, *more], comfyui


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _decoded(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return body


def named_comfyui(environ: Mapping[str, str] | None = None) -> Path | None:
    """Return the ComfyUI that ``COMFYUI_PATH`` names, if any.

    Examples:
        >>> named_comfyui({}) is None
        True
    """
    path = (os.environ if environ is None else environ).get("COMFYUI_PATH", "")
    return Path(path).resolve() if path else None
