"""Nothing under home can be read or written through ComfyUI's own routes, and E3 does not start where it could."""

from __future__ import annotations

import http.client
import json
import os
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from comfyui_e3.e3_nodes import config_loader, runtime
from comfyui_e3.e3_nodes.errors import InvalidSettings

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[1] / "e2e"))

from hosts import REPO, EmbeddedHost, Host, available_hosts
from studio import Studio, image_graph

# --- where home may lie ------------------------------------------------------------------------------
PUBLIC = ("input", "output", "temp", "user/default", "custom_nodes/pack/web", "frontend")
KEPT = {
    "jobs": {"paths": {"jobs_processing": "{public}/processing"}},
    "database": {"paths": {"database": "{public}/e3.sqlite3"}},
    "workflows": {"paths": {"workflows": "{public}/workflows"}},
}


def settings_of(tmp_path: Path, home: Path, settings: Any = None) -> dict[str, Any]:
    home.mkdir(parents=True, exist_ok=True)
    text = json.dumps(settings or {}).replace("{public}", (tmp_path / "comfyui").as_posix())
    (home / "global_config.yaml").write_text(text, "utf-8")
    return config_loader.load_global_config(str(home / "global_config.yaml"))


def public_folders(tmp_path: Path) -> list[Path]:
    return [tmp_path / "comfyui" / name for name in PUBLIC]


@pytest.mark.parametrize("folder", PUBLIC)
def test_runtime_check_home_is_private_refuses_a_home_in_a_public_folder(tmp_path: Path, folder: str) -> None:
    cfg = settings_of(tmp_path, tmp_path / "comfyui" / folder / "e3")

    with pytest.raises(InvalidSettings, match="E3_HOME"):
        runtime.check_home_is_private(cfg, public_folders(tmp_path))


@pytest.mark.parametrize("kept", KEPT)
@pytest.mark.parametrize("folder", PUBLIC)
def test_runtime_check_home_is_private_refuses_each_part_in_a_public_folder(
    tmp_path: Path, folder: str, kept: str
) -> None:
    text = json.dumps(KEPT[kept]).replace("{public}", f"{{public}}/{folder}")
    cfg = settings_of(tmp_path, tmp_path / "home", json.loads(text))

    with pytest.raises(InvalidSettings, match="lies in"):
        runtime.check_home_is_private(cfg, public_folders(tmp_path))


def test_runtime_check_home_is_private_refuses_uploads_into_the_jobs_folder(tmp_path: Path) -> None:
    cfg = settings_of(tmp_path, tmp_path / "home", {"paths": {"jobs_processing": "{public}"}})

    with pytest.raises(InvalidSettings, match="web pages can write"):
        runtime.check_home_is_private(cfg, public_folders(tmp_path))


def test_runtime_check_home_is_private_looks_through_links(tmp_path: Path) -> None:
    public = tmp_path / "comfyui" / "input" / "e3"
    public.mkdir(parents=True)
    try:
        (tmp_path / "link").symlink_to(public, target_is_directory=True)
    except OSError:
        pytest.skip("this account may not make links")

    with pytest.raises(InvalidSettings):
        runtime.check_home_is_private(settings_of(tmp_path, tmp_path / "link"), public_folders(tmp_path))


@pytest.mark.parametrize("home", ["home", "comfyui", "comfyui/user/__e3", "comfyui/custom_nodes/comfyui-e3"])
def test_runtime_check_home_is_private_lets_other_places_pass(tmp_path: Path, home: str) -> None:
    runtime.check_home_is_private(settings_of(tmp_path, tmp_path / home), public_folders(tmp_path))


# --- S2, replayed: a page that uploads a job file --------------------------------------------------------
UPLOAD = b"""--b\r\nContent-Disposition: form-data; name="image"; filename="%s"\r\n\r\n%s\r\n--b
Content-Disposition: form-data; name="subfolder"\r\n\r\n%s\r\n--b--\r\n"""


@pytest.mark.parametrize("host", available_hosts(), ids=lambda host: host.name)
def test_private_home_an_uploaded_job_file_is_never_run(host: type[Host], tmp_path: Path) -> None:
    studio = Studio(host(), tmp_path)
    studio.home = tmp_path / "base" / "input" / "home"  # uploads go there
    studio.home.mkdir(parents=True)
    studio.workflow("image", image_graph())
    job = studio.job("image")
    studio.host.start(studio.base, {"comfyui-e3": REPO}, env={"E3_HOME": str(studio.home)})
    try:
        studio.until(lambda: "E3_HOME" in str(studio.host.get("/e3/health")[1]), "health to say why E3 does not run")
        body = UPLOAD % (job["name"].encode(), json.dumps(job["body"]).encode(), b"home/jobs/processing/image")
        uploaded, _ = studio.host.request(
            "POST", "/upload/image", body, {"Content-Type": "multipart/form-data; boundary=b"}
        )
        jobs, _ = studio.host.get("/e3/jobs")
    finally:
        studio.close()

    assert uploaded == 200 and (studio.processing / "image" / job["name"]).is_file()
    assert jobs == 503 and not job["result"].exists()


