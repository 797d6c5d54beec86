"""Jobs over REST, from the request to the row and the file."""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from comfyui_e3.e3_nodes.runtime import Runtime
from comfyui_e3.server_routes import schemas

sys.path.insert(0, str(Path(__file__).parents[1]))

from rest import FakeEngine, Rest, make_app, write_home

JOB_TEXT = b"""job_type: T2I
workflow_id: wf_text
inputs:
  text: "a knight: in rain"   # quoted
outputs:
  file_path: jobs/finished/image/knight.png
"""


@pytest.fixture
async def rest(tmp_path: Path, aiohttp_client: Any) -> AsyncIterator[Rest]:
    runtime = Runtime(write_home(tmp_path))
    engine = FakeEngine(runtime)
    yield Rest(await aiohttp_client(make_app(engine)), runtime, engine)
    runtime.db.close()


# --- lists -----------------------------------------------------------------------------------------
async def test_rest_jobs_list_answers_light_rows(rest: Rest) -> None:
    name = rest.add(inputs={"text": "x" * 500}, metadata={"creator": "cli"})

    answer = await rest.get("jobs")

    assert answer.status == 200
    assert answer.json["next"] is None
    assert answer.json["totals"] == {"pending": 1, "processing": 0, "done": 0, "failed": 0, "cancelled": 0}
    row = answer.json["jobs"][0]
    assert set(schemas.JOB_ROW["required"]) <= set(row)
    assert not {"config", "error_trace", "source_yaml", "lease_token"} & set(row)
    assert (row["config_name"], row["status"], row["cancel_requested"]) == (name, "pending", False)
    assert len(row["inputs"]["text"]) == 200 and row["inputs"]["width"] == 32
    assert row["metadata"] == {"creator": "cli"}


async def test_rest_jobs_list_of_failed_tells_the_first_line(rest: Rest) -> None:
    rest.bring_to("failed")

    row = (await rest.get("jobs?status=failed")).json["jobs"][0]

    assert (row["error_type"], row["error_summary"]) == ("error", "first line")


async def test_rest_jobs_list_filters_and_counts_without_status(rest: Rest) -> None:
    rest.add("castle")
    done = rest.bring_to("done", title="knight")
    cancelled = rest.bring_to("cancelled", title="knight")

    answer = await rest.get("jobs?status=done&status=cancelled&q=KNIGHT&media=image&workflow_id=wf_text&sort=name")

    assert [job["config_name"] for job in answer.json["jobs"]] == sorted([done, cancelled])
    assert answer.json["totals"] == {"pending": 0, "processing": 0, "done": 1, "failed": 0, "cancelled": 1}


@pytest.mark.parametrize("sort", ["order", "-order", "created", "-created", "name", "-name", "ended", "-duration"])
async def test_rest_jobs_list_pages_hold_each_job_once(rest: Rest, sort: str) -> None:
    names = [rest.add(priority=1 + number % 3) for number in range(7)]
    whole = [job["config_name"] for job in (await rest.get(f"jobs?sort={sort}")).json["jobs"]]

    paged: list[str] = []
    cursor = ""
    for _ in range(4):
        page = (await rest.get(f"jobs?sort={sort}&limit=2{cursor}")).json
        paged += [job["config_name"] for job in page["jobs"]]
        cursor = f"&cursor={page['next']}"

    assert page["next"] is None
    assert paged == whole and sorted(paged) == sorted(names)


@pytest.mark.parametrize(
    ("at", "expected"), [(0, [0, 1]), (3, [3, 4]), (4, [4])], ids=["first", "in the middle", "last"]
)
async def test_rest_jobs_list_page_at_three_positions(rest: Rest, at: int, expected: list[int]) -> None:
    names = [rest.add() for _ in range(5)]
    cursor = ""
    if at:
        before = await rest.get(f"jobs?limit={at}")
        cursor = f"&cursor={before.json['next']}"

    page = await rest.get(f"jobs?limit=2{cursor}")

    assert [job["config_name"] for job in page.json["jobs"]] == [names[index] for index in expected]


