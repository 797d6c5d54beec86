"""Reading what strangers dropped, listing, placing paths, and moving without loss."""

from __future__ import annotations

import errno
import hashlib
import os
import socket
import threading
from pathlib import Path
from typing import Any

import pytest
from comfyui_e3.e3_nodes import file_utils
from comfyui_e3.e3_nodes.errors import (
    DiskFull,
    FileChanging,
    FilesystemUnsupported,
    InvalidConfig,
    OutputError,
    OutputExists,
)
from comfyui_e3.e3_nodes.file_utils import disk, linking, reading
from comfyui_e3.e3_nodes.model import MEDIA

posix_only = pytest.mark.skipif(os.name == "nt", reason="Windows has other kinds of files")


def fail_with(code: int, *, winerror: int | None = None, times: int = 10**6) -> Any:
    """Make a stand-in for a system call that fails a number of times, and then does nothing."""
    left = [times]

    def call(*_args: Any, **_kwargs: Any) -> None:
        if left[0] > 0:
            left[0] -= 1
            exc = OSError(code, os.strerror(code))
            if winerror is not None:
                exc.winerror = winerror  # type: ignore[attr-defined]
            raise exc

    return call


# --- ensure_directories ---------------------------------------------------------------------------
def test_file_utils_ensure_directories_creates_what_the_settings_name(tmp_path: Path) -> None:
    paths = {
        "jobs_processing": str(tmp_path / "jobs" / "processing"),
        "jobs_finished": str(tmp_path / "jobs" / "finished"),
        "database": str(tmp_path / "db" / "e3.sqlite3"),
        "workflows": str(tmp_path / "workflows"),
        "output_roots": [str(tmp_path / "not mounted")],
    }

    file_utils.ensure_directories(paths)

    assert {entry.name for entry in tmp_path.iterdir()} == {"jobs", "db", "workflows"}
    assert not list((tmp_path / "db").iterdir())
    for folder in ("processing", "finished"):
        assert {entry.name for entry in (tmp_path / "jobs" / folder).iterdir()} == set(MEDIA)


def test_file_utils_ensure_directories_leaves_existing_ones_alone(tmp_path: Path) -> None:
    (tmp_path / "keep.txt").write_text("kept")

    file_utils.ensure_directories({"jobs_processing": str(tmp_path)})
    file_utils.ensure_directories({"jobs_processing": str(tmp_path)})

    assert (tmp_path / "keep.txt").read_text() == "kept"


@pytest.mark.parametrize("database", [":memory:", "postgresql://user@host/db"])
def test_file_utils_ensure_directories_makes_no_folder_for_a_database_elsewhere(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    file_utils.ensure_directories({"database": database})

    assert not list(tmp_path.iterdir())


def test_file_utils_ensure_directories_names_a_file_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "jobs").write_text("a file")

    with pytest.raises(OutputError, match="jobs"):
        file_utils.ensure_directories({"jobs_finished": str(tmp_path / "jobs" / "finished")})


# --- listing --------------------------------------------------------------------------------------
def test_file_utils_list_yaml_under_lists_only_job_files_in_natural_order(tmp_path: Path) -> None:
    folder = tmp_path / "image" / "series"
    folder.mkdir(parents=True)
    for name in ("a_10.yaml", "a_9.yaml", "a.yml", "a.YAML", "a.txt", ".a.yaml", "a.yaml~", "a.yaml.part"):
        (folder / name).write_text("")

    found = file_utils.list_yaml_under(str(tmp_path))

    assert found == [str(folder / "a_9.yaml"), str(folder / "a_10.yaml")]


def test_file_utils_list_yaml_under_keeps_to_the_media_asked_for(tmp_path: Path) -> None:
    for medium in ("image", "video", "audio"):
        (tmp_path / medium).mkdir()
        (tmp_path / medium / f"{medium}.yaml").write_text("")

    found = file_utils.list_yaml_under(str(tmp_path), media_types=["video", "image", "missing"])

    assert [Path(path).name for path in found] == ["image.yaml", "video.yaml"]


