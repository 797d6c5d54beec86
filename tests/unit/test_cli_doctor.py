"""``e3 doctor``: what will fail is named before it does, with the fix."""

from __future__ import annotations

import contextlib
import json
import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from cli_home import CliHome, Said
from comfyui_e3.e3_nodes.cli import filesystems, node_info

NODES: dict[str, Any] = {
    "EmptyImage": {
        "input": {
            "required": {
                "width": ["INT", {"min": 1, "max": 1024}],
                "height": ["INT", {"min": 1, "max": 1024}],
                "batch_size": ["INT", {"min": 1, "max": 64}],
                "color": ["INT", {"min": 0, "max": 16777215}],
            }
        }
    },
    "SaveImage": {"input": {"required": {"images": ["IMAGE"], "filename_prefix": ["STRING"]}}},
    "Loader": {"input": {"required": {"ckpt_name": [["a.safetensors", "b.safetensors"]]}}},
    "NewLoader": {"input": {"required": {"ckpt_name": ["COMBO", {"options": ["a.safetensors"]}]}}},
    "LoadImage": {"input": {"required": {"image": [["cat.png"], {"image_upload": True}]}}},
}


@pytest.fixture
def home(tmp_path: Path) -> CliHome:
    return CliHome(tmp_path)


@pytest.fixture
def comfyui() -> Iterator[str]:
    """A server that tells of its nodes as ComfyUI does."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answers = {"/system_stats": {"system": {"comfyui_version": "0.33.0"}}, "/object_info": NODES}
            body = json.dumps(answers.get(self.path)).encode()
            self.send_response(200 if self.path in answers else 404)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def levels(said: Said) -> dict[str, str]:
    """Return the worst level of each code."""
    order = ["ok", "warn", "fail"]
    found: dict[str, str] = {}
    for check in said.data["checks"]:
        found[check["code"]] = max(found.get(check["code"], "ok"), check["level"], key=order.index)
    return found


def test_cli_doctor_of_an_empty_home_warns_and_makes_nothing(home: CliHome) -> None:
    said = home.e3("doctor", "--url", "http://127.0.0.1:9", "--json")

    assert said.code == 0
    assert levels(said)["folders"] == "warn" and levels(said)["comfyui"] == "warn"
    assert list(home.folder.iterdir()) == []


def test_cli_doctor_fix_makes_the_folders(home: CliHome) -> None:
    said = home.e3("doctor", "--fix", "--url", "http://127.0.0.1:9", "--json")

    assert said.code == 0
    assert any(check["code"] == "folders" and check["is_fixed"] for check in said.data["checks"])
    assert (home.folder / "jobs" / "processing" / "image").is_dir()


def test_cli_doctor_says_that_all_is_well_with_a_job_that_can_run(home: CliHome, comfyui: str) -> None:
    home.job()

    said = home.e3("doctor", "--url", comfyui, "--json")

    assert said.code == 0
    assert levels(said)["jobs"] == "ok" and levels(said)["workers"] == "warn"
    assert levels(said)["node_missing"] == "warn", "workflows of no waiting job only warn"


def test_cli_doctor_names_the_jobs_that_will_fail_once_a_cause(home: CliHome, comfyui: str) -> None:
    home.jobs(*(home.draft(inputs={"width": 2048}) for _ in range(3)))

    said = home.e3("doctor", "--url", comfyui)

    lines = [line for line in said.out.splitlines() if line.startswith("fail")]
    assert said.code == 1
    assert len(lines) == 1 and "3 jobs" in lines[0] and "width of node 4" in lines[0]


def test_cli_doctor_finds_a_result_path_that_is_taken(home: CliHome, comfyui: str) -> None:
    name = home.job()
    (home.folder / "jobs" / "finished" / "image" / f"{name.removesuffix('.yaml')}.png").write_bytes(b"somebody's")

    assert levels(home.e3("doctor", "--url", comfyui, "--json"))["output_exists"] == "fail"


def test_cli_doctor_finds_two_jobs_that_ask_for_one_path(home: CliHome, comfyui: str) -> None:
    same = {"file_path": "jobs/finished/image/same.png"}
    home.jobs(home.draft(outputs=same), home.draft(outputs=same))

    said = home.e3("doctor", "--url", comfyui)

    assert said.code == 1 and "asks for" in said.out


def test_cli_doctor_finds_an_input_file_that_changed(home: CliHome, comfyui: str) -> None:
    picture = home.folder / "jobs" / "cat.png"
    picture.parent.mkdir()
    picture.write_bytes(b"one")
    home.job(workflow_id="wf_scale_image", inputs={"image": "jobs/cat.png"})
    picture.write_bytes(b"two")

    assert levels(home.e3("doctor", "--url", comfyui, "--json"))["changed_after_ingest"] == "fail"


def test_cli_doctor_names_broken_settings(home: CliHome) -> None:
    (home.folder / "global_config.yaml").write_text("lookahead: many\n", "utf-8")

    said = home.e3("doctor", "--json")

    assert said.code == 1 and levels(said)["settings_invalid"] == "fail"


def test_cli_doctor_names_a_database_that_is_none(home: CliHome) -> None:
    (home.folder / "jobs").mkdir()
    (home.folder / "jobs" / "e3.sqlite3").write_text("this is no database, whatever its name may say", "utf-8")

    said = home.e3("doctor", "--url", "http://127.0.0.1:9", "--json")

    assert said.code == 1 and levels(said)["db_damaged"] == "fail"


def test_cli_doctor_takes_over_from_the_dead_and_removes_stale_locks(home: CliHome) -> None:
    home.job()
    stale, dead = (home.folder / "jobs" / ".locks" / f"{name}.lock" for name in ("stale", "dead"))
    stale.parent.mkdir(exist_ok=True)
    stale.touch()
    dead.touch()
    os.utime(stale, (0, 0))
    with contextlib.closing(home.store()) as db:
        db.register_worker("dead", lock_path=str(dead), host="here")
        assert db.lease_next_job("dead", 60) is not None

    assert levels(home.e3("doctor", "--url", "http://127.0.0.1:9", "--json"))["dead_workers"] == "warn"
    assert home.e3("doctor", "--url", "http://127.0.0.1:9", "--fix").code == 0

    assert not stale.exists() and not dead.exists()
    assert home.e3("queue", "ls", "pending", "--json").data["jobs"] != []


def test_cli_doctor_tells_a_pause_and_rejections(home: CliHome) -> None:
    home.e3("queue", "pause")
    with contextlib.closing(home.store()) as db:
        db.record_rejection("/x/a.yaml", "bad_value", "no")

    found = levels(home.e3("doctor", "--url", "http://127.0.0.1:9", "--json"))

    assert found["paused"] == "warn" and found["rejections"] == "warn"


def test_cli_doctor_finds_a_home_that_comfyui_serves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "ComfyUI"
    (place / "comfy").mkdir(parents=True)
    (place / "output").mkdir()
    (place / "main.py").touch()
    monkeypatch.setenv("COMFYUI_PATH", str(place))
    home = CliHome(place / "output")

    said = home.e3("doctor", "--url", "http://127.0.0.1:9", "--json")

    assert said.code == 1 and levels(said)["home_public"] == "fail"


# --- graphs ---------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("node", "code", "said"),
    [
        ({"class_type": "Loadr", "inputs": {}}, "node_missing", "there is Loader"),
        ({"class_type": "Loader", "inputs": {}}, "input_missing", "ckpt_name"),
        ({"class_type": "Loader", "inputs": {"ckpt_name": "c.safetensors"}}, "value_missing", "models/checkpoints/"),
        ({"class_type": "NewLoader", "inputs": {"ckpt_name": "b.safetensors"}}, "value_missing", "a.safetensors"),
        (
            {"class_type": "EmptyImage", "inputs": {"width": 0, "height": 1, "batch_size": 1, "color": 0}},
            "bad_value",
            "must be 1 to 1024, got 0",
        ),
    ],
    ids=["node", "input", "model", "model of a new node", "range"],
)
def test_cli_node_info_refusals_names_what_comfyui_would_refuse(node: dict[str, Any], code: str, said: str) -> None:
    found = list(node_info.refusals({"1": node}, NODES))

    assert [refusal.code for refusal in found] == [code]
    assert said in f"{found[0].message} {found[0].fix}"


@pytest.mark.parametrize(
    "node",
    [
        {"class_type": "Loader", "inputs": {"ckpt_name": "a.safetensors", "old": 3}},
        {"class_type": "Loader", "inputs": {"ckpt_name": ["5", 0]}},
        {"class_type": "LoadImage", "inputs": {"image": "e3/0123.png"}},
    ],
    ids=["extra input", "wire", "upload"],
)
def test_cli_node_info_refusals_leaves_alone_what_comfyui_takes(node: dict[str, Any]) -> None:
    assert list(node_info.refusals({"1": node}, NODES)) == []


def test_cli_node_info_refusals_leaves_dynamic_inputs_alone() -> None:
    nodes = {"Join": {"input": {"required": {"images": ["COMFY_AUTOGROW_V3", {}]}}}}

    assert list(node_info.refusals({"1": {"class_type": "Join", "inputs": {"images.image0": ["2", 0]}}}, nodes)) == []


def test_cli_node_info_refusals_tells_missing_nodes_together() -> None:
    graph = {"1": {"class_type": "A", "inputs": {}}, "2": {"class_type": "B", "inputs": {}}}

    found = list(node_info.refusals(graph, NODES))

    assert len(found) == 1 and "A, B" in found[0].message


def test_cli_filesystems_knows_where_a_folder_is(tmp_path: Path) -> None:
    assert not filesystems.is_network(filesystems.filesystem_of(tmp_path))


def test_cli_filesystems_takes_the_innermost_mount() -> None:
    mounts = {"/": "ext4", "/srv": "nfs4", "/srv/fast": "xfs"}

    assert filesystems._of_mounts(Path("/srv/fast/e3"), mounts) == "xfs"
    assert filesystems.is_network(filesystems._of_mounts(Path("/srv/e3"), mounts))