@pytest.mark.parametrize(
    "query",
    [
        "status=bogus",
        "limit=-1",
        "limit=0",
        "limit=1001",
        "limit=1e9",
        "limit=",
        "limit=٣",
        "offset=x",
        "sort=;drop",
        "sort=order&sort=name",
        "media=books",
        "cursor=x",
        "cursor=bnVsbA==",
        "stauts=done",
    ],
)
async def test_rest_jobs_list_refuses_what_it_does_not_know(rest: Rest, query: str) -> None:
    answer = await rest.get(f"jobs?{query}")

    assert answer.status == 422
    assert set(answer.json) == {"error"} and set(answer.json["error"]) == {"type", "message", "details"}


async def test_rest_jobs_list_takes_hostile_text_as_text(rest: Rest) -> None:
    rest.add()

    answer = await rest.get("jobs?q=%27%3B+DROP+TABLE+jobs%3B--&workflow_id=%00%22")

    assert (answer.status, answer.json["jobs"]) == (200, [])
    assert rest.db.count_by_status()["pending"] == 1


# --- new jobs --------------------------------------------------------------------------------------
async def test_rest_jobs_post_json_makes_row_and_file(rest: Rest) -> None:
    answer = await rest.post("jobs?name=T2I_20250809123001_1_knight", rest.body())

    assert answer.status == 201
    assert (answer.json["config_name"], answer.json["status"]) == (
        "T2I_20250809123001_1_knight.yaml",
        "pending",
    )
    assert answer.json["inputs"]["text"] == "a knight"
    assert rest.file_of("T2I_20250809123001_1_knight.yaml").is_file()


async def test_rest_jobs_post_takes_the_name_from_the_body(rest: Rest) -> None:
    answer = await rest.post("jobs", {"name": "T2I_20250809123001_1_knight.yaml", **rest.body()})

    assert (answer.status, answer.json["config_name"]) == (201, "T2I_20250809123001_1_knight.yaml")


@pytest.mark.parametrize("media_type", ["application/yaml", "text/yaml; charset=utf-8", "application/x-yaml"])
async def test_rest_jobs_post_yaml_keeps_the_file_as_written(rest: Rest, media_type: str) -> None:
    name = "T2I_20250809123001_1_knight.yaml"

    answer = await rest.post(f"jobs?name={name}", JOB_TEXT, headers={"Content-Type": media_type})

    assert answer.status == 201
    assert rest.file_of(name).read_bytes() == JOB_TEXT
    assert answer.json["inputs"]["text"] == "a knight: in rain"


async def test_rest_jobs_post_without_name_gets_one_for_each(rest: Rest) -> None:
    names = [(await rest.post("jobs", rest.body(f"p{number}"))).json["config_name"] for number in range(3)]

    assert len(set(names)) == 3
    assert all(name.startswith("T2I_20") and name.endswith("_wf_text.yaml") for name in names)


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"priority": 0}, "priority"),
        ({"priority": 1000}, "priority"),
        ({"priority": "1"}, "priority"),
        ({"priority": True}, "priority"),
        ({"priority": 1.5}, "priority"),
        ({"retry_limit": 21}, "retry_limit"),
        ({"workflow_id": "../../x"}, "workflow"),
        ({"inputs": {"text": ["4", 0]}}, "link"),
        ({"inputs": {"text": "a", "1.widht": 5}}, "widht"),
        ({"outputs": {"file_path": "../../evil.png"}}, "file_path"),
        ({"outputs": {"file_path": "/etc/cron.d/evil.png"}}, "allowed"),
        ({"outputs": {"file_path": "custom_nodes/evil.py"}}, "end in"),
        ({"ouputs": {}}, "ouputs"),
        ({"template": {}}, "template"),
    ],
)
async def test_rest_jobs_post_refuses_a_bad_job_and_writes_nothing(
    rest: Rest, changes: dict[str, Any], word: str
) -> None:
    answer = await rest.post("jobs", {**rest.body(), **changes})

    assert answer.status == 422
    assert word in answer.json["error"]["message"]
    assert rest.db.count_by_status()["pending"] == 0
    assert list(rest.file_of("x").parent.iterdir()) == []