def test_file_utils_list_yaml_under_is_empty_for_a_missing_root(tmp_path: Path) -> None:
    assert file_utils.list_yaml_under(str(tmp_path / "gone")) == []


@posix_only
def test_file_utils_list_yaml_under_shows_oddities_and_follows_no_link(tmp_path: Path) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    (root / "x.yaml").mkdir(parents=True)
    (root / ".git").mkdir()
    outside.mkdir()
    for folder in (root / "x.yaml", root / ".git", outside):
        (folder / "inner.yaml").write_text("")
    (root / "link").symlink_to(outside)
    (root / "loop").symlink_to(root)
    (root / "link.yaml").symlink_to(outside / "inner.yaml")
    os.mkfifo(root / "pipe.yaml")

    found = [Path(path).name for path in file_utils.list_yaml_under(str(root))]

    assert found == ["link.yaml", "pipe.yaml", "x.yaml"]


def test_file_utils_list_yaml_under_survives_a_very_deep_tree(tmp_path: Path) -> None:
    folder = tmp_path.joinpath(*["d"] * 300)
    folder.mkdir(parents=True)
    (folder / "deep.yaml").write_text("")

    assert len(file_utils.list_yaml_under(str(tmp_path))) == 1


@posix_only
def test_file_utils_regular_files_under_leaves_links_and_pipes_out(tmp_path: Path) -> None:
    (tmp_path / "b_10.bin").write_bytes(b"x")
    (tmp_path / "b_2.bin").write_bytes(b"x")
    (tmp_path / "link.bin").symlink_to(tmp_path / "b_2.bin")
    os.mkfifo(tmp_path / "pipe")

    assert [path.name for path in file_utils.regular_files_under(tmp_path)] == ["b_2.bin", "b_10.bin"]


@posix_only
def test_file_utils_stamps_under_tell_a_change_behind_a_link_and_bear_one_that_leads_nowhere(tmp_path: Path) -> None:
    real = tmp_path / "elsewhere.json"
    root = tmp_path / "root"
    (root / "deep").mkdir(parents=True)
    real.write_text("{}")
    (root / "deep" / "link.json").symlink_to(real)
    (root / "dangling.json").symlink_to(tmp_path / "nothing")
    (root / "other.txt").write_text("")

    before = set(file_utils.stamps_under(root, ".json"))
    real.write_text("{ }")
    after = set(file_utils.stamps_under(root, ".json"))

    assert {Path(path).name for path, _, _ in before} == {"link.json", "dangling.json"}
    assert {Path(path).name for path, _, _ in before ^ after} == {"link.json"}


