"""The command line as a whole: parsing, exit codes, the envelope, wrong use in one line."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from pathlib import Path

import pytest
from cli_home import CliHome
from comfyui_e3.e3_nodes.cli import catalogue, parser, render
from comfyui_e3.e3_nodes.cli.answers import HINTS, Answer, Failure, Line, Table, UsageError, failure_of
from comfyui_e3.e3_nodes.errors import InvalidConfig


@pytest.fixture
def home(tmp_path: Path) -> CliHome:
    return CliHome(tmp_path)


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        ([], "e3 [--version] COMMAND ..."),
        (["quue"], "did you mean queue?"),
        (["queue", "sl"], "there is: ls, set-priority"),
        (["queue", "ls", "don"], "did you mean done?"),
        (["queue", "set-priority", "a"], "e3 queue set-priority [--json] NAME N"),
        (["queue", "set-priority", "a", "5000"], "from 1 to 999, got '5000'"),
        (["queue", "set-priority", "a", "soon"], "got 'soon'"),
        (["show", "--jsn", "a"], "did you mean --json?"),
        (["show"], "e3 show [--json] NAME"),
        (["monitor"], "--once --loop"),
        (["run", "--once", "--loop"], "not allowed with"),
        (["run", "--once", "--monitor"], "e3 monitor --once && e3 run --once"),
        (["retry"], "e3 retry --failed"),
        (["retry", "a", "--failed"], "e3 retry --failed"),
        (["copy", "a", "--set", "steps"], "INPUT=VALUE"),
        (["up", "--once"], "e3 up --examples --once"),
        (["add", "a.yaml", "--name", "b"], "e3 add - --name NAME"),
        (["schema", "config", "--workflow", "a"], "e3 schema job --workflow ID"),
        (["schema", "jobs"], "did you mean job?"),
        (["wait", "a", "--timeout", "long"], "--timeout"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_cli_main_wrong_use_is_one_line_that_says_what_is_right(home: CliHome, argv: list[str], said: str) -> None:
    code, out, err = home.e3(*argv)

    assert code == 2
    assert out == ""
    assert err.count("\n") == 1 and said in err and err.startswith("e3")


def test_cli_main_wrong_use_with_json_is_an_envelope(home: CliHome) -> None:
    said = home.e3("queue", "ls", "don", "--json")

    assert said.code == 2
    assert said.envelope["ok"] is False
    assert said.envelope["error"]["code"] == "usage"
    assert said.envelope["error"]["hint"] == HINTS["usage"]


def test_cli_main_says_an_error_of_the_engine_with_its_hint(home: CliHome) -> None:
    (home.folder / "global_config.yaml").write_text("retry_limt: 3\n", "utf-8")

    said = home.e3("queue", "ls")

    assert said.code == 1
    assert "retry_limit" in said.err and HINTS["settings_invalid"] in said.err


def test_cli_main_unexpected_exception_is_told_and_fails(home: CliHome, monkeypatch: pytest.MonkeyPatch) -> None:
    def stumble(*_: object) -> None:
        raise ZeroDivisionError("oh")

    monkeypatch.setattr("comfyui_e3.e3_nodes.cli.queue_verbs.run_ls", stumble)

    said = home.e3("queue", "ls", "--json")

    assert said.code == 1
    assert said.envelope["error"]["code"] == "internal"
    assert "Traceback" in said.err


def test_cli_main_ctrl_c_ends_with_130(home: CliHome, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("comfyui_e3.e3_nodes.cli.queue_verbs.run_ls", interrupt)

    assert home.e3("queue", "ls").code == 130


@pytest.mark.parametrize("argv", [["--help"], ["queue", "--help"], ["add", "--help"]], ids=" ".join)
def test_cli_main_help_ends_well(home: CliHome, argv: list[str]) -> None:
    said = home.e3(*argv)

    assert said.code == 0 and "usage: e3" in said.out


def test_cli_main_version(home: CliHome) -> None:
    said = home.e3("--version")

    assert said.code == 0 and said.out.startswith("e3 ")


@pytest.mark.parametrize("command", catalogue.COMMANDS, ids=lambda command: command.path)
def test_cli_catalogue_entry_can_be_run_and_is_explained(command: catalogue.Command) -> None:
    module, function = command.run.split(".")
    loaded = importlib.import_module(f"comfyui_e3.e3_nodes.cli.{module}")

    assert callable(getattr(loaded, function))
    assert command.help[0].islower() or command.help[0].isupper()
    assert not command.help.endswith(".")


def test_cli_catalogue_has_the_commands_of_the_design() -> None:
    paths = {command.path for command in catalogue.COMMANDS}

    assert paths >= {
        *("up", "add", "validate", "wait", "show", "retry", "cancel", "copy", "rm", "restore", "repin"),
        *("queue ls", "queue set-priority", "queue god-mode", "queue pause", "queue resume"),
        *("monitor", "run", "init", "workflows ls", "workflows add", "schema", "doctor"),
    }


def test_cli_parser_every_command_takes_json() -> None:
    for leaf in parser.leaves(parser.build()):
        assert "--json" in {flag for action in leaf._actions for flag in action.option_strings}, leaf.prog


def test_cli_parser_help_shows_the_examples() -> None:
    leaf = next(leaf for leaf in parser.leaves(parser.build()) if leaf.prog == "e3 add")

    assert "examples:\n  e3 add " in leaf.format_help()


def test_cli_parser_hidden_commands_are_not_listed() -> None:
    text = parser.build().format_help()

    assert "print docs/cli.md" not in text and " names " not in text


def test_cli_start_imports_nothing_heavy() -> None:
    code = "import sys; from comfyui_e3.e3_nodes import cli; cli.main(['queue', 'ls', 'nonsense']); "
    code += "from comfyui_e3.e3_nodes.cli import queue_verbs; print(*sys.modules)"

    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert not {"aiohttp", "asyncio", "rich", "watchdog", "PIL", "urllib.request"} & set(said.stdout.split())


@pytest.mark.parametrize(
    ("exc", "code"),
    [
        (InvalidConfig("no", code="bad_type", line=3, column=1), "bad_type"),
        (PermissionError(13, "Permission denied", "a.yaml"), "os_error"),
        (UsageError("no"), "usage"),
        (ZeroDivisionError("no"), "internal"),
    ],
)
def test_cli_answers_failure_of_has_a_stable_code_and_a_hint(exc: Exception, code: str) -> None:
    told = failure_of(exc).as_data()

    assert told["code"] == code
    assert told["hint"]


def test_cli_render_failure_has_line_and_column() -> None:
    assert "(line 3, column 1)" in render.failure_lines(Failure("bad_value", "no", line=3, column=1))[0]


def test_cli_render_plain_screen_escapes_what_could_drive_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    render.PlainScreen().finish(Answer(blocks=[Line("\x1b[31mred\u202e"), Table(("A",), [("\x07",)])]))

    out = capsys.readouterr().out
    assert "\x1b" not in out and "\x07" not in out and "\u202e" not in out


def test_cli_render_json_screen_speaks_once(capsys: pytest.CaptureFixture[str]) -> None:
    screen = render.JsonScreen()
    screen.show("nothing of this")
    screen.note("nor of this")

    assert screen.finish(Answer({"a": 1})) == 0
    assert screen.finish(Answer(failure=Failure("error", "later"))) == 1
    assert json.loads(capsys.readouterr().out) == {"ok": True, "data": {"a": 1}}
