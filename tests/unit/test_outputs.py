"""From ComfyUI's staging to exactly the files a job asks for, and the job file to finished/."""

from __future__ import annotations

import hashlib
import json
import os
import struct
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from comfyui_e3.e3_nodes import outputs
from comfyui_e3.e3_nodes.errors import InvalidConfig, LeaseLost, OutputError, OutputExists, StagingLost
from comfyui_e3.e3_nodes.file_utils import disk
from comfyui_e3.e3_nodes.outputs import staging

posix_only = pytest.mark.skipif(os.name == "nt", reason="Windows has other kinds of files")
TOKEN = "0123456789abcdef" * 2


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I4s", len(body), kind) + body + struct.pack(">I", zlib.crc32(kind + body))


def png(pixels: bytes = b"pixels") -> bytes:
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", b"\0" * 13) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def webp(pixels: bytes = b"pixels") -> bytes:
    return b"RIFF" + struct.pack("<I", len(pixels) + 4) + b"WEBP" + pixels


class House:
    """A home with finished/ and processing/, and the staging folder of one attempt."""

    def __init__(self, root: Path) -> None:
        self.finished = root / "jobs" / "finished"
        self.processing = root / "jobs" / "processing"
        self.output = root / "output"
        self.staging = self.output / "e3" / TOKEN
        for folder in (self.finished, self.processing, self.staging):
            folder.mkdir(parents=True)
        self.cfg = {
            "home": str(root),
            "paths": {
                "jobs_finished": str(self.finished),
                "jobs_processing": str(self.processing),
                "output_roots": [],
            },
        }

    def dest(self, file_path: str = "image/cat.png", **changes: Any) -> dict[str, Any]:
        return {
            "file_path": str(self.finished / file_path),
            "if_exists": "fail",
            "nodes": None,
            "roots": [str(self.finished)],
            "staging": str(self.staging),
            **changes,
        }

    def stage(self, name: str = "cat_00001_.png", data: bytes | None = None, node: str = "9") -> dict[str, str]:
        path = self.staging / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(png(name.encode()) if data is None else data)
        return {"node": node, "path": str(path)}

    def files(self) -> dict[str, bytes]:
        """Return every file under finished/ by relative path, the hidden ones too."""
        return {
            path.relative_to(self.finished).as_posix(): path.read_bytes()
            for path in self.finished.rglob("*")
            if path.is_file()
        }

    def job(self, text: str = "job_type: T2I\n", folder: str = "image", **changes: Any) -> dict[str, Any]:
        name = "T2I_20250101000000_1_cat.yaml"
        path = self.processing / folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode())
        return {
            "config_name": name,
            "media": "image",
            "config_path": str(path),
            "config_sha256": hashlib.sha256(text.encode()).hexdigest(),
            "source_yaml": text,
            **changes,
        }


