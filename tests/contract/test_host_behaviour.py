"""What E3 relies on in a ComfyUI, asked of the embedded host always and of a real one where it is named.

Where the two answer differently, the embedded host is wrong. It follows release 0.33; what older releases
do otherwise is marked by ``host_release``.
"""

from __future__ import annotations

import json
import shutil
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from comfyui_e3.tests import graphs
from comfyui_e3.tests.graphs import Graph, node
from comfyui_e3.tests.hosts import REPO, Host, available_hosts

PACKS = REPO / "tests" / "node_packs"
ENDS = {"execution_success", "execution_error", "execution_interrupted"}


@pytest.fixture(scope="module", params=available_hosts(), ids=lambda kind: kind.name)
def host(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    base = tmp_path_factory.mktemp("host")
    packs = {"trouble-pack.v1": PACKS / "trouble", "broken": PACKS / "broken"}
    with request.param().start(base, custom_nodes=packs) as running:
        yield running


@pytest.fixture(scope="module")
def host_release(host: Host) -> tuple[int, ...]:
    version = host.get("/system_stats")[1]["system"]["comfyui_version"]
    return tuple(int(part) for part in version.partition("+")[0].split("."))


@pytest.fixture(autouse=True)
def _leave_idle(request: pytest.FixtureRequest) -> Iterator[None]:
    """Each test leaves an empty queue and nothing running."""
    yield
    if "host" in request.fixturenames:
        running: Host = request.getfixturevalue("host")
        running.post("/queue", {"clear": True})
        wait_until(lambda: is_idle(running))


def is_idle(host: Host) -> bool:
    host.post("/interrupt", {})
    return host.get("/prompt")[1]["exec_info"]["queue_remaining"] == 0


def wait_until(condition: Any, seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.02)


def submit(host: Host, graph: Graph, **more: Any) -> str:
    prompt_id = str(uuid.uuid4())
    status, answer = host.post("/prompt", {"prompt": graph, "prompt_id": prompt_id, **more})
    assert (status, answer["node_errors"]) == (200, {}), answer
    return prompt_id


def run(host: Host, graph: Graph, **more: Any) -> dict[str, Any]:
    return host.wait_for(submit(host, graph, **more))


def start_sleeper(host: Host) -> str:
    """Submit a long prompt and wait until it reports progress, so that an interrupt is not lost."""
    prompt_id = submit(host, graphs.sleep())
    wait_until(lambda: has_stepped(host, prompt_id))
    return prompt_id


def has_stepped(host: Host, prompt_id: str) -> bool:
    progress = host.get("/trouble/seen")[1]["progress"]
    return progress["prompt_id"] == prompt_id and any(n[1] > 0 for n in progress["nodes"].values())


def messages(entry: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return dict(entry["status"]["messages"])


def files_of(entry: dict[str, Any], host: Host) -> list[Path]:
    """Every file that a history entry names, in order."""
    lists = [items for output in entry["outputs"].values() for items in output.values()]
    found = [item for items in lists for item in items if isinstance(item, dict) and "filename" in item]
    return [host.base_directory / f["type"] / f["subfolder"] / f["filename"] for f in found]


async def events_of(host: Host, graph: Graph, *, client_id: str | None, listener: str) -> list[Any]:
    """Every event that ``listener`` hears while the graph runs, up to the status of an empty queue."""
    body = {"prompt": graph, "prompt_id": str(uuid.uuid4())} | ({"client_id": client_id} if client_id else {})
    heard: list[Any] = []
    async with (
        aiohttp.ClientSession(host.url) as session,
        session.ws_connect(f"/ws?clientId={listener}") as socket,
    ):
        heard.append(await socket.receive_json(timeout=10))
        async with session.post("/prompt", json=body) as answer:
            assert answer.status == 200
        has_run = False
        while True:
            event = await socket.receive_json(timeout=10)
            heard.append(event)
            left = event["data"].get("status", {}).get("exec_info", {}).get("queue_remaining")
            has_run = has_run or left == 1
            if has_run and left == 0 and client_id is None:
                return heard
            if event["type"] == "executing" and event["data"]["node"] is None:
                return heard


# --- submitting ---------------------------------------------------------------------------------------


def test_prompt_accepted_answers_id_number_and_no_errors(host: Host) -> None:
    prompt_id = str(uuid.uuid4())

    status, answer = host.post("/prompt", {"prompt": graphs.image("accepted"), "prompt_id": prompt_id})

    assert status == 200
    assert answer == {"prompt_id": prompt_id, "number": answer["number"], "node_errors": {}}
    assert isinstance(answer["number"], int)


def test_prompt_served_under_api_too(host: Host) -> None:
    status, answer = host.post("/api/prompt", {"prompt": graphs.image("api")})

    assert status == 200
    assert str(uuid.UUID(answer["prompt_id"])) == answer["prompt_id"]


def test_prompt_number_explicit_is_float_and_front_is_negative(host: Host) -> None:
    start_sleeper(host)
    post = {"prompt": graphs.image("number")}

    _, plain = host.post("/prompt", post)
    _, explicit = host.post("/prompt", {**post, "number": 1000000})
    _, front = host.post("/prompt", {**post, "front": True})
    _, after = host.post("/prompt", post)

    assert explicit["number"] == 1000000.0
    assert front["number"] == -(plain["number"] + 1)
    assert after["number"] == plain["number"] + 2


def test_prompt_order_smallest_number_first(host: Host) -> None:
    sleeper = start_sleeper(host)
    numbers = [50.0, 1e9, -5.0, 7.0]
    ids = {number: submit(host, graphs.image(f"order{number}"), number=number) for number in numbers}

    host.post("/interrupt", {"prompt_id": sleeper})
    for prompt_id in ids.values():
        host.wait_for(prompt_id)

    history = list(host.get("/history")[1])
    assert sorted(ids.values(), key=history.index) == [ids[number] for number in sorted(numbers)]


@pytest.mark.parametrize("prompt_id", ["mine", str(uuid.uuid4()).upper(), 7, ""], ids=repr)
def test_prompt_id_not_canonical_is_refused(host: Host, host_release: tuple[int, ...], prompt_id: Any) -> None:
    if host_release < (0, 25):
        pytest.skip("older releases take any id")

    status, answer = host.post("/prompt", {"prompt": graphs.image("id"), "prompt_id": prompt_id})

    assert (status, answer["error"]["type"], answer["node_errors"]) == (400, "invalid_prompt_id", {})


def test_prompt_missing_is_refused(host: Host) -> None:
    status, answer = host.post("/prompt", {"nothing": 1})

    assert (status, answer["error"]["type"]) == (400, "no_prompt")
    assert answer["error"].keys() == {"type", "message", "details", "extra_info"}


def test_prompt_with_unknown_node_is_refused_naming_it(host: Host, host_release: tuple[int, ...]) -> None:
    status, answer = host.post("/prompt", {"prompt": {"5": node("NoSuchNode")}})

    kind = "missing_node_type" if host_release >= (0, 25) else "invalid_prompt"
    assert (status, answer["error"]["type"], answer["node_errors"]) == (400, kind, {})
    assert answer["error"]["details"] == "Node ID '#5'"
    assert "NoSuchNode" in answer["error"]["message"]


def test_prompt_without_outputs_is_refused(host: Host) -> None:
    status, answer = host.post("/prompt", {"prompt": {"1": graphs.image("x")["1"]}})

    assert (status, answer["error"]["type"]) == (400, "prompt_no_outputs")


def changed(node_id: str, field: str, value: Any) -> Graph:
    graph = graphs.image("bad")
    if value is None:
        del graph[node_id]["inputs"][field]
    else:
        graph[node_id]["inputs"][field] = value
    return graph


BAD_GRAPHS: dict[str, tuple[Graph, str, str]] = {
    "too big": (changed("1", "width", 99999), "1", "value_bigger_than_max"),
    "too small": (changed("1", "width", 0), "1", "value_smaller_than_min"),
    "no number": (changed("1", "width", "wide"), "1", "invalid_input_type"),
    "missing": (changed("1", "color", None), "1", "required_input_missing"),
    "bad link": (changed("9", "images", ["1"]), "9", "bad_linked_input"),
    "wrong type": (
        changed("9", "images", ["1", 0]) | {"1": node("PrimitiveInt", value=1)},
        "9",
        "return_type_mismatch",
    ),
    "no such choice": (graphs.trouble("panic"), "1", "value_not_in_list"),
    "refused by node": ({"1": node("TroublePicky", word="now")}, "1", "custom_validation_failed"),
    "link into nothing": (changed("9", "images", ["77", 0]), "9", "exception_during_validation"),
}


@pytest.mark.parametrize("case", BAD_GRAPHS.values(), ids=BAD_GRAPHS.keys())
def test_prompt_bad_input_is_refused_with_its_type(host: Host, case: tuple[Graph, str, str]) -> None:
    graph, bad_node, kind = case

    status, answer = host.post("/prompt", {"prompt": graph})

    assert (status, answer["error"]["type"]) == (400, "prompt_outputs_failed_validation")
    assert [problem["type"] for problem in answer["node_errors"][bad_node]["errors"]] == [kind]
    assert answer["node_errors"][bad_node].keys() == {"errors", "dependent_outputs", "class_type"}


def test_prompt_cycle_is_refused(host: Host, host_release: tuple[int, ...]) -> None:
    if host_release < (0, 25):
        pytest.skip("older releases find cycles by running out of stack")
    scale = {"upscale_method": "area", "width": 8, "height": 8, "crop": "disabled"}
    graph = graphs.image("cycle") | {
        "2": node("ImageScale", image=["3", 0], **scale),
        "3": node("ImageScale", image=["2", 0], **scale),
    }
    graph["9"]["inputs"]["images"] = ["2", 0]

    status, answer = host.post("/prompt", {"prompt": graph})

    assert status == 400
    assert answer["node_errors"]["2"]["errors"][0]["type"] == "dependency_cycle"


def test_prompt_half_good_is_accepted_with_node_errors(host: Host) -> None:
    graph = graphs.image("half") | {"8": node("SaveImage", images=["1", 0])}
    prompt_id = str(uuid.uuid4())

    status, answer = host.post("/prompt", {"prompt": graph, "prompt_id": prompt_id})
    entry = host.wait_for(prompt_id)

    assert (status, list(answer["node_errors"])) == (200, ["8"])
    assert list(entry["outputs"]) == ["9"]
    assert entry["status"]["status_str"] == "success"


def test_prompt_partial_targets_run_alone(host: Host) -> None:
    graph = graphs.image("part") | {"8": node("SaveImage", images=["1", 0], filename_prefix="part8")}

    entry = run(host, graph, partial_execution_targets=["8"])

    assert list(entry["outputs"]) == ["8"]
    assert entry["prompt"][4] == ["8"]


# --- running ------------------------------------------------------------------------------------------


def test_history_entry_of_success_has_the_agreed_shape(host: Host, host_release: tuple[int, ...]) -> None:
    extra = {"extra_pnginfo": {"workflow": {"id": "w"}}, "e3_job": 7}
    entry = run(host, graphs.image("sub/shape", batch_size=2), client_id="me", extra_data=extra)

    assert entry.keys() == {"prompt", "outputs", "status", "meta"}
    assert len(entry["prompt"]) == 5
    marks = {"client_id", "extra_pnginfo", "e3_job"} | ({"create_time"} if host_release >= (0, 4) else set())
    assert entry["prompt"][3].keys() == marks
    assert entry["outputs"]["9"] == {
        "images": [{"filename": f"shape_0000{n}_.png", "subfolder": "sub", "type": "output"} for n in (1, 2)]
    }
    assert entry["meta"]["9"] == {
        "node_id": "9",
        "display_node": "9",
        "parent_node": None,
        "real_node_id": "9",
    }
    assert (entry["status"]["status_str"], entry["status"]["completed"]) == ("success", True)
    assert list(messages(entry)) == ["execution_start", "execution_cached", "execution_success"]
    assert all(path.stat().st_size > 0 for path in files_of(entry, host))


def test_saved_png_holds_prompt_and_extra(host: Host) -> None:
    image_module = pytest.importorskip("PIL.Image")
    extra = {"extra_pnginfo": {"workflow": {"id": "w"}, "e3": {"job": 7}}}
    entry = run(host, graphs.image("png", side=32), extra_data=extra)

    with image_module.open(files_of(entry, host)[0]) as picture:
        texts, size, pixel = picture.text, picture.size, picture.getpixel((0, 0))

    assert {key: json.loads(text) for key, text in texts.items()} == {
        "prompt": graphs.image("png", side=32),
        "workflow": {"id": "w"},
        "e3": {"job": 7},
    }
    assert (size, pixel) == ((32, 32), (0x33, 0x66, 0x99))


def test_rerun_of_the_same_graph_writes_nothing_and_names_the_old_file(host: Host) -> None:
    # With a client, as E3 always sends one: release 0.25 leaves known outputs out of the history without it.
    graph = graphs.image("rerun", color=0x010203)
    first, second = run(host, graph, client_id="me"), run(host, graph, client_id="me")

    assert second["outputs"] == first["outputs"]
    assert sorted(messages(second)["execution_cached"]["nodes"]) == ["1", "9"]
    assert second["status"]["status_str"] == "success"
    assert not (host.base_directory / "output" / "rerun_00002_.png").exists()


def test_rerun_with_an_unknown_key_runs_again(host: Host) -> None:
    graph = graphs.image("nonce", color=0x030201)
    run(host, graph)
    graph["9"]["inputs"]["_e3"] = "another"

    entry = run(host, graph)

    assert messages(entry)["execution_cached"]["nodes"] == ["1"]
    assert entry["outputs"]["9"]["images"][0]["filename"] == "nonce_00002_.png"


def test_free_memory_forgets_results(host: Host) -> None:
    graph = graphs.image("free", color=0x0A0B0C)
    run(host, graph)

    host.post("/free", {"unload_models": True, "free_memory": True})
    wait_until(lambda: not messages(run(host, graph))["execution_cached"]["nodes"] or False)


MEDIA: dict[str, tuple[Graph, str, str, bytes]] = {
    "flac": (graphs.audio("m/sound"), "audio", ".flac", b"fLaC"),
    "mp3": (graphs.audio("m/sound", "SaveAudioMP3", quality="128k"), "audio", ".mp3", b""),
    "video": (graphs.video("m/film"), "images", ".mp4", b""),
    "video with sound": (graphs.video("m/loud", with_sound=True), "images", ".mp4", b""),
    "preview": (
        {"1": graphs.image("")["1"], "9": node("PreviewImage", images=["1", 0])},
        "images",
        ".png",
        b"\x89PNG",
    ),
}


@pytest.mark.parametrize("case", MEDIA.values(), ids=MEDIA.keys())
def test_media_nodes_write_a_file_under_their_key(host: Host, case: tuple[Graph, str, str, bytes]) -> None:
    graph, key, suffix, magic = case

    entry = run(host, graph)

    assert entry["status"]["status_str"] == "success", messages(entry)
    output = entry["outputs"]["9"]
    assert output.keys() == ({key, "animated"} if suffix == ".mp4" else {key})
    assert output.get("animated", [True]) == [True]
    (path,) = files_of(entry, host)
    assert path.suffix == suffix
    assert path.read_bytes().startswith(magic) and path.stat().st_size > 100


def test_saved_video_carries_pictures_sound_and_prompt(host: Host) -> None:
    av = pytest.importorskip("av")
    graph = graphs.video("inside/film", with_sound=True)
    entry = run(host, graph)

    with av.open(str(files_of(entry, host)[0])) as container:
        picture, sound = container.streams.video[0], container.streams.audio[0]
        seen = (picture.codec_context.name, picture.width, picture.height, picture.frames, sound.codec.name)
        texts = dict(container.metadata)

    assert seen == ("h264", 64, 48, 4, "aac")
    assert json.loads(texts["prompt"]) == graph


def test_text_and_model_nodes_pass_their_files_through(host: Host, host_release: tuple[int, ...]) -> None:
    if host_release < (0, 33):
        pytest.skip("SaveText and the file inputs of SaveGLB are newer")
    folder = host.base_directory / "input" / "3d"
    folder.mkdir(exist_ok=True)
    (folder / "cube.glb").write_bytes(b"glTF-content")
    picture = run(host, graphs.image("shot"))["outputs"]["9"]["images"][0]
    shutil.copy(host.base_directory / "output" / picture["filename"], folder.parent / "shot.png")
    seen = {
        "image": "shot.png",
        "mask": "shot.png",
        "normal": "shot.png",
        "recording": "",
        "camera_info": {"zoom": 1},
    }
    graph = {
        "1": node("Load3D", model_file="3d/cube.glb", image=seen, width=64, height=64),
        "2": node("PrimitiveString", value='{"a": 1}'),
        "7": node("SaveText", text=["2", 0], filename_prefix="t/words", format="json"),
        "8": node("Preview3D", model_file=["1", 2], camera_info=["1", 4]),
        "9": node("SaveGLB", mesh=["1", 6], filename_prefix="t/cube"),
    }

    outputs = run(host, graph)["outputs"]

    def kept(name: str) -> dict[str, str]:
        return {"filename": name, "subfolder": "t", "type": "output"}

    assert outputs["7"] == {"text": ['{"a": 1}'], "files": [kept("words_00001.json")]}
    assert outputs["8"] == {"result": ["3d/cube.glb", {"zoom": 1}, None]}
    assert outputs["9"] == {"3d": [kept("cube_00001_.glb")]}
    assert (host.base_directory / "output/t/cube_00001_.glb").read_bytes() == b"glTF-content"


def test_loaded_scaled_and_joined_pictures_have_the_right_size(host: Host) -> None:
    image_module = pytest.importorskip("PIL.Image")
    image_module.new("RGBA", (40, 20), (255, 0, 0, 128)).save(host.base_directory / "input" / "red.png")
    scale = {"upscale_method": "lanczos", "width": 10, "height": 0, "crop": "disabled"}
    graph = {
        "1": node("LoadImage", image="red.png"),
        "2": node("ImageScale", image=["1", 0], **scale),
        "3": node("ImageInvert", image=["2", 0]),
        "4": node("ImageBatch", image1=["2", 0], image2=["3", 0]),
        "9": node("SaveImage", images=["4", 0], filename_prefix="scaled"),
    }

    paths = files_of(run(host, graph), host)

    seen = []
    for path in paths:
        with image_module.open(path) as picture:
            seen.append((picture.size, picture.getpixel((5, 2))))
    assert seen == [((10, 5), (255, 0, 0)), ((10, 5), (0, 255, 255))]


def test_prefix_tokens_are_expanded_and_escapes_fail(host: Host) -> None:
    good = run(host, graphs.image("%year%/p_%width%x%height%", side=24))
    bad = run(host, graphs.image("../../outside"))

    saved = good["outputs"]["9"]["images"][0]
    assert saved["subfolder"] == str(time.localtime().tm_year)
    assert saved["filename"] == "p_24x24_00001_.png"
    assert "outside the output folder" in messages(bad)["execution_error"]["exception_message"]


def test_hidden_inputs_reach_the_node(host: Host) -> None:
    png = {"workflow": {"id": "w"}}

    entry = run(host, {"4": node("TroubleTell", value="3")}, extra_data={"extra_pnginfo": png})

    assert entry["outputs"]["4"]["seen"] == [{"value": 3, "id": "4", "nodes": ["4"], "png": png}]


def test_list_output_runs_the_next_node_for_each_element(host: Host) -> None:
    graph = {"1": node("TroubleMany", count=3), "2": node("TroubleTell", value=["1", 0])}

    entry = run(host, graph)

    assert [seen["value"] for seen in entry["outputs"]["2"]["seen"]] == [0, 1, 2]


def test_async_node_runs(host: Host) -> None:
    assert run(host, {"1": node("TroublePicky", word="please")})["outputs"]["1"] == {"text": ["please"]}


# --- failing ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "types", "message"),
    [
        ("error", {"ValueError"}, "it broke\n"),
        (
            "oom",
            {"torch.OutOfMemoryError", "torch.cuda.OutOfMemoryError", "Exception"},
            "Allocation on device\n",
        ),
    ],
    ids=["error", "oom"],
)
def test_node_that_raises_ends_the_prompt_with_an_error(
    host: Host, host_release: tuple[int, ...], kind: str, types: set[str], message: str
) -> None:
    graph = graphs.trouble(kind) | graphs.image(f"after-{kind}", color=1)
    graph["1"], graph["2"] = graph["1"], node("TroubleRaise", kind=kind)

    entry = run(host, graph, client_id="me")
    after = run(host, graphs.image(f"next-{kind}"))

    told = messages(entry)["execution_error"]
    assert (entry["status"]["status_str"], entry["status"]["completed"]) == ("error", False)
    assert told.keys() == {
        *("prompt_id", "node_id", "node_type", "executed", "exception_message", "exception_type"),
        *("traceback", "current_inputs", "current_outputs", "timestamp"),
    }
    assert (told["node_id"], told["node_type"]) == ("2", "TroubleRaise")
    assert told["exception_type"] in types
    if host_release >= (0, 25):
        assert told["exception_message"].startswith(message)
    assert told["current_inputs"] == {"kind": [kind]}
    assert all(isinstance(line, str) for line in told["traceback"])
    assert after["status"]["status_str"] == "success"


def test_interrupt_by_id_ends_the_running_prompt_alone(host: Host) -> None:
    running = start_sleeper(host)
    waiting = submit(host, graphs.image("waits"))

    host.post("/interrupt", {"prompt_id": waiting})
    assert host.get("/queue")[1]["queue_running"][0][1] == running
    host.post("/interrupt", {"prompt_id": running})
    entry = host.wait_for(running)

    told = messages(entry)["execution_interrupted"]
    assert told.keys() == {"prompt_id", "node_id", "node_type", "executed", "timestamp"}
    assert (entry["status"]["status_str"], entry["status"]["completed"]) == ("error", False)
    assert host.wait_for(waiting)["status"]["status_str"] == "success"


def test_interrupt_before_the_start_is_forgotten(host: Host) -> None:
    host.post("/interrupt", {})

    assert run(host, graphs.image("late", color=5))["status"]["status_str"] == "success"


def test_queue_delete_and_clear_leave_no_history(host: Host) -> None:
    start_sleeper(host)
    first, second, third = (submit(host, graphs.image(f"gone{n}")) for n in range(3))

    host.post("/queue", {"delete": [second]})
    left = [item[1] for item in host.get("/queue")[1]["queue_pending"]]
    host.post("/queue", {"clear": True})
    _, queue = host.get("/queue")

    assert sorted(left) == sorted([first, third])
    assert (queue["queue_pending"], len(queue["queue_running"])) == ([], 1)
    assert len(queue["queue_running"][0]) == 5
    assert all(host.get(f"/history/{prompt_id}")[1] == {} for prompt_id in (first, second, third))


def test_history_pages_delete_and_clear(host: Host) -> None:
    ids = [submit(host, graphs.image(f"page{n}", color=n)) for n in range(3)]
    for prompt_id in ids:
        host.wait_for(prompt_id)

    newest = list(host.get("/history?max_items=2")[1])
    page = list(host.get("/history?max_items=1&offset=0")[1])
    host.post("/history", {"delete": [ids[1]]})
    missing = host.get(f"/history/{ids[1]}")[1]
    host.post("/history", {"clear": True})

    assert newest == ids[1:]
    assert len(page) == 1 and page[0] not in newest
    assert missing == {}
    assert host.get("/history")[1] == {}


# --- events -------------------------------------------------------------------------------------------


async def test_events_to_the_client_come_in_order(host: Host) -> None:
    client_id = f"comfyui-e3-{uuid.uuid4().hex}"
    graph = graphs.image("events", color=0x777777)

    heard = await events_of(host, graph, client_id=client_id, listener=client_id)

    assert heard[0]["data"]["sid"] == client_id
    told = [event["type"] for event in heard if event["type"] not in ("status", "progress_state")]
    one_node = ["executing"]
    assert told == [
        *("execution_start", "execution_cached", *one_node, *one_node, "executed"),
        *("execution_success", "executing"),
    ]
    last = heard[-1]["data"]
    assert last.keys() == {"node", "prompt_id"} and last["node"] is None
    executed = next(event["data"] for event in heard if event["type"] == "executed")
    assert executed.keys() == {"node", "display_node", "output", "prompt_id"}
    state = next(event["data"] for event in heard if event["type"] == "progress_state")
    entry = next(iter(state["nodes"].values()))
    assert entry.keys() == {
        *("value", "max", "state", "node_id", "prompt_id"),
        *("display_node_id", "parent_node_id", "real_node_id"),
    }
    success = [event["type"] for event in heard].index("execution_success")
    emptied = [index for index, event in enumerate(heard) if is_empty_status(event) and index > 0]
    assert success < emptied[-1]


def is_empty_status(event: dict[str, Any]) -> bool:
    return event["type"] == "status" and event["data"]["status"]["exec_info"]["queue_remaining"] == 0


async def test_events_of_a_prompt_with_client_do_not_reach_others(host: Host) -> None:
    heard: list[Any] = []
    async with aiohttp.ClientSession(host.url) as session, session.ws_connect("/ws?clientId=other") as socket:
        await events_of(host, graphs.sleep(3, 0.15), client_id="mine", listener="mine")
        async with session.post("/queue", json={"clear": True}):
            pass
        while not heard or not is_empty_status(heard[-1]) or len(heard) < 4:
            heard.append(await socket.receive_json(timeout=10))

    assert {event["type"] for event in heard} == {"status"}


async def test_events_of_a_prompt_without_client_broadcast_progress_only(host: Host) -> None:
    heard = await events_of(host, graphs.sleep(3, 0.15), client_id=None, listener="anybody")

    assert {event["type"] for event in heard} == {"status", "progress", "progress_state"}
    step = next(event["data"] for event in heard if event["type"] == "progress")
    assert step.keys() == {"value", "max", "prompt_id", "node"}


async def test_socket_answers_feature_flags(host: Host) -> None:
    async with (
        aiohttp.ClientSession(host.url) as session,
        session.ws_connect("/ws?clientId=flags") as socket,
    ):
        await socket.receive_json(timeout=10)
        await socket.send_json({"type": "feature_flags", "data": {"supports_preview_metadata": True}})
        answer = await socket.receive_json(timeout=10)

    assert answer["type"] == "feature_flags"
    assert answer["data"]["max_upload_size"] == 104857600


# --- plugins ------------------------------------------------------------------------------------------


def test_pack_is_loaded_as_comfyui_loads_it(host: Host) -> None:
    _, seen = host.get("/api/trouble/seen")

    pack = host.base_directory / "custom_nodes" / "trouble-pack.v1"
    name = str(pack).replace(".", "_x_")
    expected = {"module": name, "package": name, "thread": "MainThread", "is_loop_running": True}
    assert seen["at_import"] == {**expected, "has_address": False, "is_frozen": False}
    assert seen["at_startup"] == [{"has_worker": True, "file": True}]
    assert (seen["is_registered"], seen["has_worker"], seen["has_core_prompt"]) == (True, True, True)
    assert seen["address"] == ["127.0.0.1", host.port]


def test_pack_sees_the_folders(host: Host) -> None:
    folders = host.get("/trouble/seen")[1]["folders"]

    base = host.base_directory
    assert folders == {
        **{name: str(base / name) for name in ("output", "input", "temp", "user")},
        "base": str(base),
        "by_type": str(base / "output"),
        "unknown": None,
    }


def test_pack_that_breaks_is_named_and_stops_nothing(host: Host) -> None:
    log = host.log_path.read_text("utf-8", "replace")

    assert "this pack is broken" in log
    assert any("(IMPORT FAILED)" in line and "broken" in line for line in log.splitlines())


def test_pack_publishes_scripts_and_templates(host: Host) -> None:
    _, scripts = host.get("/extensions")
    _, templates = host.get("/api/workflow_templates")

    assert "/extensions/trouble-pack.v1/trouble.js" in scripts
    assert host.get("/extensions/trouble-pack.v1/trouble.js")[0] == 200
    assert templates == {"trouble-pack.v1": ["sample"]}
    assert host.get("/api/workflow_templates/trouble-pack.v1/sample.json") == (200, {"nodes": []})


def test_pack_nodes_are_described(host: Host) -> None:
    _, told = host.get("/object_info/TroubleRaise")

    described = told["TroubleRaise"]
    assert described["display_name"] == "Trouble"
    assert described["python_module"] == "custom_nodes.trouble-pack.v1"
    assert (described["output_node"], described["output"], described["output_name"]) == (
        *(True, ["STRING"], ["STRING"]),
    )
    assert described["input_order"] == {"required": ["kind"], "optional": ["after"]}
    assert host.get("/object_info/NoSuchNode") == (200, {})
    assert "TroubleRaise" in host.get("/object_info")[1]


# --- files, pages and guards --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("filename=seen_00001_.png", 200),
        ("filename=seen_00001_.png&type=output&subfolder=", 200),
        ("filename=seen_00001_.png%20[output]&type=input", 200),
        ("filename=seen_00001_.png&preview=webp;50", 200),
        ("filename=seen_00001_.png&channel=a", 200),
        ("filename=nothing.png", 404),
        ("type=output", 404),
        ("filename=", 400),
        ("filename=/etc/passwd", 400),
        ("filename=../seen_00001_.png", 400),
        ("filename=seen_00001_.png&type=secret", 400),
        ("filename=seen_00001_.png&subfolder=../..", 403),
    ],
)
def test_view_serves_results_and_refuses_the_rest(host: Host, query: str, status: int) -> None:
    if not (host.base_directory / "output" / "seen_00001_.png").exists():
        run(host, graphs.image("seen", color=0x424242))

    assert host.get(f"/view?{query}")[0] == status


