"""Servers that tests start as processes: the embedded host, and a real ComfyUI where one is named.

    with EmbeddedHost().start(tmp_path, custom_nodes={"comfyui-e3": REPO}) as host:
        status, answer = host.post("/prompt", {"prompt": graph})

Both speak the same interface, so one suite runs against either. A real ComfyUI is the checkout that
``COMFYUI_PATH`` names, run by the interpreter ``COMFYUI_PYTHON``.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

Self = TypeVar("Self", bound="Host")

REPO = Path(__file__).resolve().parents[1]
EMBEDDED = REPO / "e3_nodes" / "embedded"


class Host:
    """A ComfyUI-like server in a process of its own; ``start`` it, use ``url``, then ``stop`` or ``kill``."""

    name = "host"
    ready_seconds = 60.0

    def __init__(self) -> None:
        self.base_directory = Path()
        self.log_path = Path()
        self.port = 0
        self._process: subprocess.Popen[bytes] | None = None

    def start(
        self: Self,
        base_directory: Path,
        custom_nodes: Mapping[str, Path] | None = None,
        port: int = 0,
        extra_args: Sequence[str] = (),
        env: Mapping[str, str] | None = None,
    ) -> Self:
        """Start the server on ``base_directory`` and wait until it answers.

        Args:
            base_directory: Gets input/, output/, user/ and custom_nodes/; it may be used again after a stop.
            custom_nodes: Folder name to source folder; each is linked (or copied) into custom_nodes/.
            port: The port to listen on; 0 picks a free one.
            extra_args: More arguments of the server's command line.
            env: Variables added to the process's environment.

        Returns:
            The host itself, so that ``with Host().start(...) as host`` reads well.

        Raises:
            RuntimeError: The process ended or stayed silent; the message carries the end of its log.
        """
        self.base_directory = base_directory.resolve()
        for folder in ("input", "output", "user", "models", "custom_nodes"):
            (self.base_directory / folder).mkdir(parents=True, exist_ok=True)
        for node_name, source in (custom_nodes or {}).items():
            _place(source.resolve(), self.base_directory / "custom_nodes" / node_name)
        self.log_path = self.base_directory / f"{self.name}.log"
        self.port = port or free_port()
        self._launch([*self._command(extra_args), *extra_args], env or {})
        self._wait_until_ready()
        return self

    def __enter__(self: Self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """The address to send requests to, without a slash at the end."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """The id of the server's process."""
        return self._running().pid

    @property
    def is_alive(self) -> bool:
        """Tell whether the process still runs."""
        return self._process is not None and self._process.poll() is None

    def get(self, path: str) -> tuple[int, Any]:
        """GET ``path``; returns the status and the decoded body (JSON where it is JSON, else bytes)."""
        return self.request("GET", path)

    def post(self, path: str, body: Any = None) -> tuple[int, Any]:
        """POST ``body`` as JSON to ``path``; returns the status and the decoded body."""
        return self.request("POST", path, body)

    def request(
        self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None
    ) -> tuple[int, Any]:
        """Send one request; ``body`` goes as JSON unless it is bytes already."""
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        sent = {"Content-Type": "application/json", **(headers or {})} if data is not None else headers or {}
        request = urllib.request.Request(self.url + path, data, dict(sent), method=method)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, _decoded(answer.read())
        except urllib.error.HTTPError as error:
            with error:
                return error.code, _decoded(error.read())

    def wait_for(self, prompt_id: str, seconds: float = 60.0) -> dict[str, Any]:
        """Return the history entry of ``prompt_id`` as soon as there is one."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            _, history = self.get(f"/history/{prompt_id}")
            if prompt_id in history:
                return history[prompt_id]
            time.sleep(0.02)
        raise TimeoutError(f"{prompt_id} did not finish within {seconds:g} s\n{self.log_tail()}")

    def stop(self) -> None:
        """End the server as Ctrl-C does, and kill it when it does not listen."""
        if self._process is None:
            return
        if self.is_alive:
            self._process.send_signal(signal.SIGINT if os.name == "posix" else signal.SIGTERM)
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.kill()
        self._process = None

    def kill(self) -> None:
        """End the process at once, as a crash would: nothing of it runs any more."""
        process = self._running()
        process.kill()
        process.wait(timeout=10)
        self._process = None

    def log_tail(self, characters: int = 4000) -> str:
        """Return the end of what the server has logged."""
        return self.log_path.read_text("utf-8", "replace")[-characters:] if self.log_path.exists() else ""

    def _command(self, extra_args: Sequence[str]) -> list[str]:
        raise NotImplementedError

    def _launch(self, command: list[str], env: Mapping[str, str]) -> None:
        with self.log_path.open("ab") as log:
            self._process = subprocess.Popen(
                command,
                cwd=self._working_directory(),
                env={**os.environ, "PYTHONUNBUFFERED": "1", **env},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def _working_directory(self) -> Path:
        return self.base_directory

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + self.ready_seconds
        while self.is_alive and time.monotonic() < deadline:
            try:
                if self.get("/system_stats")[0] == 200:
                    return
            except OSError:
                time.sleep(0.05)
        log = self.log_tail()
        self.stop()
        raise RuntimeError(f"{self.name} did not come up on {self.url}; its log ends with:\n{log}")

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise RuntimeError(f"{self.name} is not running; call start() first")
        return self._process


class EmbeddedHost(Host):
    """The server of ``e3_nodes/embedded``, run by the interpreter of the tests."""

    name = "embedded"

    def _command(self, extra_args: Sequence[str]) -> list[str]:
        base = ["--base-directory", str(self.base_directory), "--port", str(self.port)]
        return [sys.executable, str(EMBEDDED), *base]


class RealComfyUI(Host):
    """The ComfyUI checkout at ``COMFYUI_PATH``, on CPU; ``COMFYUI_ARGS`` adds arguments to its command."""

    name = "comfyui"
    ready_seconds = 240.0

    @staticmethod
    def is_available() -> bool:
        """Tell whether the environment names a ComfyUI and the interpreter to run it."""
        return bool(os.environ.get("COMFYUI_PATH") and os.environ.get("COMFYUI_PYTHON"))

    def _command(self, extra_args: Sequence[str]) -> list[str]:
        more = shlex.split(os.environ.get("COMFYUI_ARGS", ""))
        command = [os.environ["COMFYUI_PYTHON"], "main.py", "--cpu", "--disable-auto-launch"]
        command += ["--base-directory", str(self.base_directory), "--port", str(self.port)]
        if "--database-url" not in [*more, *extra_args]:
            database = (self.base_directory / "user" / "comfyui.db").as_posix()
            command += ["--database-url", f"sqlite:///{database}"]
        if "--front-end-root" not in [*more, *extra_args]:
            command += ["--front-end-root", str(self._bare_front_end())]
        return [*command, *more]

    def _working_directory(self) -> Path:
        return Path(os.environ["COMFYUI_PATH"])

    def _bare_front_end(self) -> Path:
        """A page of one line, so that the checkout needs no frontend package to start."""
        root = self.base_directory / "bare_front_end"
        root.mkdir(exist_ok=True)
        (root / "index.html").write_text("<!doctype html><title>ComfyUI</title>", "utf-8")
        return root


def available_hosts() -> list[type[Host]]:
    """Return the hosts that a suite can run against here: the embedded one, then a real ComfyUI if named."""
    return [EmbeddedHost, *([RealComfyUI] if RealComfyUI.is_available() else [])]


def free_port() -> int:
    """Return a port of 127.0.0.1 that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _place(source: Path, target: Path) -> None:
    """Link ``source`` as ``target``, or copy it where links are not allowed (Windows without the right)."""
    if target.is_symlink() or target.exists():
        return
    try:
        target.symlink_to(source, target_is_directory=source.is_dir())
    except OSError:
        copy = shutil.copytree if source.is_dir() else shutil.copy2
        copy(source, target)


def _decoded(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return body
