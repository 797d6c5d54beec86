"""Every command through its real process: exit codes, envelopes, terminals, servers and agents."""

from __future__ import annotations

import json
import os
import re
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from cli_home import COMMAND, REPO, CliHome, Said
from hosts import EmbeddedHost, free_port

POSIX = pytest.mark.skipif(os.name != "posix", reason="signals and terminals as POSIX has them")
WAIT_SECONDS = 60.0


@pytest.fixture
def home(tmp_path: Path) -> CliHome:
    return CliHome(tmp_path)


@pytest.fixture(scope="module")
def comfyui(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The embedded host without E3 in it: a ComfyUI to be reached by URL."""
    with EmbeddedHost().start(tmp_path_factory.mktemp("comfyui")) as host:
        yield host.url


@contextmanager
def started(home: CliHome, *argv: str, **env: str) -> Iterator[subprocess.Popen[str]]:
    """A command that goes on until it is ended."""
    process = subprocess.Popen(
        [*COMMAND, *argv],
        env={**home.env, **env},
        cwd=home.folder.parent,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def until(fact: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while not fact():
        assert time.monotonic() < deadline, f"waited {WAIT_SECONDS:g} s for {what}"
        time.sleep(0.05)


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def at_terminal(home: CliHome, *argv: str) -> Said:
    """Run a command whose stdout and stderr are a terminal."""
    import pty

    master, slave = pty.openpty()
    env = {**home.env, "TERM": "xterm-256color"}
    process = subprocess.Popen([*COMMAND, *argv], env=env, stdin=slave, stdout=slave, stderr=slave, close_fds=True)
    os.close(slave)
    said = b""
    while True:
        if select.select([master], [], [], 0.05)[0]:
            try:
                piece = os.read(master, 65536)
            except OSError:  # Linux says so when the last writer has gone
                break
            if not piece:
                break
            said += piece
        elif process.poll() is not None:
            break
    os.close(master)
    return Said(process.wait(WAIT_SECONDS), said.decode("utf-8", "replace"), "")


def without_colours(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)


# --- every command ------------------------------------------------------------------------------------
NAME = "T2I_20250101120000_1_knight"
SIMPLE: list[tuple[list[str], str]] = [
    (["queue", "ls"], NAME),
    (["queue", "ls", "rejected"], "no file is rejected"),
    (["queue", "set-priority", NAME, "7"], "priority 7"),
    (["queue", "god-mode", NAME], "priority 1"),
    (["queue", "pause"], "paused"),
    (["queue", "resume"], "resumed"),
    (["show", NAME], "wf_hello_image"),
    (["cancel", NAME], "cancelled"),
    (["copy", NAME, "--set", "width=64"], "a copy of"),
    (["rm", NAME], "removed"),
    (["repin", NAME], "repinned"),
    (["workflows", "ls"], "wf_hello_image"),
    (["schema", "config"], "retry_limit"),
    (["completion", "bash"], "_e3"),
    (["init"], "home is"),
    (["doctor", "--url", "http://127.0.0.1:9"], "locks hold"),
]
IDS = [" ".join(argv).replace(NAME, "NAME") for argv, _ in SIMPLE]


@pytest.mark.parametrize(("argv", "said"), SIMPLE, ids=IDS)
def test_cli_process_speaks_to_people(home: CliHome, argv: list[str], said: str) -> None:
    home.job(f"{NAME}.yaml")

    done = home.process(*argv)

    assert done.code == 0, done.err
    assert said in done.out and "\x1b" not in done.out


@pytest.mark.parametrize(("argv", "said"), SIMPLE, ids=IDS)
def test_cli_process_speaks_to_programs(home: CliHome, argv: list[str], said: str) -> None:
    home.job(f"{NAME}.yaml")

    done = home.process(*argv, "--json")

    assert done.code == 0, done.err
    assert done.envelope["ok"] is True and set(done.envelope) == {"ok", "data"}
    assert done.out.count("\n") == 1


@POSIX
@pytest.mark.parametrize(("argv", "said"), SIMPLE, ids=IDS)
def test_cli_process_speaks_at_a_terminal(home: CliHome, argv: list[str], said: str) -> None:
    pytest.importorskip("rich")
    home.job(f"{NAME}.yaml")

    done = at_terminal(home, *argv)

    assert done.code == 0, done.out
    assert said in without_colours(done.out)


@POSIX
def test_cli_process_has_colours_and_a_bar_at_a_terminal(home: CliHome) -> None:
    pytest.importorskip("rich")
    name = home.job()
    home.end(name, error="no such node")

    listed, waited = at_terminal(home, "queue", "ls"), at_terminal(home, "wait", name)

    assert "\x1b[31mfailed" in listed.out
    assert waited.code == 1 and "0/1" in without_colours(waited.out) and "no such node" in waited.out


@POSIX
def test_cli_process_is_plain_at_a_dumb_terminal(home: CliHome) -> None:
    home.env["TERM"] = "dumb"
    home.job()
    import pty

    master, slave = pty.openpty()
    subprocess.run([*COMMAND, "queue", "ls"], env=home.env, stdout=slave, check=True)
    os.close(slave)

    assert b"\x1b" not in os.read(master, 65536)
    os.close(master)


@pytest.mark.parametrize(
    ("argv", "code", "error"),
    [
        (["queue", "lss"], 2, "usage"),
        (["queue", "set-priority", NAME, "0"], 2, "usage"),
        (["show", "nobody"], 1, "job_unknown"),
        (["retry", NAME], 1, "wrong_state"),
        (["validate", "nowhere.yaml"], 1, "os_error"),
        (["workflows", "add", "nowhere.json"], 1, "os_error"),
        (["wait", NAME, "--timeout", "0.1"], 1, "timeout"),
        (["restore", "nobody"], 1, "job_unknown"),
        (["run", "--once", "--url", "http://127.0.0.1:9"], 1, "host_unavailable"),
        (["run", "--once", "--url", "nonsense"], 1, "settings_invalid"),
        (["up", "--comfyui", "nowhere"], 1, "settings_invalid"),
        (["schema", "job", "--workflow", "nowhere"], 1, "workflow_unknown"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_cli_process_fails_with_a_code(home: CliHome, argv: list[str], code: int, error: str) -> None:
    home.job(f"{NAME}.yaml")

    done = home.process(*argv, "--json")

    assert done.code == code
    assert done.envelope["error"]["code"] == error
    assert done.envelope["error"]["hint"] and "Traceback" not in done.err


def test_cli_process_of_the_folder_is_the_same_command(home: CliHome) -> None:
    command = [sys.executable, str(REPO / "e3_nodes"), "queue", "ls"]

    done = subprocess.run(command, env=home.env, capture_output=True, text=True, check=True)

    assert done.stdout == "no jobs\n"


def test_cli_process_takes_names_of_any_script_through_a_narrow_stream(home: CliHome) -> None:
    home.job("T2I_20250101120000_1_猫.yaml")
    home.env |= {"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}

    assert "\\u732b" in home.process("queue", "ls").out
    assert home.process("queue", "ls", "--json").data["jobs"][0]["config_name"] == "T2I_20250101120000_1_猫.yaml"


@POSIX
def test_cli_process_survives_a_reader_that_leaves(home: CliHome) -> None:
    home.jobs(*(home.draft() for _ in range(30)))
    reader, writer = os.pipe()
    os.close(reader)

    done = subprocess.run([*COMMAND, "queue", "ls"], env=home.env, stdout=writer, stderr=subprocess.PIPE, check=False)
    os.close(writer)

    assert done.returncode == 0 and done.stderr == b""


# --- files, jobs, agents ------------------------------------------------------------------------------
def test_cli_process_a_job_is_a_function_call(home: CliHome, comfyui: str) -> None:
    text = home.draft(outputs={"file_path": "jobs/finished/image/made.png"}).read_text("utf-8")
    name = home.process("add", "-", "--json", stdin=text).data["jobs"][0]["config_name"]

    ran = home.process("run", "--once", "--url", comfyui, "--json")
    waited = home.process("wait", name, "--json")

    assert ran.code == 0, ran.err
    assert ran.data["ended"]["done"] == 1
    assert waited.code == 0
    made = Path(waited.data["jobs"][0]["outputs"][0])
    assert made == home.folder / "jobs" / "finished" / "image" / "made.png" and made.read_bytes()[:4] == b"\x89PNG"


def test_cli_process_run_once_fails_with_a_failed_job(home: CliHome, comfyui: str) -> None:
    name = home.job()
    taken = home.folder / "jobs" / "finished" / "image" / f"{name.removesuffix('.yaml')}.png"
    taken.write_bytes(b"somebody's")

    ran = home.process("run", "--once", "--url", comfyui, "--json")

    assert ran.code == 1 and ran.envelope["error"]["code"] == "job_failed"
    assert taken.read_bytes() == b"somebody's"


def test_cli_process_monitor_once_takes_files_in_and_tells_rejections(home: CliHome) -> None:
    good, bad = home.draft(), home.draft(workflow_id="wf_hello_imag")
    folder = home.folder / "jobs" / "processing" / "image"
    folder.mkdir(parents=True)
    for path in (good, bad):
        path.rename(folder / path.name)

    done = home.process("monitor", "--once", "--json")

    assert done.code == 1 and done.envelope["error"]["code"] == "rejected"
    found = {Path(file["path"]).name: file["status"] for file in done.data["files"]}
    assert found == {good.name: "accepted", bad.name: "rejected"}
    assert bad.name in home.process("queue", "ls", "rejected").out


@POSIX
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_cli_process_monitor_loop_ends_politely(home: CliHome, number: signal.Signals) -> None:
    with started(home, "monitor", "--loop") as process:
        until(lambda: (home.folder / "jobs" / "processing" / "image").is_dir(), "the folders")
        path = home.draft()
        path.rename(home.folder / "jobs" / "processing" / "image" / path.name)
        until(lambda: home.e3("show", path.name).code == 0, "the job to be taken in")

        process.send_signal(number)

        assert process.wait(WAIT_SECONDS) == 0


def test_cli_process_two_agents_share_one_home(home: CliHome, comfyui: str) -> None:
    names = home.jobs(*(home.draft() for _ in range(8)))

    with (
        started(home, "run", "--loop", "--url", comfyui),
        started(home, "run", "--loop", "--monitor", "--url", comfyui),
    ):
        waited = home.process("wait", *names, "--timeout", "60", "--json")

    assert waited.code == 0, waited.out
    assert [home.row(name)["run_count"] for name in names] == [1] * 8


def test_cli_process_wait_hears_of_a_dropped_file(home: CliHome, comfyui: str) -> None:
    with started(home, "run", "--loop", "--monitor", "--url", comfyui):
        until(lambda: (home.folder / "jobs" / "processing" / "image").is_dir(), "the folders")
        path = home.draft()
        path.rename(home.folder / "jobs" / "processing" / "image" / path.name)

        waited = home.process("wait", path.stem, "--timeout", "60", "--json")

    assert waited.code == 0, waited.out


def test_cli_process_doctor_asks_comfyui(home: CliHome, comfyui: str) -> None:
    home.jobs(home.draft(), home.draft(workflow_id="wf_realistic_portrait", inputs={"prompt": "a knight"}))

    done = home.process("doctor", "--url", comfyui, "--json")

    fails = [check for check in done.data["checks"] if check["level"] == "fail"]
    assert done.code == 1
    assert [check["code"] for check in fails] == ["node_missing"] and "KSampler" in fails[0]["message"]


# --- up -----------------------------------------------------------------------------------------------
def test_cli_process_up_runs_the_examples_and_leaves_nothing_behind(home: CliHome) -> None:
    port = free_port()

    done = home.process("up", "--embedded", "--examples", "--once", "--port", str(port), timeout=120)

    assert done.code == 0, done.err
    assert f"open          http://127.0.0.1:{port}/e3/" in done.out
    assert f"files appear  {home.folder / 'jobs' / 'finished'}" in done.out
    assert "all 6 examples are done" in done.out
    assert not listens(port)


def test_cli_process_up_json_tells_the_results(home: CliHome) -> None:
    done = home.process("up", "--embedded", "--examples", "--once", "--port", str(free_port()), "--json", timeout=120)

    assert done.code == 0, done.err
    assert done.data["server"] == "embedded"
    assert all(Path(path).is_file() for job in done.data["jobs"] for path in job["outputs"])


@POSIX
@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 0), (signal.SIGKILL, -9)], ids=["asked to end", "killed"]
)
def test_cli_process_up_takes_its_server_along(home: CliHome, number: signal.Signals, code: int) -> None:
    port = free_port()
    with started(home, "up", "--embedded", "--port", str(port), "--json") as process:
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["data"]["url"] == f"http://127.0.0.1:{port}/e3/"
        assert listens(port)

        process.send_signal(number)

        assert process.wait(WAIT_SECONDS) == code
        until(lambda: not listens(port), "the server to end")


def test_cli_process_up_refuses_a_port_that_is_taken(home: CliHome) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()

        done = home.process("up", "--embedded", "--port", str(taken.getsockname()[1]), "--json")

    assert done.code == 1 and done.envelope["error"]["code"] == "port_taken"


@POSIX
def test_cli_process_up_says_why_its_server_ended(home: CliHome, tmp_path: Path) -> None:
    place = tmp_path / "ComfyUI"
    (place / "comfy").mkdir(parents=True)
    (place / "main.py").write_text("raise SystemExit('no torch here')\n", "utf-8")

    done = home.process("up", "--comfyui", str(place), "--port", str(free_port()))

    assert done.code == 1
    assert "no torch here" in done.err and "did not come up" in done.err
    assert (place / "custom_nodes" / "comfyui-e3").resolve() == REPO
