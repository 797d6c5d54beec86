"""``e3 init``: a home with everything in it that a first job needs. What is there already stays."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Iterator
from pathlib import Path

from .. import config_loader, file_utils
from ..config_loader import Setting
from .answers import Answer, Block, Line
from .home import Home
from .render import Screen
from .schemas import config_schema, job_file_schema, workflows_schema

SCHEMAS = Path("jobs") / ".schema"
HEADER = "# yaml-language-server: $schema="


def run_init(args: argparse.Namespace, screen: Screen) -> Answer:
    """Make a home."""
    folder = Path(args.folder).expanduser().absolute() if args.folder else config_loader.find_home()
    home = Home({**os.environ, "E3_HOME": str(folder)})
    file_utils.make_folder(folder)
    cfg = home.cfg
    file_utils.ensure_directories(cfg["paths"])
    made = [path for path, data, is_ours in _files(home, folder) if _put(folder / path, data, is_ours=is_ours)]
    home.close()
    blocks: list[Block] = [Line(f"home is {folder}", "good"), *(f"  made {path.as_posix()}" for path in made)]
    if folder != config_loader.find_home():
        blocks.append(f'use it: set the variable E3_HOME to "{folder}"')
    blocks.append(f"drop job files in {cfg['paths']['jobs_processing']}, or e3 add jobs/examples/image from there")
    return Answer({"home": str(folder), "made": [path.as_posix() for path in made]}, blocks)


def settings_text() -> str:
    """Write every setting as a comment with its default and what it is for.

    Examples:
        >>> "# retry_limit: 2" in settings_text()
        True
    """
    lines = [
        f"{HEADER}{(SCHEMAS / 'config.schema.json').as_posix()}",
        "# The settings of this home. What is commented out shows its default; restart after a change.",
        "# ${VAR} and ${VAR:-default} are expanded, relative paths start at this file's folder.",
        "",
        *(_setting_line(key, setting) for key, setting in config_loader.SETTINGS.items()),
    ]
    for name, table in (("paths", config_loader.PATHS), ("comfyui", config_loader.COMFYUI)):
        lines += ["", f"# {name}:", *(_setting_line(f"  {key}", setting) for key, setting in table.items())]
    return "\n".join(lines) + "\n"


def _setting_line(key: str, setting: Setting) -> str:
    return f"{f'# {key}: {json.dumps(setting.default)}':<48}  # {setting.doc}"


def _files(home: Home, folder: Path) -> Iterator[tuple[Path, bytes, bool]]:
    """Yield every file of a home: where, what, and whether a newer version may replace it."""
    yield Path(config_loader.CONFIG_NAME), settings_text().encode(), False
    yield from _schema_files(home)
    yield from _examples(folder)
    yield Path("workflows", "user", "README.md"), _user_readme(), False


def refresh_schemas(home: Home) -> None:
    """Bring the schemas of a home up to date, if it has any."""
    folder = Path(home.cfg["home"])
    for path, data, is_ours in _schema_files(home) if (folder / SCHEMAS).is_dir() else ():
        _put(folder / path, data, is_ours=is_ours)


def _schema_files(home: Home) -> Iterator[tuple[Path, bytes, bool]]:
    schemas = {
        "job": job_file_schema(home.workflows, home.cfg["job_types"]),
        "workflows": workflows_schema(),
        "config": config_schema(),
    }
    for name, schema in schemas.items():
        yield (
            SCHEMAS / f"{name}.schema.json",
            json.dumps(schema, indent=1, ensure_ascii=False).encode() + b"\n",
            True,
        )


def _examples(folder: Path) -> Iterator[tuple[Path, bytes, bool]]:
    """Yield the shipped examples; each job file begins with the line by which editors find the schema."""
    shipped = config_loader.plugin_folder()
    if folder == shipped:
        return
    for file in sorted((shipped / "jobs" / "examples").rglob("*")):
        path = file.relative_to(shipped)
        if file.is_file():
            yield path, file.read_bytes(), False


def _user_readme() -> bytes:
    shipped = config_loader.plugin_folder() / "workflows" / "user" / "README.md"
    if shipped.is_file():
        return shipped.read_bytes()
    return b"Your own workflows: `e3 workflows add FILE.json` writes them here.\n"


def _put(path: Path, data: bytes, *, is_ours: bool) -> bool:
    """Write a file that is missing, or one of ours that is out of date; tell whether it was written."""
    if path.exists() and (not is_ours or path.read_bytes() == data):
        return False
    file_utils.make_folder(path.parent)
    file_utils.write_atomically(path, data)
    return True