@pytest.fixture(params=["by descriptor", "by path"])
def house(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> House:
    """Every test runs twice: as on POSIX, and as on Windows, which cannot hold a folder by a descriptor."""
    if request.param == "by path":
        monkeypatch.setattr(disk, "HAS_DIR_FD", False)
    return House(tmp_path)


def result(*artifacts: dict[str, str]) -> dict[str, Any]:
    return {"outcome": "success", "artifacts": list(artifacts)}


# --- write_outputs --------------------------------------------------------------------------------
def test_outputs_write_outputs_makes_exactly_the_file_asked_for(house: House) -> None:
    data = png()

    saved = outputs.write_outputs(result(house.stage(data=data)), house.dest())

    assert house.files() == {"image/cat.png": data}
    assert saved == {
        "saved": [str(house.finished / "image" / "cat.png")],
        "bytes": len(data),
        "hash": hashlib.sha256(data).hexdigest(),
        "hashes": [hashlib.sha256(data).hexdigest()],
        "media_type": "image/png",
        "linked": True,
        "warnings": [],
    }


def test_outputs_write_outputs_keeps_comfyuis_copy_at_no_cost(house: House) -> None:
    staged = house.stage()

    outputs.write_outputs(result(staged), house.dest())

    assert (house.finished / "image" / "cat.png").samefile(staged["path"])


def test_outputs_write_outputs_numbers_several_by_natural_node_id(house: House) -> None:
    made = [
        house.stage("a.png", png(b"a"), node="57:10"),
        house.stage("b.png", png(b"b"), node="9"),
        house.stage("c.png", png(b"c"), node="57:3"),
        house.stage("d.png", png(b"d"), node="9"),
    ]

    outputs.write_outputs(result(*made), house.dest())

    assert house.files() == {
        "image/cat.png": png(b"b"),
        "image/cat_2.png": png(b"d"),
        "image/cat_3.png": png(b"c"),
        "image/cat_4.png": png(b"a"),
    }


def test_outputs_write_outputs_takes_only_the_nodes_asked_for_in_their_order(house: House) -> None:
    made = [house.stage(f"{node}.png", png(node.encode()), node=node) for node in ("3", "9", "12")]

    outputs.write_outputs(result(*made), house.dest(nodes=["12", "3"]))

    assert house.files() == {"image/cat.png": png(b"12"), "image/cat_2.png": png(b"3")}


def test_outputs_write_outputs_takes_files_that_no_node_claims(house: House) -> None:
    outputs.write_outputs(result(house.stage(node="")), house.dest(nodes=["12"]))

    assert list(house.files()) == ["image/cat.png"]


def test_outputs_write_outputs_takes_a_file_that_is_named_twice_once(house: House) -> None:
    first, second = house.stage("a.png"), house.stage("b.png")

    outputs.write_outputs(result(first, second, first), house.dest())

    assert list(house.files().values()) == [Path(made["path"]).read_bytes() for made in (first, second)]


def test_outputs_write_outputs_places_the_number(house: House) -> None:
    made = [house.stage("a.png"), house.stage("b.png")]

    outputs.write_outputs(result(*made), house.dest("image/cat {index} of {seed}.png"))

    assert list(house.files()) == ["image/cat 1 of {seed}.png", "image/cat 2 of {seed}.png"]


def test_outputs_write_outputs_may_place_the_number_in_a_folder(house: House) -> None:
    made = [house.stage("a.png"), house.stage("b.png")]

    outputs.write_outputs(result(*made), house.dest("image/{index}/cat.png"))

    assert sorted(house.files()) == ["image/1/cat.png", "image/2/cat.png"]


def test_outputs_write_outputs_names_the_file_by_what_it_is(house: House) -> None:
    saved = outputs.write_outputs(result(house.stage("cat.webp", webp())), house.dest())

    assert house.files() == {"image/cat.webp": webp()}
    assert saved["media_type"] == "image/webp"
    assert saved["warnings"] == ["asked for .png, made webp: saved as cat.webp"]


def test_outputs_write_outputs_keeps_the_spelling_of_the_extension(house: House) -> None:
    saved = outputs.write_outputs(result(house.stage()), house.dest("image/cat.PnG"))

    assert list(house.files()) == ["image/cat.PnG"]
    assert saved["warnings"] == []


def test_outputs_write_outputs_without_any_file_is_no_success(house: House) -> None:
    with pytest.raises(OutputError) as raised:
        outputs.write_outputs(result(house.stage(node="3")), house.dest(nodes=["9"]))

    assert raised.value.code == "no_outputs"


@pytest.mark.parametrize(
    ("name", "data", "code"),
    [
        ("cat.png", png()[:-20], "error"),
        ("cat.png", b"", "error"),
        ("cat.png", b"#!/bin/sh\n", "error"),
        ("cat.txt", b"", "error"),
        ("cat.py", b"import os", "invalid"),
        ("cat.html", b"<script>", "invalid"),
        ("cat", b"\x7fELF", "invalid"),
        ("cat.avif", b"\0\0\0\x10ftypavif....", "invalid"),
    ],
    ids=["cut off", "empty", "a script", "empty text", "code", "page", "program", "type not allowed"],
)
def test_outputs_write_outputs_publishes_only_whole_results(name: str, data: bytes, code: str, house: House) -> None:
    with pytest.raises(OutputError, match=name) as raised:
        outputs.write_outputs(result(house.stage(name, data)), house.dest())

    assert raised.value.code == code
    assert house.files() == {}


def test_outputs_write_outputs_publishes_none_of_a_set_with_a_damaged_one(house: House) -> None:
    with pytest.raises(OutputError):
        outputs.write_outputs(result(house.stage("a.png"), house.stage("b.png", b"")), house.dest())

    assert house.files() == {}


def test_outputs_write_outputs_commits_before_the_first_file_appears(house: House) -> None:
    seen: list[tuple[list[Any], dict[str, bytes]]] = []
    staged = house.stage(data=png())

    def commit(intents: list[Any]) -> bool:
        seen.append((intents, house.files()))
        return True

    outputs.write_outputs(result(staged), house.dest(), commit_intents=commit)

    intent = {
        "number": 1,
        "staged_path": os.path.realpath(staged["path"]),
        "final_path": str(house.finished / "image" / "cat.png"),
        "bytes": len(png()),
        "sha256": hashlib.sha256(png()).hexdigest(),
    }
    assert seen == [([intent], {})]


def test_outputs_write_outputs_stops_when_the_commit_says_fenced(house: House) -> None:
    with pytest.raises(LeaseLost):
        outputs.write_outputs(result(house.stage()), house.dest(), commit_intents=lambda _: False)

    assert house.files() == {}


def test_outputs_write_outputs_asks_for_the_lease_before_each_file(house: House) -> None:
    answers = iter([True, True, False])
    made = [house.stage(f"{n}.png") for n in range(4)]

    with pytest.raises(LeaseLost):
        outputs.write_outputs(result(*made), house.dest(), holds_lease=lambda: next(answers))

    assert list(house.files()) == ["image/cat.png", "image/cat_2.png"]


# --- artifacts that are none ----------------------------------------------------------------------
def outside(house: House) -> str:
    path = house.output / "theirs.png"
    path.write_bytes(png())
    return str(path)


def climbing(house: House) -> str:
    outside(house)
    return str(house.staging / ".." / ".." / "theirs.png")


def link_inside(house: House) -> str:
    (house.staging / "link.png").symlink_to(house.stage()["path"])
    return str(house.staging / "link.png")


def link_outside(house: House) -> str:
    (house.staging / "link.png").symlink_to(outside(house))
    return str(house.staging / "link.png")


def linked_folder(house: House) -> str:
    outside(house)
    (house.staging / "sub").symlink_to(house.output)
    return str(house.staging / "sub" / "theirs.png")


def pipe(house: House) -> str:
    os.mkfifo(house.staging / "pipe.png")
    return str(house.staging / "pipe.png")


def folder(house: House) -> str:
    (house.staging / "folder.png").mkdir()
    return str(house.staging / "folder.png")


def missing(house: House) -> str:
    return str(house.staging / "missing.png")


@posix_only
@pytest.mark.parametrize("make", [outside, climbing, link_inside, link_outside, linked_folder, pipe, folder, missing])
def test_outputs_write_outputs_accepts_only_regular_files_of_this_attempt(
    make: Callable[[House], str], house: House
) -> None:
    path = make(house)

    with pytest.raises(OutputError):
        outputs.write_outputs(result({"node": "9", "path": path}), house.dest())

    assert house.files() == {}


@posix_only
def test_outputs_write_outputs_works_where_the_output_folder_is_a_link(house: House, tmp_path: Path) -> None:
    house.stage()
    (tmp_path / "linked").symlink_to(house.output)
    staging = tmp_path / "linked" / "e3" / TOKEN
    made = {"node": "9", "path": str(staging / "cat_00001_.png")}

    saved = outputs.write_outputs(result(made), house.dest(staging=str(staging)))

    assert saved["linked"]


# --- if_exists ------------------------------------------------------------------------------------
def file_one(job: dict[str, Any], cfg: dict[str, Any], **told: Any) -> Path:
    """File one job with a result file that tells its name and more; raise what kept it from being filed."""
    for fault in outputs.file_jobs([(job, {"config_name": job["config_name"], **told})], cfg).values():
        raise fault
    return outputs.finished_path(job, cfg)


def result_file(job_file: Path) -> Path:
    return job_file.with_suffix(".result.json")


def put(house: House, name: str, data: bytes = b"theirs") -> Path:
    path = house.finished / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def test_outputs_write_outputs_leaves_a_strangers_file_alone(house: House) -> None:
    put(house, "image/cat_2.png")
    commits: list[Any] = []

    with pytest.raises(OutputExists, match=r"cat_2\.png"):
        outputs.write_outputs(
            result(house.stage("a.png"), house.stage("b.png")),
            house.dest(),
            commit_intents=lambda intents: bool(commits.append(intents)),
        )

    assert house.files() == {"image/cat_2.png": b"theirs"}
    assert not commits


def test_outputs_write_outputs_takes_no_equal_file_of_a_stranger_for_its_own(house: House) -> None:
    put(house, "image/cat.png", png())

    with pytest.raises(OutputExists):
        outputs.write_outputs(result(house.stage(data=png())), house.dest())


def test_outputs_write_outputs_moves_the_whole_set_to_one_version(house: House) -> None:
    put(house, "image/cat.png")
    put(house, "image/cat_v2_2.png")

    saved = outputs.write_outputs(result(house.stage("a.png"), house.stage("b.png")), house.dest(if_exists="version"))

    assert [Path(path).name for path in saved["saved"]] == ["cat_v3.png", "cat_v3_2.png"]
    assert house.files()["image/cat.png"] == b"theirs"


def test_outputs_write_outputs_overwrites_only_when_told(house: House) -> None:
    put(house, "image/cat.png")

    outputs.write_outputs(result(house.stage(data=png())), house.dest(if_exists="overwrite"))

    assert house.files() == {"image/cat.png": png()}


def test_outputs_write_outputs_overwrites_by_a_whole_file(house: House) -> None:
    """A reader that has the old file open keeps it: it is replaced, not written into."""
    with put(house, "image/cat.png").open("rb") as reader:
        outputs.write_outputs(result(house.stage(data=png())), house.dest(if_exists="overwrite"))

        assert os.name == "nt" or reader.read() == b"theirs"


@posix_only
@pytest.mark.parametrize("kind", ["folder", "link", "dangling link", "pipe"])
@pytest.mark.parametrize("policy", ["fail", "overwrite"])
def test_outputs_write_outputs_never_replaces_what_is_no_file(kind: str, policy: str, house: House) -> None:
    target = put(house, "image/other.png").with_name("cat.png")
    make: dict[str, Callable[[], None]] = {
        "folder": target.mkdir,
        "link": lambda: target.symlink_to(target.with_name("other.png")),
        "dangling link": lambda: target.symlink_to("nowhere"),
        "pipe": lambda: os.mkfifo(target),
    }
    make[kind]()
    before = target.lstat()

    with pytest.raises(OutputExists):
        outputs.write_outputs(result(house.stage()), house.dest(if_exists=policy))

    assert os.path.samestat(before, target.lstat())
    assert (target.parent / "other.png").read_bytes() == b"theirs"


def test_outputs_write_outputs_replaces_what_an_earlier_attempt_left(house: House) -> None:
    earlier: list[Any] = []
    outputs.write_outputs(
        result(house.stage("a.png", png(b"first"))),
        house.dest(),
        commit_intents=lambda intents: not earlier.extend(intents),
    )

    again = house.dest(earlier=earlier)
    outputs.preflight(again)
    outputs.write_outputs(result(house.stage("b.png", png(b"second"))), again)

    assert house.files() == {"image/cat.png": png(b"second")}


# --- preflight and final_path ---------------------------------------------------------------------
def test_outputs_preflight_makes_the_folder_and_leaves_nothing_in_it(house: House) -> None:
    outputs.preflight(house.dest("image/a/b/cat.png"))

    assert (house.finished / "image" / "a" / "b").is_dir()
    assert house.files() == {}


def test_outputs_preflight_finds_the_path_taken(house: House) -> None:
    put(house, "image/cat_1.png")

    with pytest.raises(OutputExists, match="if_exists"):
        outputs.preflight(house.dest("image/cat_{index}.png"))


@pytest.mark.parametrize("policy", ["version", "overwrite"])
def test_outputs_preflight_lets_a_taken_path_pass_where_the_job_allows_it(policy: str, house: House) -> None:
    put(house, "image/cat.png")

    outputs.preflight(house.dest(if_exists=policy))


@pytest.mark.parametrize(
    ("file_path", "code"),
    [
        ("image/cat.exe", "ext_not_allowed"),
        ("image/cat", "ext_not_allowed"),
        ("image/cat.result.json", "path_reserved"),
        ("../cat.png", "path_outside"),
    ],
)
def test_outputs_preflight_refuses_a_bad_path(file_path: str, code: str, house: House) -> None:
    with pytest.raises(InvalidConfig) as refused:
        outputs.preflight(house.dest(file_path))

    assert refused.value.code == code


def test_outputs_preflight_names_a_file_that_is_in_the_way_of_a_folder(house: House) -> None:
    put(house, "image")

    with pytest.raises(OutputError, match="image") as raised:
        outputs.preflight(house.dest())

    assert raised.value.code == "invalid"


def test_outputs_final_path_starts_at_home(house: House, tmp_path: Path) -> None:
    found = outputs.final_path("jobs/finished/image/cat_{index}.png", house.cfg)

    assert found == os.path.realpath(house.finished / "image" / "cat_{index}.png")


@pytest.mark.parametrize("file_path", ["jobs/processing/image/x.json", "x.png", "jobs/finished/a.result.json"])
def test_outputs_final_path_refuses_other_folders_and_our_own_names(file_path: str, house: House) -> None:
    with pytest.raises(InvalidConfig):
        outputs.final_path(file_path, house.cfg)


# --- deliver --------------------------------------------------------------------------------------
@pytest.fixture
def promised(house: House) -> list[Any]:
    """The committed intents of an attempt that died before its first file appeared."""
    intents: list[Any] = []
    made = [house.stage("a.png"), house.stage("b.png")]
    with pytest.raises(LeaseLost):
        outputs.write_outputs(
            result(*made), house.dest(), commit_intents=lambda found: not intents.extend(found) and False
        )
    return intents


def test_outputs_deliver_rolls_forward_and_is_idempotent(house: House, promised: list[Any]) -> None:
    roots = [str(house.finished)]

    first = outputs.deliver(promised, roots=roots)
    second = outputs.deliver(promised, roots=roots)

    assert first == second
    assert list(house.files()) == ["image/cat.png", "image/cat_2.png"]
    assert first["saved"] == [intent["final_path"] for intent in promised]


def test_outputs_deliver_counts_what_was_delivered_and_is_gone_from_staging(house: House, promised: list[Any]) -> None:
    outputs.deliver(promised, roots=[str(house.finished)])
    outputs.discard_staging(str(house.staging))

    again = outputs.deliver(promised, roots=[str(house.finished)])

    assert not again["linked"]


@pytest.mark.parametrize("change", ["removed", "changed", "replaced by a link"])
def test_outputs_deliver_says_when_staging_is_lost(change: str, house: House, promised: list[Any]) -> None:
    path = Path(promised[1]["staged_path"])
    data = path.read_bytes()
    path.unlink()
    if change == "changed":
        path.write_bytes(data[:-1] + b"x")
    elif change == "replaced by a link":
        path.with_name("c.png").write_bytes(data)
        path.symlink_to(path.with_name("c.png"))

    with pytest.raises(StagingLost):
        outputs.deliver(promised, roots=[str(house.finished)])

    assert list(house.files()) == ["image/cat.png"]


def test_outputs_deliver_stops_at_a_stranger_and_lists_what_is_there(house: House, promised: list[Any]) -> None:
    put(house, "image/cat_2.png")

    with pytest.raises(OutputExists, match=r"already delivered: .*cat\.png"):
        outputs.deliver(promised, roots=[str(house.finished)])

    assert house.files()["image/cat_2.png"] == b"theirs"


def test_outputs_deliver_of_a_taken_version_may_be_tried_again(house: House, promised: list[Any]) -> None:
    put(house, "image/cat.png")

    with pytest.raises(OutputError) as raised:
        outputs.deliver(promised, roots=[str(house.finished)], if_exists="version")

    assert raised.value.code == "error"


def test_outputs_deliver_of_nothing_is_an_error() -> None:
    with pytest.raises(OutputError):
        outputs.deliver([], roots=[])


# --- the job file ---------------------------------------------------------------------------------
def test_outputs_file_jobs_mirrors_the_folders(house: House) -> None:
    job = house.job(folder="image/knights/rain")

    filed = file_one(job, house.cfg)

    assert filed == house.finished / "image" / "knights" / "rain" / job["config_name"]
    assert filed.read_bytes() == job["source_yaml"].encode()
    assert not Path(job["config_path"]).exists()


def test_outputs_file_jobs_twice_is_once(house: House) -> None:
    job = house.job()

    assert file_one(job, house.cfg) == file_one(job, house.cfg)

    assert len(house.files()) == 2, "a job file, a result file"


def test_outputs_file_jobs_writes_a_missing_file_from_the_row(house: House) -> None:
    job = house.job()
    Path(job["config_path"]).unlink()

    filed = file_one(job, house.cfg)

    assert filed.read_text() == job["source_yaml"]


def test_outputs_file_jobs_leaves_an_edited_file_as_a_new_submission(house: House) -> None:
    job = house.job()
    Path(job["config_path"]).write_text("job_type: I2I\n")

    filed = file_one(job, house.cfg)

    assert filed.read_text() == job["source_yaml"]
    assert Path(job["config_path"]).read_text() == "job_type: I2I\n"


@pytest.mark.parametrize("linked", [True, False], ids=["same inode", "same bytes"])
def test_outputs_file_jobs_finishes_what_a_crash_left(linked: bool, house: House) -> None:
    job = house.job()
    target = house.finished / "image" / job["config_name"]
    target.parent.mkdir(parents=True)
    if linked:
        os.link(job["config_path"], target)
    else:
        target.write_text(job["source_yaml"])

    assert file_one(job, house.cfg) == target

    assert not Path(job["config_path"]).exists()
    assert len(house.files()) == 2, "a job file, a result file"


def test_outputs_file_jobs_keeps_the_file_of_an_older_job_of_that_name(house: House) -> None:
    file_one(house.job("job_type: T2I\nolder: 1\n"), house.cfg)
    job = house.job()

    filed = file_one(job, house.cfg)

    assert filed.name == "T2I_20250101000000_1_cat_v2.yaml"
    assert file_one(job, house.cfg) == filed
    assert len(house.files()) == 4, "two job files, two result files"


def test_outputs_file_jobs_keeps_every_byte(house: House) -> None:
    text = "\ufeffjob_type: T2I\r\nprompt: ünïcode \u2028\r\n"
    job = house.job(text, source_yaml=text.lstrip("\ufeff"))

    filed = file_one(job, house.cfg)

    assert filed.read_bytes() == text.encode()


def test_outputs_file_jobs_of_a_job_from_elsewhere_goes_into_its_medium(house: House, tmp_path: Path) -> None:
    job = house.job(config_path=str(tmp_path / "moved home" / "x.yaml"))

    assert file_one(job, house.cfg).parent == house.finished / "image"


@posix_only
def test_outputs_file_jobs_follows_no_link_in_processing(house: House, tmp_path: Path) -> None:
    job = house.job()
    secret = tmp_path / "secret"
    secret.write_text(job["source_yaml"])
    Path(job["config_path"]).unlink()
    Path(job["config_path"]).symlink_to(secret)

    file_one(job, house.cfg)

    assert Path(job["config_path"]).is_symlink()


# --- the result file ------------------------------------------------------------------------------
def test_outputs_file_jobs_tells_scripts_in_a_result_file(house: House) -> None:
    filed = file_one(house.job(), house.cfg, prompt="Ritter ü")

    path = filed.with_name("T2I_20250101000000_1_cat.result.json")
    assert json.loads(path.read_text("utf-8")) == {"config_name": filed.name, "prompt": "Ritter ü"}


def test_outputs_file_jobs_writes_an_equal_result_file_once(house: House) -> None:
    path = result_file(file_one(house.job(), house.cfg, bytes=1))
    before = path.stat()

    file_one(house.job(), house.cfg, bytes=1)

    assert os.path.samestat(before, path.stat())
    assert before.st_mtime_ns == path.stat().st_mtime_ns


def test_outputs_file_jobs_replaces_its_own_older_result_file(house: House) -> None:
    file_one(house.job(), house.cfg, bytes=1)

    filed = file_one(house.job(), house.cfg, bytes=2)

    assert json.loads(result_file(filed).read_text())["bytes"] == 2


@pytest.mark.parametrize("theirs", ["{}", "[]", "not json", '{"config_name": "b.yaml"}'])
def test_outputs_file_jobs_leaves_a_strangers_result_file(theirs: str, house: House) -> None:
    path = put(house, "image/T2I_20250101000000_1_cat.result.json", theirs.encode())

    with pytest.raises(OutputExists):
        file_one(house.job(), house.cfg)

    assert path.read_text() == theirs


def test_outputs_file_jobs_says_only_strict_json(house: House) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        file_one(house.job(), house.cfg, seed=float("nan"))

    assert house.files() == {}


# --- staging --------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("linked", "keep", "kept"), [(True, "auto", True), (False, "auto", False), (True, "never", False)]
)
def test_outputs_finish_staging_keeps_what_costs_nothing(linked: bool, keep: str, kept: bool, house: House) -> None:
    house.stage()

    assert outputs.finish_staging(str(house.staging), linked=linked, keep_originals=keep) is kept

    assert house.staging.exists() is kept