# --- S17: what a LAN user can read ---------------------------------------------------------------------
@pytest.fixture(scope="module", params=available_hosts(), ids=lambda host: host.name)
def studio(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    """A home with jobs in every folder, beside ComfyUI's base folder."""
    with Studio(request.param(), tmp_path_factory.mktemp("private")) as studio:
        studio.workflow("image", image_graph())
        job = studio.job("image")
        studio.drop(job)
        studio.ended(job)
        studio.post("queue/pause")
        waiting, removed = studio.job("image"), studio.job("image")
        studio.drop(waiting, removed)
        studio.becomes(waiting, "pending")
        studio.becomes(removed, "pending")
        studio.host.request("DELETE", f"/e3/jobs/{removed['name']}", {})
        yield studio


def addresses_of(path: Path, home: Path, base: Path) -> list[str]:
    """Return the ways in which a file might be asked of ComfyUI, or of E3."""
    inside, whole = path.relative_to(home).as_posix(), path.as_posix()
    climbs = [f"{'../' * depth}home/{inside}" for depth in range(1, 5)]
    names = [inside, whole, path.name, os.path.relpath(path, base).replace(os.sep, "/"), *climbs]
    asked = []
    for name in names:
        plain, coded = quote(name), quote(name, safe="")
        parent = quote(name.rpartition("/")[0], safe="")
        for kind in ("input", "output", "temp"):
            asked += [f"/view?filename={coded}&type={kind}", f"/view?filename={coded}%20[{kind}]"]
            asked += [f"/view?filename={quote(path.name)}&subfolder={parent}&type={kind}"] if parent else []
        asked += [f"/userdata/{coded}", f"/v2/userdata/{coded}", f"/extensions/comfyui-e3/{plain}"]
        asked += [f"/extensions/comfyui-e3/{coded}", f"/extensions/{coded}", f"/e3/{plain}", f"/e3/web/{plain}"]
        asked += [f"/e3/web/{coded}", f"/e3/web/page/{plain.replace('..', '%2e%2e')}"]
        if not (REPO / "workflows" / name).exists():  # what E3 ships is published on purpose
            asked += [f"/workflow_templates/comfyui-e3/{plain}", f"/workflow_templates/comfyui-e3/{coded}"]
        asked += [f"/internal/files/{coded}", f"/view_metadata/{quote('checkpoints')}?filename={coded}", f"/{coded}"]
    return [f"{prefix}{address}" for prefix in ("", "/api") for address in dict.fromkeys(asked)]


def statuses_of(studio: Studio, addresses: list[str]) -> dict[str, int]:
    """Ask for each address as it stands, over one connection."""
    found = {}
    with closing(http.client.HTTPConnection("127.0.0.1", studio.host.port, timeout=30)) as connection:
        for address in dict.fromkeys(addresses):
            connection.request("GET", address)
            answer = connection.getresponse()
            answer.read()
            found[address] = answer.status
    return found


def test_private_home_no_file_of_home_can_be_fetched(studio: Studio) -> None:
    files = [path for path in studio.home.rglob("*") if path.is_file()]

    answered = statuses_of(studio, [each for path in files for each in addresses_of(path, studio.home, studio.base)])

    assert {".sqlite3", ".yaml", ".json", ".png"} <= {path.suffix for path in files}
    assert {address: status for address, status in answered.items() if not 400 <= status < 500} == {}


def test_private_home_results_alone_come_through_e3(studio: Studio) -> None:
    _, listed = studio.host.get("/e3/jobs?status=done")
    name = listed["jobs"][0]["config_name"]

    status, content = studio.host.get(f"/e3/jobs/{name}/outputs/0")

    assert (status, content[:4]) == (200, b"\x89PNG")


def test_private_home_answers_hold_no_setting(tmp_path: Path) -> None:
    """No answer of E3 holds the token, the address of another ComfyUI, or its headers."""
    secrets = ("token-canary", "header-canary", "url-canary")
    token, header, url = secrets
    settings = {"api_token": token, "comfyui": {"api_base_url": f"http://{url}:1", "headers": {"X-Key": header}}}
    studio = Studio(EmbeddedHost(), tmp_path, settings=settings)
    studio.host.start(studio.base, {"comfyui-e3": REPO}, env={"E3_HOME": str(studio.home)})
    try:
        bearer = {"Authorization": f"Bearer {token}"}
        paths = ("health", "jobs", "queue", "stats", "workflows", "rejections", "metrics", "openapi.json", "", "docs")
        studio.until(lambda: studio.host.request("GET", "/e3/health", None, bearer)[0] == 200, "E3 to answer")
        told = "".join(str(studio.host.request("GET", f"/e3/{path}", None, bearer)) for path in paths)
    finally:
        studio.close()

    assert not [secret for secret in secrets if secret in told or secret in studio.host.log_tail(10**6)]