@pytest.mark.parametrize(
    ("body", "media_type", "status"),
    [
        (b"", "application/json", 400),
        (b"", "application/yaml", 400),
        (b"[]", "application/json", 400),
        (b'"x"', "application/json", 400),
        (b"null", "application/json", 400),
        (b"{", "application/json", 400),
        (b'{"a": NaN}', "application/json", 400),
        (b'{"a": 1, "a": 2}', "application/json", 400),
        (b"\xef\xbb\xbf{}", "application/json", 400),
        ('{"a": 1}'.encode("utf-16"), "application/json", 400),
        (b'{"a":' * 1000 + b"1" + b"}" * 1000, "application/json", 400),
        (b"[" * 100_000, "application/json", 400),
        (b"[" * 100_000, "application/yaml", 400),
        (b"a: &x 1", "application/yaml", 400),
        (b"a: 1\na: 2", "application/yaml", 400),
        (b"job_type: T2I", "application/yaml", 422),
        (b"x" * (256 * 1024 + 1), "application/json", 413),
        (b"x" * (256 * 1024 + 1), "application/yaml", 413),
    ],
)
async def test_rest_jobs_post_refuses_malformed_bodies(rest: Rest, body: bytes, media_type: str, status: int) -> None:
    answer = await rest.post("jobs", body, headers={"Content-Type": media_type})

    assert answer.status == status
    assert rest.db.count_by_status()["pending"] == 0


async def test_rest_jobs_post_same_name_again_conflicts(rest: Rest) -> None:
    name = rest.add()

    answer = await rest.post(f"jobs?name={name}", rest.body("other"))

    assert (answer.status, answer.json["error"]["type"]) == (409, "name_conflict")


@pytest.mark.parametrize("name", ["x.yaml", "..%2F..%2Fx.yaml", "T2I_20240230000000_1_a.yaml", "%00"])
async def test_rest_jobs_post_refuses_bad_names(rest: Rest, name: str) -> None:
    answer = await rest.post(f"jobs?name={name}", rest.body())

    assert answer.status == 422


async def test_rest_jobs_post_tells_where_yaml_is_wrong(rest: Rest) -> None:
    answer = await rest.post("jobs", b"a: 1\nb: [", headers={"Content-Type": "application/yaml"})

    assert answer.status == 400
    assert answer.json["error"]["details"]["line"] >= 2


# --- one job ---------------------------------------------------------------------------------------
async def test_rest_jobs_detail_tells_everything(rest: Rest) -> None:
    name = rest.bring_to("failed", inputs={"text": "x" * 500}, metadata={"a": {"b": [1, None]}})

    answer = await rest.get(f"jobs/{name}")

    job = answer.json
    assert set(schemas.JOB_PAGE["required"]) <= set(job)
    assert len(job["inputs"]["text"]) == 500
    assert job["metadata"] == {"a": {"b": [1, None]}}
    assert job["error_trace"] == "first line\nsecond line"
    assert [attempt["outcome"] for attempt in job["attempts"]] == ["failed"]
    assert "lease_token" not in json.dumps(job)


async def test_rest_jobs_detail_takes_the_name_without_yaml_and_in_any_case(rest: Rest) -> None:
    name = rest.add("Knight")

    answer = await rest.get(f"jobs/{name.removesuffix('.yaml').lower()}")

    assert answer.json["config_name"] == name