def test_outputs_fence_staging_takes_the_files_away_from_a_stale_worker(house: House) -> None:
    staged = house.stage()

    def fence_then_claim_to_hold_it() -> bool:
        assert outputs.fence_staging(str(house.output), TOKEN)
        return True

    with pytest.raises(OutputError):
        outputs.write_outputs(result(staged), house.dest(), holds_lease=fence_then_claim_to_hold_it)

    assert house.files() == {}
    assert not list((house.output / "e3").iterdir())
    assert not outputs.fence_staging(str(house.output), TOKEN)


@pytest.mark.parametrize("token", ["", "..", "../../x", TOKEN.upper(), TOKEN + "0", TOKEN + "\n"])
def test_outputs_fence_staging_renames_nothing_else(token: str, house: House) -> None:
    with pytest.raises(ValueError, match="token"):
        outputs.fence_staging(str(house.output), token)


def test_outputs_collect_staging_removes_only_dead_attempts(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(staging, "SLICE", 2)
    live, kept, dead = (digit * 32 for digit in "abc")
    names = [live, kept, dead, ".trash-1", "theirs", "abc"]
    for name in names:
        (house.output / "e3" / name / "sub").mkdir(parents=True)
    (house.output / "e3" / "file.png").write_bytes(png())

    def in_use(tokens: Sequence[str]) -> set[str]:
        assert len(tokens) <= 2
        return {live, kept, TOKEN}.intersection(tokens)

    removed = outputs.collect_staging(str(house.output), in_use)

    left = {entry.name for entry in (house.output / "e3").iterdir()}
    assert left == {live, kept, TOKEN, "theirs", "abc", "file.png"}
    assert removed == 2
    assert outputs.collect_staging(str(house.output), in_use) == 0


def test_outputs_collect_staging_of_a_missing_folder_is_nothing(tmp_path: Path) -> None:
    assert outputs.collect_staging(str(tmp_path), set) == 0