def test_view_offers_active_content_as_download(host: Host, host_release: tuple[int, ...]) -> None:
    (host.base_directory / "output" / "page.html").write_text("<script>1</script>", "utf-8")

    status, headers = headers_of(host, "/view?filename=page.html")

    assert (status, headers["Content-Type"]) == (200, "application/octet-stream")
    if host_release >= (0, 33):
        assert headers["Content-Disposition"].startswith("attachment")


def headers_of(host: Host, path: str) -> tuple[int, Any]:
    import urllib.request

    with urllib.request.urlopen(host.url + path, timeout=10) as answer:
        return answer.status, answer.headers


async def test_upload_numbers_other_content_and_keeps_the_same(host: Host) -> None:
    async def send(content: bytes, **fields: str) -> tuple[int, Any]:
        form = aiohttp.FormData(fields)
        form.add_field("image", content, filename="up.png", content_type="image/png")
        async with (
            aiohttp.ClientSession(host.url) as session,
            session.post("/upload/image", data=form) as answer,
        ):
            return answer.status, await answer.json() if answer.status == 200 else None

    names = [(await send(content, subfolder="in"))[1]["name"] for content in (b"one", b"two", b"one")]
    overwritten = await send(b"three", subfolder="in", overwrite="true")
    outside = await send(b"x", subfolder="../..")

    assert names == ["up.png", "up (1).png", "up.png"]
    assert overwritten == (200, {"name": "up.png", "subfolder": "in", "type": "input"})
    assert (host.base_directory / "input" / "in" / "up.png").read_bytes() == b"three"
    assert outside[0] == 400