async def test_rest_jobs_detail_of_hostile_metadata_stays_data(rest: Rest) -> None:
    script = "<img src=x onerror=alert(1)>"
    name = rest.add(inputs={"text": script}, metadata={script: script})

    answer = await rest.get(f"jobs/{name}")

    assert answer.headers["Content-Type"].startswith("application/json")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.json["metadata"] == {script: script}


async def test_rest_jobs_graph_is_the_pinned_workflow_with_the_inputs(rest: Rest) -> None:
    name = rest.bring_to("processing", inputs={"text": "a castle", "color": 7})
    rest.runtime.workflows["wf_text"]["template"] = {}

    graph = (await rest.get(f"jobs/{name}/graph")).json

    assert {node_id: node["class_type"] for node_id, node in graph.items()} == {
        "1": "EmptyImage",
        "2": "TestText",
        "9": "SaveImage",
    }
    assert graph["1"]["inputs"] == {"width": 32, "height": 64, "batch_size": 1, "color": 7}
    assert graph["2"]["inputs"] == {"text": "a castle", "image": ["1", 0]}
    assert graph["9"]["inputs"] == {"images": ["2", 0], "filename_prefix": "x"}


async def test_rest_jobs_graph_without_any_workflow_is_refused(rest: Rest, monkeypatch: pytest.MonkeyPatch) -> None:
    name = rest.add()
    rest.runtime.workflows.clear()
    monkeypatch.setattr(rest.db, "workflow_version", lambda _sha256: None)

    answer = await rest.get(f"jobs/{name}/graph")

    assert (answer.status, answer.json["error"]["type"]) == (422, "workflow_unknown")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "jobs/{name}"),
        ("GET", "jobs/{name}/graph"),
        ("PATCH", "jobs/{name}"),
        ("DELETE", "jobs/{name}"),
        ("POST", "jobs/{name}/restore"),
        ("POST", "jobs/{name}/retry"),
        ("POST", "jobs/{name}/god-mode"),
        ("POST", "jobs/{name}/cancel"),
        ("POST", "jobs/{name}/repin"),
        ("POST", "jobs/{name}/copy"),
        ("GET", "jobs/{name}/outputs/0"),
    ],
)
@pytest.mark.parametrize("name", ["T2I_20250101120000_9_nobody", "..%2F..%2Fetc%2Fpasswd", "%3Cscript%3E"])
async def test_rest_jobs_unknown_job_is_404(rest: Rest, method: str, path: str, name: str) -> None:
    body = {"priority": 5} if method == "PATCH" else None

    answer = await rest.send(method, path.format(name=name), body)

    assert (answer.status, answer.json["error"]["type"]) == (404, "job_unknown")


@pytest.mark.parametrize("name", ["%ff", "%ED%A0%80", "%00", "a%0d%0aX: y", "%F0%9F%90%B1", "x" * 3000])
async def test_rest_jobs_odd_names_are_unknown_or_invalid(rest: Rest, name: str) -> None:
    for method, path in (("GET", f"jobs/{name}"), ("POST", f"jobs/{name}/cancel"), ("GET", f"jobs?q={name}")):
        assert (await rest.send(method, path)).status in (200, 404, 422), path


async def test_rest_jobs_head_answers_like_get_without_a_body(rest: Rest) -> None:
    rest.add()

    answer = await rest.client.head("/e3/jobs")

    assert (answer.status, await answer.read()) == (200, b"")
    assert int(answer.headers["Content-Length"]) > 100


# --- place in the queue ----------------------------------------------------------------------------
async def test_rest_jobs_patch_priority_changes_the_order(rest: Rest) -> None:
    first, second = rest.add(), rest.add()

    answer = await rest.send("PATCH", f"jobs/{second}", {"priority": 3})

    assert (answer.status, answer.json["priority"]) == (200, 3)
    assert [job["config_name"] for job in (await rest.get("jobs")).json["jobs"]] == [second, first]


