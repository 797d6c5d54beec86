"""Log lines: names, fields, one line each."""

from __future__ import annotations

import io
import json
import logging

import pytest
from comfyui_e3.e3_nodes import logger


@pytest.fixture
def lines(capsys: pytest.CaptureFixture[str]):
    yield lambda: capsys.readouterr().err.splitlines()
    logger.set_log_format("text")


def test_logger_get_logger_twice_has_one_handler() -> None:
    assert logger.get_logger("a") is logger.get_logger("a")
    logger.get_logger("b")

    own = [handler for handler in logging.getLogger("e3").handlers if handler.get_name() == logger.ROOT]
    assert len(own) == 1
    assert logging.getLogger("e3").propagate is False


def test_logger_get_logger_writes_a_sentence_with_its_action(lines) -> None:
    logger.get_logger("monitor").info("Took %s", "a.yaml", extra={"action": "job_accepted"})

    assert lines()[0].endswith("monitor: Took a.yaml (job_accepted)")


def test_logger_get_logger_in_json_has_the_expected_fields(lines) -> None:
    logger.set_log_format("json")

    logger.get_logger("monitor").warning("Took %s", "a", extra={"action": "x", "job": "a.yaml"})

    entry = json.loads(lines()[0])
    assert {key: entry[key] for key in ("level", "logger", "message", "action", "job")} == {
        "level": "warning", "logger": "e3.monitor", "message": "Took a", "action": "x", "job": "a.yaml",
    }  # fmt: skip
    assert isinstance(entry["ts"], int)


def test_logger_text_of_a_forged_name_stays_one_line(lines) -> None:
    logger.get_logger("monitor").info("Took %s", "a\n[E3] forged\x1b[31m%s")

    written = lines()
    assert len(written) == 1 and "\x1b" not in written[0]


def test_logger_survives_a_closed_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    closed = io.StringIO()
    closed.close()
    monkeypatch.setattr("sys.stderr", closed)

    logger.get_logger("monitor").info("nobody hears this")
