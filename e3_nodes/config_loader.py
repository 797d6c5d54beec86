"""Settings: ``global_config.yaml`` at home, strict, with a default for every key.

The tables ``SETTINGS``, ``PATHS`` and ``COMFYUI`` are the whole list; a setting that is not in them does
not exist. ``README.md`` lists the same, held by a test.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import validation
from .errors import E3Error, InvalidSettings
from .model import MEDIA
from .parsing import strict_yaml
from .workflow_files import load_all_workflows, load_workflows

__all__ = [
    "find_home",
    "load_all_workflows",
    "load_global_config",
    "load_home",
    "load_workflows",
    "workflow_files_of",
]

CONFIG_NAME = "global_config.yaml"
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}")


@dataclass(frozen=True)
class Setting:
    """One key of the settings: its default, what it may be, and what it is for."""

    default: Any
    doc: str
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()

    @property
    def kind(self) -> type:
        """The type that a value must have, read off the default."""
        return type(self.default)


SETTINGS: dict[str, Setting] = {
    "default_priority": Setting(50, "priority of a job that names none; lower runs first", 1, 999),
    "retry_limit": Setting(2, "retries after the first run", 0, 20),
    "poll_interval_ms": Setting(1000, "the rescan; new files are noticed at once by file events", 50, 3_600_000),
    "lease_seconds": Setting(60, "how long a lease lasts; it is renewed while a job runs", 1, 86_400),
    "crash_limit": Setting(3, "runs in a row that ended with ComfyUI dying; then the job fails", 1, 100),
    "stop_after_failures": Setting(0, "pause after so many failures in a row of a kind; 0 = never", 0, 10_000),
    "start_paused": Setting(False, "nothing runs after a start until somebody presses resume"),
    "pending_warning_threshold": Setting(1000, "the panel warns when more jobs wait", 1, 100_000_000),
    "lookahead": Setting(1, "jobs waiting in ComfyUI's queue behind the running one", 0, 16),
    "keep_originals": Setting(
        "auto", "auto: ComfyUI's own copy stays when it is a hard link", choices=("auto", "never")
    ),
    "keep_done_days": Setting(0, "rows of ended jobs are removed after so long; 0 = never", 0, 36_500),
    "job_types": Setting({}, "more TYPE words, such as {UPSCALE: image}"),
    "allowed_hosts": Setting([], "Host names the API answers to, besides IPs, localhost and local names"),
    "api_token": Setting("", "when set, /e3 wants Authorization: Bearer"),
    "log_format": Setting("text", "how log lines look", choices=("text", "json")),
}

PATHS: dict[str, Setting] = {
    "jobs_processing": Setting("jobs/processing", "where job files are dropped"),
    "jobs_finished": Setting("jobs/finished", "where results and finished job files appear"),
    "database": Setting("jobs/e3.sqlite3", "the job table"),
    "workflows": Setting("workflows", "workflows.yaml and the templates"),
    "output_roots": Setting([], "folders besides jobs_finished that outputs.file_path may point into"),
}

COMFYUI: dict[str, Setting] = {
    "api_base_url": Setting("http://127.0.0.1:8188", "used by the agent that runs outside ComfyUI"),
    "headers": Setting({}, "sent with each of its requests"),
    "timeout_seconds": Setting(3600, "per job, from the start of execution", 1, 31_536_000),
}

_SECTIONS = {"paths": PATHS, "comfyui": COMFYUI}


def find_home(environ: Mapping[str, str] | None = None) -> Path:
    """Return the folder that holds jobs/ and workflows/: ``E3_HOME`` if set, else the plugin's folder.

    Args:
        environ: The environment to read; the process's own when None.

    Examples:
        >>> find_home({"E3_HOME": "/srv/e3"}).name
        'e3'
    """
    named = (os.environ if environ is None else environ).get("E3_HOME", "")
    return Path(named).expanduser().absolute() if named else plugin_folder()


def plugin_folder() -> Path:
    """Return the folder of the plugin itself, where the shipped workflows are."""
    return Path(__file__).absolute().parent.parent


def plugin_version() -> str:
    """Return the version that ``pyproject.toml`` names, the one place where it is written.

    Examples:
        >>> plugin_version().count(".")
        2
    """
    text = (plugin_folder() / "pyproject.toml").read_text("utf-8")
    found = re.search(r'^version = "([^"]+)"', text, re.MULTILINE)
    return found.group(1) if found else "unknown"


def load_home(environ: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Load the settings of the home that ``find_home`` finds."""
    return load_global_config(str(find_home(environ) / CONFIG_NAME))


def load_global_config(path: str) -> dict[str, Any]:
    """Load and check ``global_config.yaml``, with a default for every key that it leaves out.

    ``${VAR}`` and ``${VAR:-default}`` are expanded; relative paths start at the file's folder, which is
    *home*. A file that does not exist is a file that changes nothing.

    Args:
        path: The settings file.

    Returns:
        Every key of ``SETTINGS``, with the sections ``paths`` (absolute) and ``comfyui``, and ``home``.

    Raises:
        InvalidSettings: The file is no YAML, has an unknown key, or a value of the wrong kind or range.

    Examples:
        >>> load_global_config("/nowhere/global_config.yaml")["default_priority"]
        50
    """
    given = _read_settings(Path(path))
    cfg = _section(given, {**SETTINGS, **dict.fromkeys(_SECTIONS)}, SETTINGS, path, "")
    for name, table in _SECTIONS.items():
        inner = given.get(name) or {}
        if not isinstance(inner, dict):
            raise InvalidSettings(f"{path}: {name} must be a mapping of settings, got {inner!r}")
        cfg[name] = _section(inner, table, table, path, f"{name}.")
    _check_mappings(cfg, path)
    cfg["home"] = str(Path(path).absolute().parent)
    try:
        cfg["paths"] = _absolute_paths(cfg["paths"], Path(cfg["home"]))
    except RuntimeError as exc:
        raise InvalidSettings(f"{path}: a path starts with ~ and a user that is not known here; write it out") from exc
    return cfg