async def test_rest_jobs_patch_before_moves(rest: Rest) -> None:
    first, second, third = rest.add(), rest.add(), rest.add()

    await rest.send("PATCH", f"jobs/{third}", {"before": second.removesuffix(".yaml")})
    await rest.send("PATCH", f"jobs/{first}", {"before": None})

    assert [job["config_name"] for job in (await rest.get("jobs")).json["jobs"]] == [third, second, first]


@pytest.mark.parametrize(
    "body",
    [
        {"priority": "1"},
        {"priority": 1.5},
        {"priority": True},
        {"priority": 0},
        {"priority": 1000},
        {"priority": -1},
        {"priority": 2**63},
        {"priority": None},
        {},
        {"priority": 5, "before": None},
        {"before": 5},
        {"prioritty": 5},
    ],
    ids=str,
)
async def test_rest_jobs_patch_refuses_bad_values(rest: Rest, body: dict[str, Any]) -> None:
    name = rest.add()

    answer = await rest.send("PATCH", f"jobs/{name}", body)

    assert answer.status == 422
    assert rest.db.get_job(name)["priority"] == 50  # type: ignore[index]


async def test_rest_jobs_god_mode_last_click_wins(rest: Rest) -> None:
    first, second, third = rest.add(), rest.add(), rest.add()

    await rest.post(f"jobs/{second}/god-mode")
    answer = await rest.post(f"jobs/{third}/god-mode")

    assert (answer.status, answer.json["priority"]) == (200, 1)
    assert [job["config_name"] for job in (await rest.get("jobs")).json["jobs"]] == [third, second, first]


# --- verbs -----------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("verb", "state", "status"),
    [
        ("retry", "failed", 200),
        ("retry", "cancelled", 200),
        ("retry", "done", 409),
        ("retry", "pending", 409),
        ("retry", "processing", 409),
        ("cancel", "pending", 200),
        ("cancel", "processing", 200),
        ("cancel", "cancelled", 200),
        ("cancel", "done", 409),
        ("god-mode", "done", 409),
        ("repin", "processing", 409),
        ("repin", "pending", 200),
        ("restore", "pending", 404),
    ],
)
async def test_rest_jobs_verbs_by_state(rest: Rest, verb: str, state: str, status: int) -> None:
    name = rest.bring_to(state)

    answer = await rest.post(f"jobs/{name}/{verb}")

    assert answer.status == status
    if status == 409:
        assert answer.json["error"]["type"] == "wrong_state" and state in answer.json["error"]["message"]


async def test_rest_jobs_cancel_twice_changes_once(rest: Rest) -> None:
    name = rest.bring_to("processing")

    changed = [(await rest.post(f"jobs/{name}/cancel")).json["changed"] for _ in range(2)]

    assert changed == [True, False]


async def test_rest_jobs_change_with_an_empty_body_is_an_empty_object(rest: Rest) -> None:
    name = rest.add()

    answer = await rest.send("POST", f"jobs/{name}/cancel", b"")

    assert (answer.status, answer.json["status"], answer.json["changed"]) == (200, "cancelled", True)


async def test_rest_jobs_verbs_refuse_fields_they_do_not_know(rest: Rest) -> None:
    name = rest.add()

    answer = await rest.post(f"jobs/{name}/cancel", {"force": True})

    assert (answer.status, rest.db.get_job(name)["status"]) == (422, "pending")  # type: ignore[index]


# --- copies ----------------------------------------------------------------------------------------
async def test_rest_jobs_copy_changes_some_inputs(rest: Rest) -> None:
    name = rest.bring_to("done", title="knight", metadata={"creator": "cli"})

    answer = await rest.post(f"jobs/{name}/copy", {"inputs": {"text": "a queen"}})

    assert (answer.status, answer.json["status"]) == (201, "pending")
    copy, source = rest.db.get_job(answer.json["config_name"]), rest.db.get_job(name)
    assert copy is not None and source is not None
    assert copy["config_name"].endswith("_knight.yaml") and copy["config_name"] != name
    assert copy["config"]["inputs"] == {**source["config"]["inputs"], "text": "a queen"}
    stem = copy["config_name"].removesuffix(".yaml")
    assert copy["config"]["outputs"]["file_path"] == f"jobs/finished/image/{stem}.png"
    assert copy["metadata"] == {"creator": "cli"}
    assert rest.file_of(copy["config_name"]).is_file()


