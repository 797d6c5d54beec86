"""``e3 workflows``, ``e3 schema`` and ``e3 init``: what can be named, described and prepared."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from cli_home import REPO, CliHome
from comfyui_e3.e3_nodes import config_loader, workflow_files
from comfyui_e3.e3_nodes.cli import schemas
from comfyui_e3.e3_nodes.validation import job_schema

GRAPH: dict[str, Any] = {
    "4": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "a.safetensors"}},
    "6": {"class_type": "CLIPTextEncode", "inputs": {"text": "a cat", "clip": ["4", 1]}},
    "7": {"class_type": "CLIPTextEncode", "inputs": {"text": "bad", "clip": ["4", 1]}},
    "5": {"class_type": "EmptyLatentImage", "inputs": {"width": 512, "height": 768, "batch_size": 1}},
    "3": {
        "class_type": "KSampler",
        "inputs": {
            "seed": 5,
            "steps": 20,
            "cfg": 8,
            "model": ["4", 0],
            "positive": ["6", 0],
            "negative": ["7", 0],
            "latent_image": ["5", 0],
        },
    },
    "8": {"class_type": "VAEDecode", "inputs": {"samples": ["3", 0], "vae": ["4", 2]}},
    "9": {"class_type": "SaveImage", "inputs": {"images": ["8", 0], "filename_prefix": "x"}},
}


@pytest.fixture
def home(tmp_path: Path) -> CliHome:
    return CliHome(tmp_path)


@pytest.fixture
def exported(tmp_path: Path) -> Path:
    path = tmp_path / "My Portrait.json"
    path.write_text(json.dumps(GRAPH), "utf-8")
    return path


def test_cli_workflows_ls_names_inputs_and_needs(home: CliHome) -> None:
    said = home.e3("workflows", "ls")

    line = next(line for line in said.out.splitlines() if line.startswith("wf_realistic_portrait"))
    assert said.code == 0
    assert "prompt*" in line and "checkpoints/sd_xl_base_1.0.safetensors" in line


def test_cli_workflows_ls_names_what_cannot_be_used(home: CliHome) -> None:
    own = home.folder / "workflows"
    own.mkdir()
    (own / "workflows.yaml").write_text("mine: {template_path: api/mine.json, required_inputs: []}\n", "utf-8")

    said = home.e3("workflows", "ls", "--json")

    assert said.code == 1
    assert said.data["broken"][0]["code"] == "workflow_invalid"
    assert any(workflow["id"] == "wf_hello_image" for workflow in said.data["workflows"])


def test_cli_workflows_add_makes_a_workflow_that_jobs_can_name(home: CliHome, exported: Path) -> None:
    said = home.e3("workflows", "add", str(exported), "--json")

    assert said.code == 0, said.err
    assert said.data["id"] == "My_Portrait"
    entry = yaml.safe_load((home.folder / "workflows" / "user" / "My_Portrait.yaml").read_text("utf-8"))["My_Portrait"]
    assert entry["required_inputs"] == ["prompt"]
    assert entry["inputs"]["seed"] == {"node": "3", "field": "seed", "type": "int", "min": 0, "random": True}
    job = home.draft(workflow_id="My_Portrait", inputs={"prompt": "a knight", "cfg": 7.5})
    assert home.e3("validate", str(job)).code == 0


def test_cli_workflows_add_refuses_a_canvas_with_the_way_out(home: CliHome, tmp_path: Path) -> None:
    canvas = tmp_path / "canvas.json"
    canvas.write_text(json.dumps({"nodes": [], "links": []}), "utf-8")

    said = home.e3("workflows", "add", str(canvas))

    assert said.code == 1 and "Export (API)" in said.err
    assert not (home.folder / "workflows" / "user" / "canvas.yaml").exists()


def test_cli_workflows_add_replaces_only_ones_own_and_only_if_asked(home: CliHome, exported: Path) -> None:
    home.e3("workflows", "add", str(exported), "--id", "mine")

    assert home.e3("workflows", "add", str(exported), "--id", "mine").code == 1
    assert home.e3("workflows", "add", str(exported), "--id", "mine", "--replace").code == 0
    assert home.e3("workflows", "add", str(exported), "--id", "wf_hello_image", "--replace").code == 1


@pytest.mark.parametrize("workflow_id", ["../up", "a b", "", ".hidden", "x" * 101])
def test_cli_workflows_add_refuses_an_id_that_is_no_file_name(home: CliHome, exported: Path, workflow_id: str) -> None:
    said = home.e3("workflows", "add", str(exported), f"--id={workflow_id}")

    assert said.code == (0 if workflow_id == "" else 1)


def test_cli_workflows_add_refreshes_the_schema_of_job_files(home: CliHome, exported: Path) -> None:
    home.e3("init")

    home.e3("workflows", "add", str(exported), "--id", "mine")

    schema = json.loads((home.folder / "jobs" / ".schema" / "job.schema.json").read_text("utf-8"))
    assert "mine" in schema["properties"]["workflow_id"]["enum"]


# --- schema -------------------------------------------------------------------------------------------
def test_cli_schema_job_has_the_fields_of_validation() -> None:
    schema = schemas.job_file_schema({}, {"UPSCALE": "image"})

    assert set(schema["properties"]) == set(job_schema.job_schema()["properties"])
    assert "UPSCALE" in schema["properties"]["job_type"]["enum"]
    assert "clampable" not in json.dumps(schema)


def test_cli_schema_job_has_the_inputs_of_the_workflow(home: CliHome) -> None:
    schema = json.loads(home.e3("schema", "job", "--workflow", "wf_realistic_portrait").out)

    inputs = schema["allOf"][0]["then"]["properties"]["inputs"]
    assert inputs["required"] == ["prompt"]
    assert inputs["properties"]["steps"] == {
        "type": "integer",
        "description": "Goes to 3.steps.",
        "default": 30,
        "minimum": 1,
        "maximum": 150,
    }
    assert inputs["properties"]["seed"]["minimum"] == -1
    assert inputs["additionalProperties"] is False


def test_cli_schema_job_unknown_workflow_is_named(home: CliHome) -> None:
    said = home.e3("schema", "job", "--workflow", "wf_realistic_portrai", "--json")

    assert said.code == 1 and "wf_realistic_portrait" in said.envelope["error"]["message"]


def test_cli_schema_workflows_has_every_key_that_loading_knows() -> None:
    entry = schemas.workflows_schema()["additionalProperties"]["properties"]

    assert set(entry) == set(workflow_files.ENTRY_FIELDS)
    assert set(entry["inputs"]["additionalProperties"]["properties"]) == set(workflow_files.INPUT_FIELDS)
    assert all(entry["inputs"]["additionalProperties"]["properties"].values())
    assert all(field["description"] for field in entry.values())


def test_cli_schema_config_has_every_setting() -> None:
    properties = schemas.config_schema()["properties"]

    assert set(properties) == {*config_loader.SETTINGS, "paths", "comfyui"}
    assert set(properties["paths"]["properties"]) == set(config_loader.PATHS)
    assert properties["lookahead"]["anyOf"][0] == {"type": "integer", "minimum": 0, "maximum": 16}


# --- init ---------------------------------------------------------------------------------------------
def test_cli_init_makes_a_home_whose_settings_change_nothing(home: CliHome) -> None:
    before = home.cfg

    assert home.e3("init").code == 0

    assert home.cfg == before
    text = (home.folder / "global_config.yaml").read_text("utf-8")
    for key in (*config_loader.SETTINGS, *config_loader.PATHS, *config_loader.COMFYUI):
        assert f"{key}: " in text


def test_cli_init_settings_are_right_when_uncommented(home: CliHome) -> None:
    home.e3("init")
    path = home.folder / "global_config.yaml"
    before = home.cfg
    lines = path.read_text("utf-8").splitlines()

    path.write_text("\n".join(line.removeprefix("# ") for line in lines[4:]), "utf-8")

    assert home.cfg == before


def test_cli_init_examples_carry_the_schema_and_can_be_added(home: CliHome) -> None:
    home.e3("init")

    examples = sorted((home.folder / "jobs" / "examples").rglob("*.yaml"))
    for example in examples:
        first = example.read_text("utf-8").splitlines()[0]
        schema = first.removeprefix("# yaml-language-server: $schema=")
        assert (example.parent / schema).resolve() == home.folder.resolve() / "jobs" / ".schema" / "job.schema.json"
    assert len(examples) == len(list((REPO / "jobs" / "examples").rglob("*.yaml")))
    assert home.e3("validate", str(home.folder / "jobs" / "examples")).code == 0


def test_cli_init_keeps_what_is_there(home: CliHome) -> None:
    home.e3("init")
    path = home.folder / "global_config.yaml"
    path.write_text("retry_limit: 3\n", "utf-8")

    assert home.e3("init", "--json").data["made"] == []
    assert path.read_text("utf-8") == "retry_limit: 3\n"


def test_cli_init_folder_says_how_to_use_it(home: CliHome, tmp_path: Path) -> None:
    said = home.e3("init", str(tmp_path / "other"))

    assert "E3_HOME" in said.out and (tmp_path / "other" / "jobs" / "processing" / "image").is_dir()