@pytest.mark.parametrize(
    ("headers", "is_refused"),
    [
        ({}, False),
        ({"Origin": "null"}, False),
        ({"Origin": "http://evil.example"}, True),
        ({"Host": "evil.example", "Origin": "http://evil.example"}, False),
        ({"Sec-Fetch-Site": "cross-site"}, True),
    ],
    ids=["none", "null", "foreign", "rebound", "cross-site"],
)
def test_origin_guard_refuses_other_sites(
    host: Host, host_release: tuple[int, ...], headers: dict[str, str], is_refused: bool
) -> None:
    if "Sec-Fetch-Site" in headers and host_release < (0, 19):
        pytest.skip("older releases do not look at it")

    assert (host.request("GET", "/prompt", headers=headers)[0] == 403) is is_refused


def test_jobs_tell_every_prompt(host: Host, host_release: tuple[int, ...]) -> None:
    if host_release < (0, 25):
        pytest.skip("older releases have no /api/jobs")
    done = submit(host, graphs.image("job", color=9), extra_data={"extra_pnginfo": {"workflow": {"id": "w9"}}})
    host.wait_for(done)
    failed = submit(host, graphs.trouble("error"))
    host.wait_for(failed)
    running = start_sleeper(host)
    waiting = submit(host, graphs.image("job2"))

    _, told = host.get("/api/jobs")
    jobs = {job["id"]: job for job in told["jobs"]}
    _, one = host.get(f"/api/jobs/{done}")

    wanted = {done: "completed", failed: "failed", running: "in_progress", waiting: "pending"}
    assert {job_id: jobs[job_id]["status"] for job_id in wanted} == wanted
    assert jobs[done]["workflow_id"] == "w9"
    assert jobs[done]["preview_output"]["mediaType"] == "images"
    assert jobs[failed]["execution_error"]["exception_type"] == "ValueError"
    assert one["outputs"]["9"]["images"][0]["filename"] == "job_00001_.png"
    assert {"outputs", "execution_status", "workflow"} <= one.keys()
    assert [j["id"] for j in host.get("/api/jobs?status=pending")[1]["jobs"]] == [waiting]
    assert host.get("/api/jobs?status=weird")[0] == 400
    assert host.get("/api/jobs?limit=0")[0] == 400
    assert host.get(f"/api/jobs/{uuid.uuid4()}")[0] == 404