async def test_rest_jobs_copy_with_null_draws_anew(rest: Rest) -> None:
    name = rest.add(inputs={"color": 123456789 % 99})

    answer = await rest.post(f"jobs/{name}/copy", {"inputs": {"color": None, "width": None}})

    inputs = rest.db.get_job(answer.json["config_name"])["config"]["inputs"]  # type: ignore[index]
    assert "width" not in inputs and 0 <= inputs["color"] <= 99


async def test_rest_jobs_copy_twice_gives_two_jobs_with_two_paths(rest: Rest) -> None:
    name = rest.add()

    copies = [(await rest.post(f"jobs/{name}/copy")).json["config_name"] for _ in range(2)]

    paths = {rest.db.get_job(copy)["config"]["outputs"]["file_path"] for copy in [name, *copies]}  # type: ignore[index]
    assert len(paths) == 3


@pytest.mark.parametrize("inputs", [{"nobody": 1}, {"text": ["4", 0]}, {"width": "wide"}, [], None], ids=str)
async def test_rest_jobs_copy_refuses_bad_inputs(rest: Rest, inputs: Any) -> None:
    name = rest.add()

    answer = await rest.post(f"jobs/{name}/copy", {"inputs": inputs})

    assert answer.status == 422
    assert rest.db.count_by_status()["pending"] == 1


# --- removal ---------------------------------------------------------------------------------------
@pytest.mark.parametrize("state", ["pending", "failed", "cancelled"])
async def test_rest_jobs_delete_and_restore_move_row_and_file(rest: Rest, state: str) -> None:
    name = rest.bring_to(state)
    before, content = rest.db.get_job(name), rest.file_of(name).read_bytes()
    removed = Path(rest.runtime.cfg["home"]) / "jobs" / "removed" / "image" / name

    deleted = await rest.send("DELETE", f"jobs/{name}")

    assert (deleted.status, deleted.json["config_name"]) == (200, name)
    assert rest.db.get_job(name) is None
    assert not rest.file_of(name).exists() and removed.read_bytes() == content

    restored = await rest.post(f"jobs/{name}/restore")

    assert (restored.status, restored.json["status"]) == (200, state)
    assert rest.file_of(name).read_bytes() == content and not removed.exists()
    assert rest.db.get_job(name) == before


async def test_rest_jobs_delete_of_a_running_job_is_refused(rest: Rest) -> None:
    name = rest.bring_to("processing")

    answer = await rest.send("DELETE", f"jobs/{name}")

    assert answer.status == 409
    assert rest.file_of(name).is_file()


async def test_rest_jobs_restore_writes_a_lost_file_from_the_row(rest: Rest) -> None:
    name = rest.add()
    content = rest.file_of(name).read_bytes()
    await rest.send("DELETE", f"jobs/{name}")
    (Path(rest.runtime.cfg["home"]) / "jobs" / "removed" / "image" / name).unlink()

    await rest.post(f"jobs/{name}/restore")

    assert rest.file_of(name).read_bytes() == content


async def test_rest_jobs_restore_brings_the_attempts_back_after_other_jobs_ran(rest: Rest) -> None:
    name = rest.bring_to("failed")
    before = (await rest.get(f"jobs/{name}")).json["attempts"]
    await rest.send("DELETE", f"jobs/{name}")
    rest.bring_to("failed")

    restored = await rest.post(f"jobs/{name}/restore")

    assert restored.status == 200
    assert (await rest.get(f"jobs/{name}")).json["attempts"] == before != []