def workflow_files_of(cfg: Mapping[str, Any]) -> list[str]:
    """List the files that define workflows, in order; the later one wins by id.

    Shipped with the plugin first, then home's own, then ``user/*.yaml`` beside it.
    """
    own = Path(cfg["paths"]["workflows"])
    files = [plugin_folder() / "workflows" / "workflows.yaml", own / "workflows.yaml"]
    files += sorted((own / "user").glob("*.yaml"))
    return list(dict.fromkeys(str(file) for file in files if file.is_file()))


def _read_settings(path: Path) -> dict[str, Any]:
    """Parse the file; an absent or an empty one gives no settings."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return {}
    except OSError as exc:
        raise InvalidSettings(f"{path} cannot be read: {exc.strerror}; make it readable or remove it") from exc
    if not re.sub(rb"#[^\n]*|\s", b"", data.removeprefix(b"\xef\xbb\xbf")):
        return {}
    try:
        return strict_yaml.read(data, source=str(path)).data
    except E3Error as exc:
        raise InvalidSettings(str(exc), line=exc.line, column=exc.column) from exc


def _section(
    given: dict[str, Any], known: Mapping[str, Any], table: Mapping[str, Setting], path: str, prefix: str
) -> dict[str, Any]:
    """Check one mapping of settings against its table and fill in the defaults."""
    for key in given:
        if key not in known:
            near = validation.nearest(key, known)
            hint = f"; did you mean {prefix}{near}?" if near else f"; known are {', '.join(known)}"
            raise InvalidSettings(f"{path}: unknown setting {prefix}{key}{hint}")
    return {
        key: _value(_expand(given[key], path, prefix + key), setting, path, prefix + key)
        if given.get(key) is not None
        else _copy(setting.default)
        for key, setting in table.items()
    }


def _copy(default: Any) -> Any:
    """Give each settings dict containers of its own."""
    return default.copy() if isinstance(default, (dict, list)) else default


def _expand(value: Any, path: str, key: str) -> Any:
    """Expand ``${VAR}`` in texts, also within lists and mappings."""
    if isinstance(value, list):
        return [_expand(item, path, key) for item in value]
    if isinstance(value, dict):
        return {name: _expand(item, path, key) for name, item in value.items()}
    if not isinstance(value, str) or "${" not in value:
        return value
    return _VARIABLE.sub(lambda match: _variable(match, path, key), value)


def _variable(match: re.Match[str], path: str, key: str) -> str:
    name, default = match.groups()
    value = os.environ.get(name) or default
    if value is None:
        raise InvalidSettings(
            f"{path}: {key} names the environment variable {name}, which is not set; "
            f"set it, or write ${{{name}:-default}}"
        )
    return value


def _value(value: Any, setting: Setting, path: str, key: str) -> Any:
    """Check the kind and range of one value; text from a variable may stand for a number or a switch."""
    if isinstance(value, str) and setting.kind in (int, bool):
        value = _from_text(value)
    if type(value) is not setting.kind or not _fits(value, setting):
        raise InvalidSettings(f"{path}: {key} must be {_wanted(setting)}, got {value!r}")
    return value


def _fits(value: Any, setting: Setting) -> bool:
    """Tell whether a value of the right kind is one of the choices, or within the range."""
    if setting.choices:
        return value in setting.choices
    return setting.low is None or setting.high is None or setting.low <= value <= setting.high


def _from_text(text: str) -> Any:
    if text in ("true", "false"):
        return text == "true"
    return int(text) if re.fullmatch(r"-?[0-9]{1,18}", text) else text


def _wanted(setting: Setting) -> str:
    """Say in words what would be right."""
    if setting.choices:
        return " or ".join(setting.choices)
    words = {int: "a whole number", bool: "true or false", str: "text", list: "a list", dict: "a mapping"}
    span = f" from {setting.low} to {setting.high}" if setting.low is not None else ""
    return f"{words[setting.kind]}{span}"


def _check_mappings(cfg: dict[str, Any], path: str) -> None:
    """Check what is inside the settings that are lists and mappings."""
    for word, media in cfg["job_types"].items():
        if not re.fullmatch(r"[A-Z0-9]{1,16}", word) or media not in MEDIA:
            raise InvalidSettings(
                f"{path}: job_types wants 1-16 letters A-Z or digits and one of {', '.join(MEDIA)}, "
                f"got {word}: {media!r}"
            )
    lists = {"allowed_hosts": cfg["allowed_hosts"], "paths.output_roots": cfg["paths"]["output_roots"]}
    for key, values in lists.items():
        if not all(isinstance(value, str) and value for value in values):
            raise InvalidSettings(f"{path}: {key} must be a list of texts, got {values!r}")
    if not all(isinstance(value, str) for value in cfg["comfyui"]["headers"].values()):
        raise InvalidSettings(f"{path}: comfyui.headers must map names to texts; quote the values")


def _absolute_paths(paths: dict[str, Any], home: Path) -> dict[str, Any]:
    """Start relative paths at home; a database URL stays as it is."""

    def absolute(value: str) -> str:
        return value if "://" in value else os.path.normpath(home / Path(value).expanduser())

    return {
        key: [absolute(item) for item in value] if isinstance(value, list) else absolute(value)
        for key, value in paths.items()
    }
