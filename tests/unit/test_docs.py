"""The documents cannot rot: they list every setting, route and command, and their links lead somewhere."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

import pytest
from comfyui_e3.e3_nodes import config_loader, job_rows
from comfyui_e3.e3_nodes.cli.catalogue import COMMANDS
from comfyui_e3.server_routes import openapi
from comfyui_e3.server_routes.routes import ROUTES

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text("utf-8")
DOCUMENTS = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("jobs/*.md"), *ROOT.glob("workflows/*.md")]
SETTINGS = [
    *config_loader.SETTINGS,
    *(f"paths.{key}" for key in config_loader.PATHS),
    *(f"comfyui.{key}" for key in config_loader.COMFYUI),
]


@pytest.mark.parametrize("setting", SETTINGS)
def test_docs_readme_lists_every_setting(setting: str) -> None:
    assert f"| `{setting}` |" in README


@pytest.mark.parametrize("command", [each for each in COMMANDS if not each.is_hidden], ids=lambda each: each.path)
def test_docs_readme_lists_every_command(command) -> None:
    assert f"| `e3 {command.path}` |" in README


def test_docs_readme_lists_no_setting_that_does_not_exist() -> None:
    listed = re.findall(r"^\| `([a-z_.]+)` \|", README, re.MULTILINE)

    assert set(listed) == set(SETTINGS)


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
def test_docs_rest_lists_every_route(route) -> None:
    text = (ROOT / "docs" / "rest.md").read_text("utf-8")

    assert f"`{route.method} /e3{openapi.path_of(route)}`" in text


@pytest.mark.parametrize("status", openapi.REFUSALS)
def test_docs_rest_tells_every_refusal(status: int) -> None:
    text = (ROOT / "docs" / "rest.md").read_text("utf-8")

    assert f"| {status} | {openapi.REFUSALS[status]} |" in text


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_docs_links_lead_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\((?!https?:|#|mailto:)([^)#\s]+)", path.read_text("utf-8")):
        assert (path.parent / target).exists(), f"{path.name} links to {target}, which is not there"


def test_docs_changelog_has_the_present_version() -> None:
    assert f"## {config_loader.plugin_version()}" in (ROOT / "CHANGELOG.md").read_text("utf-8")


def test_docs_readme_shows_a_job_that_is_taken(tmp_path: Path) -> None:
    found = re.search(r"    # jobs/processing/image/(\S+)\n((?:    .*\n)+)", README)
    assert found is not None
    cfg = config_loader.load_global_config(str(tmp_path / "global_config.yaml"))
    workflows = config_loader.load_workflows(str(ROOT / "workflows"))

    row = job_rows.check_job(found[1], textwrap.dedent(found[2]).encode(), cfg, workflows)

    assert row["workflow_id"] in README