async def test_rest_jobs_restore_where_the_name_is_taken_conflicts(rest: Rest) -> None:
    name = rest.add()
    await rest.send("DELETE", f"jobs/{name}")
    await rest.post(f"jobs?name={name}", rest.body("other"))

    answer = await rest.post(f"jobs/{name}/restore")

    assert (answer.status, answer.json["error"]["type"]) == (409, "name_conflict")


async def test_rest_jobs_delete_needs_its_content_type(rest: Rest) -> None:
    name = rest.add()

    answer = await rest.send("DELETE", f"jobs/{name}", headers={"Content-Type": "text/plain"})

    assert (answer.status, rest.db.get_job(name) is None) == (415, False)


# --- many at once ----------------------------------------------------------------------------------
async def test_rest_jobs_bulk_by_names_answers_for_each(rest: Rest) -> None:
    failed, pending = rest.bring_to("failed"), rest.add()

    answer = await rest.post("jobs/bulk", {"action": "retry", "names": [failed, pending, "T2I_nobody"]})

    assert answer.status == 200 and answer.json["changed"] == 1
    results = {each["config_name"]: each for each in answer.json["results"]}
    assert results[failed] == {"config_name": failed, "ok": True}
    assert not results[pending]["ok"] and "pending" in results[pending]["error"]
    assert not results["T2I_nobody.yaml"]["ok"]


async def test_rest_jobs_bulk_by_filter_means_what_matches(rest: Rest) -> None:
    knights, castle = {rest.add("knight") for _ in range(3)}, rest.add("castle")

    answer = await rest.post("jobs/bulk", {"action": "cancel", "filter": {"status": ["pending"], "q": "knight"}})

    assert answer.json["changed"] == 3
    assert {each["config_name"] for each in answer.json["results"]} == knights
    assert rest.db.get_job(castle)["status"] == "pending"  # type: ignore[index]


@pytest.mark.parametrize("by", ["names", "filter"])
async def test_rest_jobs_bulk_delete_moves_the_files(rest: Rest, by: str) -> None:
    names, running = [rest.add() for _ in range(3)], rest.bring_to("processing")
    chosen = {"names": [*names, running]} if by == "names" else {"filter": {"media": "image"}}

    answer = await rest.post("jobs/bulk", {"action": "delete", **chosen})

    assert answer.json["changed"] == 3
    assert [rest.file_of(name).exists() for name in names] == [False] * 3
    assert rest.file_of(running).exists()


async def test_rest_jobs_bulk_set_priority(rest: Rest) -> None:
    names = [rest.add() for _ in range(3)]

    answer = await rest.post("jobs/bulk", {"action": "set_priority", "names": names, "priority": 7})

    assert answer.json["changed"] == 3
    assert {job["priority"] for job in (await rest.get("jobs")).json["jobs"]} == {7}


@pytest.mark.parametrize(
    "body",
    [
        {"action": "retry"},
        {"names": []},
        {"action": "explode", "names": []},
        {"action": "retry", "names": "x"},
        {"action": "retry", "names": [1]},
        {"action": "retry", "names": [], "filter": {}},
        {"action": "set_priority", "names": []},
        {"action": "set_priority", "names": [], "priority": 0},
        {"action": "retry", "filter": {"status": ["odd"]}},
        {"action": "retry", "filter": {"stats": 1}},
        {"action": "retry", "names": [f"x{n}" for n in range(2001)]},
        {"action": "retry", "filter": {"sort": "name"}},
    ],
    ids=lambda body: str(body)[:60],
)
async def test_rest_jobs_bulk_refuses_bad_wishes(rest: Rest, body: dict[str, Any]) -> None:
    answer = await rest.post("jobs/bulk", body)

    assert answer.status == 422


async def test_rest_jobs_bulk_needs_a_body(rest: Rest) -> None:
    assert (await rest.send("POST", "jobs/bulk", b"")).status == 400