# --- reading --------------------------------------------------------------------------------------
def test_file_utils_read_regular_file_returns_bytes_and_stat(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_bytes(b"job_type: T2I\n")

    data, seen = file_utils.read_regular_file(path, 100)

    assert data == b"job_type: T2I\n"
    assert (seen.st_size, seen.st_ino) == (14, path.stat().st_ino)


def test_file_utils_read_regular_file_takes_the_limit_exactly(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_bytes(b"x" * 100)

    assert len(file_utils.read_regular_file(path, 100)[0]) == 100
    with pytest.raises(InvalidConfig) as refused:
        file_utils.read_regular_file(path, 99)
    assert refused.value.code == "too_large"


def make_folder(path: Path) -> None:
    path.mkdir()


def make_link(path: Path) -> None:
    target = path.with_name("secret")
    target.write_bytes(b"secret")
    path.symlink_to(target)


def make_dangling_link(path: Path) -> None:
    path.symlink_to(path.with_name("nowhere"))


def make_second_name(path: Path) -> None:
    secret = path.with_name("secret")
    secret.write_bytes(b"secret")
    os.link(secret, path)


def make_pipe(path: Path) -> None:
    os.mkfifo(path)


def make_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(os.path.relpath(path))


@posix_only
@pytest.mark.parametrize("make", [make_folder, make_link, make_dangling_link, make_second_name, make_pipe, make_socket])
def test_file_utils_read_regular_file_refuses_what_is_none(
    make: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "a.yaml"
    make(path)

    with pytest.raises(InvalidConfig) as refused:
        file_utils.read_regular_file(path, 100)

    assert refused.value.code == "not_regular"


def test_file_utils_read_regular_file_lets_a_missing_file_be_missing(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        file_utils.read_regular_file(tmp_path / "gone.yaml", 100)


@pytest.mark.parametrize("call", ["open", "read"])
def test_file_utils_read_regular_file_names_an_unreadable_one(
    call: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.yaml"
    path.write_bytes(b"x")
    monkeypatch.setattr(reading.os, call, fail_with(errno.EIO))

    with pytest.raises(InvalidConfig, match="cannot be read") as refused:
        file_utils.read_regular_file(path, 100)

    assert refused.value.code == "unreadable"


def test_file_utils_read_regular_file_notices_growth(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.yaml"
    path.write_bytes(b"first half,")
    read = os.read

    def read_while_it_grows(fd: int, length: int) -> bytes:
        data = read(fd, length)
        with path.open("ab") as file:
            file.write(b"second half")
        return data

    monkeypatch.setattr(reading.os, "read", read_while_it_grows)

    with pytest.raises(FileChanging):
        file_utils.read_regular_file(path, 1000)


@posix_only
def test_file_utils_open_regular_notices_a_swap_before_the_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, other = tmp_path / "a.yaml", tmp_path / "b.yaml"
    path.write_bytes(b"a")
    other.write_bytes(b"b")
    opened = os.open

    def swap_then_open(*args: Any, **kwargs: Any) -> int:
        other.replace(path)
        return opened(*args, **kwargs)

    monkeypatch.setattr(reading.os, "open", swap_then_open)

    with pytest.raises(FileChanging):
        file_utils.open_regular(path)


@posix_only
def test_file_utils_open_regular_never_opens_what_a_link_points_to(tmp_path: Path) -> None:
    path, secret, honest = tmp_path / "a.yaml", tmp_path / "secret", tmp_path / "honest"
    secret.write_bytes(b"secret")
    stop = threading.Event()

    def swap() -> None:
        while not stop.is_set():
            honest.write_bytes(b"honest")
            honest.replace(path)
            honest.symlink_to(secret)
            honest.replace(path)

    adversary = threading.Thread(target=swap)
    adversary.start()
    read = []
    try:
        for _ in range(500):
            try:
                fd = file_utils.open_regular(path)
            except (InvalidConfig, FileChanging, FileNotFoundError):
                continue
            read.append(os.read(fd, 10))
            os.close(fd)
    finally:
        stop.set()
        adversary.join()

    assert b"secret" not in read


def test_file_utils_sha256_of_hashes_the_bytes(tmp_path: Path) -> None:
    data = os.urandom(3 << 20)
    (tmp_path / "a").write_bytes(data)

    assert file_utils.sha256_of(tmp_path / "a") == hashlib.sha256(data).hexdigest()


# --- writing --------------------------------------------------------------------------------------
def test_file_utils_write_atomically_replaces_and_leaves_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "result.json"

    file_utils.write_atomically(path, b"old")
    file_utils.write_atomically(path, b"new")

    assert path.read_bytes() == b"new"
    assert [entry.name for entry in tmp_path.iterdir()] == ["result.json"]


def test_file_utils_write_atomically_keeps_what_it_may_not_replace(tmp_path: Path) -> None:
    path = tmp_path / "job.yaml"
    path.write_bytes(b"theirs")

    with pytest.raises(OutputExists):
        file_utils.write_atomically(path, b"ours", replace=False)

    assert path.read_bytes() == b"theirs"
    assert [entry.name for entry in tmp_path.iterdir()] == ["job.yaml"]


@pytest.mark.parametrize(
    ("code", "error"),
    [
        (errno.ENOSPC, DiskFull),
        (errno.EDQUOT, DiskFull),
        (errno.EFBIG, DiskFull),
        (errno.EROFS, DiskFull),
        (errno.EIO, OutputError),
    ],
)
def test_file_utils_write_atomically_names_the_fault_and_cleans_up(
    code: int, error: type[OutputError], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(linking.os, "fsync", fail_with(code))

    with pytest.raises(error) as raised:
        file_utils.write_atomically(tmp_path / "result.json", b"{}")

    assert raised.value.errno == code
    assert not list(tmp_path.iterdir())


# --- linking --------------------------------------------------------------------------------------
@pytest.fixture
def no_links(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linking.os, "link", fail_with(errno.EPERM))


@pytest.fixture
def other_filesystem(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make links between different folders fail as if they lay on different filesystems."""
    link = os.link

    def link_within_a_folder(src: Any, dst: Any, **kwargs: Any) -> None:
        if Path(src).parent != Path(dst).parent:
            raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))
        link(src, dst, **kwargs)

    monkeypatch.setattr(linking.os, "link", link_within_a_folder)


def test_file_utils_link_or_rename_new_links(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x")

    assert file_utils.link_or_rename_new(tmp_path / "a", tmp_path / "b")

    assert (tmp_path / "a").samefile(tmp_path / "b")


@pytest.mark.usefixtures("no_links")
def test_file_utils_link_or_rename_new_renames_where_there_are_no_links(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x")

    assert not file_utils.link_or_rename_new(tmp_path / "a", tmp_path / "b")

    assert not (tmp_path / "a").exists()
    assert (tmp_path / "b").read_bytes() == b"x"


@pytest.mark.usefixtures("no_links")
@posix_only
def test_file_utils_link_or_rename_new_refuses_what_can_do_neither(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a").write_bytes(b"x")
    monkeypatch.setattr(linking, "_RENAME_NEW", {})

    with pytest.raises(FilesystemUnsupported, match="without hard links"):
        file_utils.link_or_rename_new(tmp_path / "a", tmp_path / "b")

    assert [entry.name for entry in tmp_path.iterdir()] == ["a"]


def taken_by_file(path: Path) -> None:
    path.write_bytes(b"theirs")


@pytest.mark.parametrize("links", [True, False], ids=["link", "rename"])
@pytest.mark.parametrize(
    "take",
    [
        taken_by_file,
        make_folder,
        pytest.param(make_dangling_link, marks=posix_only),
        pytest.param(make_pipe, marks=posix_only),
    ],
)
def test_file_utils_link_or_rename_new_never_replaces(
    take: Any, links: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a").write_bytes(b"ours")
    take(tmp_path / "b")
    before = (tmp_path / "b").lstat()
    if not links:
        monkeypatch.setattr(linking.os, "link", fail_with(errno.EOPNOTSUPP))

    with pytest.raises(OutputExists, match="already exists"):
        file_utils.link_or_rename_new(tmp_path / "a", tmp_path / "b")

    assert (tmp_path / "a").read_bytes() == b"ours"
    assert os.path.samestat(before, (tmp_path / "b").lstat())


@posix_only
def test_file_utils_link_or_rename_new_links_a_link_and_not_its_target(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"secret")
    (tmp_path / "a").symlink_to(tmp_path / "secret")

    file_utils.link_or_rename_new(tmp_path / "a", tmp_path / "b")

    assert (tmp_path / "b").is_symlink()


@pytest.mark.parametrize("winerror", [5, 32, 33])
def test_file_utils_patiently_waits_while_somebody_holds_the_file(
    winerror: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[float] = []
    monkeypatch.setattr(disk.time, "sleep", waited.append)

    disk.patiently(fail_with(errno.EACCES, winerror=winerror, times=3))

    assert len(waited) == 3


def test_file_utils_patiently_gives_up_in_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk.time, "sleep", lambda _: None)

    with pytest.raises(OutputError) as raised, disk.naming_faults("cat.png"):
        disk.patiently(fail_with(errno.EACCES, winerror=32))

    assert raised.value.code == "error"


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (errno.EACCES, "invalid"),
        (errno.ENAMETOOLONG, "invalid"),
        (errno.ENOTDIR, "invalid"),
        (errno.EIO, "error"),
    ],
)
def test_file_utils_naming_faults_tells_what_trying_again_cannot_mend(code: int, expected: str) -> None:
    with pytest.raises(OutputError, match=r"cat\.png") as raised, disk.naming_faults("cat.png"):
        raise OSError(code, os.strerror(code))

    assert raised.value.code == expected


# --- moving ---------------------------------------------------------------------------------------
def assert_moved(src: Path, dst: Path, data: bytes) -> None:
    assert not src.exists()
    assert dst.read_bytes() == data
    assert [entry.name for entry in dst.parent.iterdir()] == [dst.name]


def test_file_utils_safe_move_creates_the_folders(tmp_path: Path) -> None:
    src, dst = tmp_path / "a.yaml", tmp_path / "x" / "y" / "a.yaml"
    src.write_bytes(b"x")

    file_utils.safe_move(str(src), str(dst))

    assert_moved(src, dst, b"x")


@pytest.mark.usefixtures("no_links")
def test_file_utils_safe_move_works_without_links(tmp_path: Path) -> None:
    src, dst = tmp_path / "a.yaml", tmp_path / "x" / "a.yaml"
    src.write_bytes(b"x")

    file_utils.safe_move(src, dst)

    assert_moved(src, dst, b"x")


@pytest.mark.usefixtures("other_filesystem")
def test_file_utils_safe_move_works_across_filesystems(tmp_path: Path) -> None:
    src, dst = tmp_path / "a.yaml", tmp_path / "x" / "a.yaml"
    src.write_bytes(b"x" * (3 << 20))

    file_utils.safe_move(src, dst)

    assert_moved(src, dst, b"x" * (3 << 20))


@pytest.mark.parametrize("linked", [True, False], ids=["same inode", "same bytes"])
def test_file_utils_safe_move_finishes_a_move_that_was_cut_short(linked: bool, tmp_path: Path) -> None:
    src, dst = tmp_path / "a.yaml", tmp_path / "x" / "a.yaml"
    src.write_bytes(b"x")
    dst.parent.mkdir()
    if linked:
        os.link(src, dst)
    else:
        dst.write_bytes(b"x")

    file_utils.safe_move(src, dst)

    assert_moved(src, dst, b"x")


def test_file_utils_safe_move_leaves_both_when_another_file_is_there(tmp_path: Path) -> None:
    src, dst = tmp_path / "a.yaml", tmp_path / "b.yaml"
    src.write_bytes(b"ours")
    dst.write_bytes(b"theirs")

    with pytest.raises(OutputExists):
        file_utils.safe_move(src, dst)

    assert (src.read_bytes(), dst.read_bytes()) == (b"ours", b"theirs")


def test_file_utils_safe_move_onto_itself_loses_nothing(tmp_path: Path) -> None:
    src = tmp_path / "a.yaml"
    src.write_bytes(b"x")
    (tmp_path / "sub").mkdir()

    file_utils.safe_move(src, src)
    file_utils.safe_move(src, tmp_path / "sub" / ".." / "a.yaml")

    assert src.read_bytes() == b"x"


def test_file_utils_safe_move_onto_its_case_twin_loses_nothing(tmp_path: Path) -> None:
    src, twin = tmp_path / "a.yaml", tmp_path / "A.yaml"
    src.write_bytes(b"x")

    file_utils.safe_move(src, twin)

    assert src.read_bytes() == b"x"


@posix_only
def test_file_utils_safe_move_refuses_a_link(tmp_path: Path) -> None:
    make_link(tmp_path / "a.yaml")

    with pytest.raises(InvalidConfig):
        file_utils.safe_move(tmp_path / "a.yaml", tmp_path / "b.yaml")

    assert not (tmp_path / "b.yaml").exists()


def test_file_utils_safe_move_of_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        file_utils.safe_move(tmp_path / "gone", tmp_path / "b")


def test_file_utils_safe_move_keeps_the_source_until_the_target_is_durable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    src, dst = tmp_path / "a.yaml", tmp_path / "b.yaml"
    src.write_bytes(b"x")
    monkeypatch.setattr(linking.os, "fsync", fail_with(errno.EIO))

    with pytest.raises(OutputError):
        file_utils.safe_move(src, dst)

    assert src.read_bytes() == b"x"


def test_file_utils_copy_whole_copies_and_takes_an_equal_copy_for_its_own(tmp_path: Path) -> None:
    src, dst = tmp_path / "cat.png", tmp_path / "input" / "e3" / "cat.png"
    src.write_bytes(b"x")

    file_utils.copy_whole(src, dst)
    file_utils.copy_whole(src, dst)

    assert dst.read_bytes() == src.read_bytes() == b"x"
    assert not dst.samefile(src)


# --- placing paths --------------------------------------------------------------------------------
@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "home" / "out").mkdir(parents=True)
    return Path(os.path.realpath(tmp_path / "home"))


@pytest.mark.parametrize("path", ["out/a/cat.png", r"out\a\cat.png", "./out/./a/cat.png", "out/b/../a/cat.png"])
def test_file_utils_resolve_inside_places_paths(path: str, home: Path) -> None:
    assert file_utils.resolve_inside(path, [str(home / "out")], base=str(home)) == home / "out" / "a" / "cat.png"


def test_file_utils_resolve_inside_takes_an_absolute_path_under_any_root(home: Path) -> None:
    roots = [str(home / "out"), str(home / "more")]

    assert file_utils.resolve_inside(str(home / "more" / "x.png"), roots, base="/") == home / "more" / "x.png"


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("../x.png", "path_outside"),
        ("out/../../x.png", "path_outside"),
        (r"out\..\..\x.png", "path_outside"),
        ("outer/x.png", "path_outside"),
        ("out", "path_outside"),
        ("/etc/cron.d/x", "path_outside"),
        ("C:x.png", "path_outside"),
        ("~/x.png", "path_outside"),
        ("//server/share/x.png", "path_unc"),
        (r"\\server\share\x.png", "path_unc"),
        (r"\\?\C:\x.png", "path_unc"),
        ("", "path_invalid"),
        ("out/a\0b.png", "path_invalid"),
        ("out/\ud800.png", "path_invalid"),
    ],
)
def test_file_utils_resolve_inside_refuses(path: str, code: str, home: Path) -> None:
    with pytest.raises(InvalidConfig) as refused:
        file_utils.resolve_inside(path, [str(home / "out")], base=str(home))

    assert refused.value.code == code


def test_file_utils_resolve_inside_asks_no_network(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_args: Any, **_kwargs: Any) -> None:
        raise AssertionError("the path was touched")

    for call in ("stat", "lstat", "open", "readlink", "scandir"):
        monkeypatch.setattr(os, call, refuse)

    with pytest.raises(InvalidConfig):
        file_utils.resolve_inside(r"\\server\share\x.png", [str(home)], base=str(home))


@posix_only
def test_file_utils_resolve_inside_follows_links_before_it_judges(home: Path) -> None:
    (home / "out" / "away").symlink_to(home.parent)
    (home / "elsewhere").symlink_to(home / "out")
    root = str(home / "elsewhere")

    inside = file_utils.resolve_inside("elsewhere/cat.png", [root], base=str(home))

    assert inside == home / "out" / "cat.png"
    with pytest.raises(InvalidConfig):
        file_utils.resolve_inside("out/away/cat.png", [root], base=str(home))


# --- removing -------------------------------------------------------------------------------------
@posix_only
def test_file_utils_remove_tree_removes_links_and_not_their_targets(tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "file").write_text("kept")
    (tmp_path / "tree" / "sub").mkdir(parents=True)
    (tmp_path / "tree" / "sub" / "link").symlink_to(tmp_path / "kept")
    (tmp_path / "link").symlink_to(tmp_path / "kept")

    assert file_utils.remove_tree(tmp_path / "tree")
    assert file_utils.remove_tree(tmp_path / "link")

    assert [entry.name for entry in tmp_path.iterdir()] == ["kept"]
    assert (tmp_path / "kept" / "file").read_text() == "kept"