def test_user_settings_and_files_are_kept(host: Host) -> None:
    host.post("/settings", {"E3.A": 1})
    host.post("/settings/E3.B", [2])
    host.request("POST", "/userdata/e3%2Fnote.txt", b"hello", {"Content-Type": "application/octet-stream"})

    assert host.get("/settings")[1].items() >= {"E3.A": 1, "E3.B": [2]}.items()
    assert host.get("/settings/E3.A")[1] == 1
    assert host.get("/userdata/e3%2Fnote.txt") == (200, b"hello")
    assert host.get("/userdata?dir=e3")[1] == ["note.txt"]
    assert host.get("/userdata?dir=nothing")[0] == 404
    assert host.get("/userdata/..%2F..%2Fembedded.log")[0] == 403
    assert host.get("/users")[1] == {"storage": "server", "migrated": True}


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/embeddings",
        "/models",
        "/models/checkpoints",
        "/experiment/models",
        "/features",
        "/i18n",
        "/object_info",
    ],
)
def test_pages_that_a_frontend_asks_for_are_there(host: Host, path: str) -> None:
    assert host.get(path)[0] == 200
    assert path == "/" or host.get(f"/api{path}")[0] == 200


# --- dying (each on a host of its own) ----------------------------------------------------------------


@pytest.mark.parametrize("kind", available_hosts(), ids=lambda kind: kind.name)
def test_worker_that_dies_leaves_its_prompt_running_for_ever(kind: type[Host], tmp_path: Path) -> None:
    with kind().start(tmp_path, custom_nodes={"trouble": PACKS / "trouble"}) as host:
        dead = submit(host, graphs.trouble("exit"))
        wait_until(lambda: not host.get("/trouble/seen")[1]["has_worker"])
        waiting = submit(host, graphs.image("never"))
        _, queue = host.get("/queue")

    assert [item[1] for item in queue["queue_running"]] == [dead]
    assert [item[1] for item in queue["queue_pending"]] == [waiting]


@pytest.mark.parametrize("kind", available_hosts(), ids=lambda kind: kind.name)
def test_process_that_is_killed_forgets_its_history(kind: type[Host], tmp_path: Path) -> None:
    # The process dies a little after it has answered, so that the answer is never cut off.
    fuse = {
        "1": node("TroubleSleep", steps=5, seconds=0.1),
        "2": node("TroubleRaise", kind="kill", after=["1", 0]),
    }
    with kind().start(tmp_path, custom_nodes={"trouble": PACKS / "trouble"}) as host:
        run(host, graphs.image("kept"))
        submit(host, fuse)
        wait_until(lambda: not host.is_alive)

    with kind().start(tmp_path) as again:
        history = again.get("/history")[1]
        entry = run(again, graphs.image("kept"))

    assert history == {}
    assert entry["outputs"]["9"]["images"][0]["filename"] == "kept_00002_.png"
