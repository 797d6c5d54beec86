"""Starting and stopping the embedded host, as a process and in this one."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from comfyui_e3.tests import graphs
from comfyui_e3.tests.hosts import EMBEDDED, REPO, EmbeddedHost

BY_PATH = [sys.executable, str(EMBEDDED)]
BY_NAME = [sys.executable, "-m", "comfyui_e3.e3_nodes.embedded"]


def run_until_exit(*arguments: str, command: list[str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*(command or BY_PATH), *arguments], capture_output=True, text=True, timeout=30)


def wait_for_file(path: Path) -> str:
    deadline = time.monotonic() + 20
    while not path.exists():
        assert time.monotonic() < deadline, f"{path} did not appear"
        time.sleep(0.02)
    return path.read_text("utf-8")


@pytest.mark.parametrize("command", [BY_PATH, BY_NAME], ids=["path", "module"])
def test_embedded_host_takes_a_free_port_and_tells_it(command: list[str], tmp_path: Path) -> None:
    port_file = tmp_path / "port"
    arguments = ["--base-directory", str(tmp_path / "base"), "--port", "0", "--port-file", str(port_file)]
    log_path = tmp_path / "log"
    with log_path.open("wb") as log:
        process = subprocess.Popen([*command, *arguments], stderr=log, cwd=tmp_path)
    try:
        port = int(wait_for_file(port_file))
        with socket.create_connection(("127.0.0.1", port), timeout=5):
            pass
    finally:
        process.kill()
        process.wait(10)

    log_text = log_path.read_text("utf-8")
    assert "not ComfyUI" in log_text.splitlines()[0]
    assert f"ready on http://127.0.0.1:{port}" in log_text


def test_embedded_host_says_what_it_is(tmp_path: Path) -> None:
    with EmbeddedHost().start(tmp_path) as host:
        _, stats = host.get("/system_stats")
        _, page = host.get("/")

    assert stats["system"]["embedded_host"] == "E3 embedded host"
    assert stats["system"]["comfyui_version"].endswith("+e3.embedded")
    assert b"it is not ComfyUI" in page
    assert b'href="/e3/"' in page


def test_embedded_host_serves_the_frontend_it_is_given(tmp_path: Path) -> None:
    root = tmp_path / "frontend"
    (root / "assets").mkdir(parents=True)
    (root / "index.html").write_text("<title>front</title>", "utf-8")
    (root / "assets" / "app.js").write_text("1", "utf-8")

    with EmbeddedHost().start(tmp_path / "base", extra_args=["--front-end-root", str(root)]) as host:
        assert host.get("/") == (200, b"<title>front</title>")
        assert host.get("/assets/app.js")[0] == 200


def test_embedded_host_refuses_a_frontend_without_page(tmp_path: Path) -> None:
    ended = run_until_exit("--base-directory", str(tmp_path), "--front-end-root", str(tmp_path))

    assert ended.returncode == 1
    assert "index.html" in ended.stderr and str(tmp_path) in ended.stderr


def test_embedded_host_refuses_a_taken_port(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        ended = run_until_exit("--base-directory", str(tmp_path), "--port", str(taken.getsockname()[1]))

    assert ended.returncode == 1
    assert "cannot start" in ended.stderr
    assert "Unclosed" not in ended.stderr


def test_embedded_host_loads_packs_named_on_the_command_line(tmp_path: Path) -> None:
    pack = tmp_path / "elsewhere" / "mine"
    pack.mkdir(parents=True)
    (pack / "__init__.py").write_text("NODE_CLASS_MAPPINGS = {}\nWEB_DIRECTORY = 'js'\n", "utf-8")
    (pack / "js").mkdir()
    (pack / "js" / "mine.js").write_text("1", "utf-8")
    (pack / "workflows").mkdir()
    (pack / "workflows" / "one.json").write_text("{}", "utf-8")

    with EmbeddedHost().start(tmp_path / "base", extra_args=["--custom-node", str(pack)]) as host:
        assert host.get("/extensions")[1] == ["/extensions/mine/mine.js"]
        assert host.get("/api/workflow_templates")[1] == {"mine": ["one"]}


def make_pack(tmp_path: Path, source: str, name: str = "pack") -> dict[str, Path]:
    folder = tmp_path / "packs" / name
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text(source, "utf-8")
    return {name: folder}


def test_embedded_host_fails_on_route_options_as_comfyui_does(tmp_path: Path) -> None:
    pack = make_pack(
        tmp_path,
        "from server import PromptServer\n"
        "@PromptServer.instance.routes.get('/mine', allow_head=False)\n"
        "async def mine(request): ...\n"
        "NODE_CLASS_MAPPINGS = {}\n",
    )

    with pytest.raises(RuntimeError, match="TypeError"):
        EmbeddedHost().start(tmp_path / "base", custom_nodes=pack)


def test_embedded_host_skips_disabled_packs_and_loads_single_files(tmp_path: Path) -> None:
    packs = make_pack(tmp_path, "raise SystemExit(3)", "off.disabled")
    single = tmp_path / "single.py"
    single.write_text("class One:\n    pass\nNODE_CLASS_MAPPINGS = {}\nprint('single is in')\n", "utf-8")

    with EmbeddedHost().start(tmp_path / "base", custom_nodes={**packs, "single.py": single}) as host:
        assert "single is in" in host.log_tail()


def test_embedded_host_loads_the_plugin_itself(tmp_path: Path) -> None:
    with EmbeddedHost().start(
        tmp_path, custom_nodes={"comfyui-e3": REPO}, env={"E3_HOME": str(tmp_path / "home")}
    ) as host:
        failed = [line for line in host.log_tail(20000).splitlines() if "IMPORT FAILED" in line]

    assert failed == []


@pytest.mark.skipif(os.name != "posix", reason="Ctrl-C of another process is a signal there only")
def test_embedded_host_empties_temp_at_start_and_stop(tmp_path: Path) -> None:
    (tmp_path / "temp").mkdir()
    (tmp_path / "temp" / "old.png").touch()
    host = EmbeddedHost().start(tmp_path)
    assert not (tmp_path / "temp" / "old.png").exists()

    os.kill(host.pid, signal.SIGINT)
    deadline = time.monotonic() + 60
    while host.is_alive and time.monotonic() < deadline:
        time.sleep(0.02)

    assert not host.is_alive
    assert "Stopped server" in host.log_tail()
    assert not (tmp_path / "temp").exists()
    host.stop()


def test_embedded_host_killed_mid_job_starts_again_on_the_same_folder(tmp_path: Path) -> None:
    packs = {"trouble": REPO / "tests" / "node_packs" / "trouble"}
    host = EmbeddedHost().start(tmp_path, custom_nodes=packs)
    host.post("/prompt", {"prompt": graphs.sleep()})
    host.kill()

    with EmbeddedHost().start(tmp_path) as again:
        status, answer = again.post("/prompt", {"prompt": graphs.image("again")})
        entry = again.wait_for(answer["prompt_id"])

    assert (status, entry["status"]["status_str"]) == (200, "success")
