"""What a file is, told from its bytes, and whether it has its end."""

from __future__ import annotations

import io
import struct
import zlib

import pytest
from comfyui_e3.e3_nodes.outputs import formats


def box(kind: bytes, body: bytes = b"") -> bytes:
    return struct.pack(">I4s", 8 + len(body), kind) + body


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I4s", len(body), kind) + body + struct.pack(">I", zlib.crc32(kind + body))


PNG = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", b"\0" * 13) + chunk(b"IDAT", b"x" * 300) + chunk(b"IEND", b"")
JPEG = b"\xff\xd8\xff\xe0" + b"x" * 300 + b"\xff\xd9"
MP4 = box(b"ftyp", b"isomisom") + box(b"mdat", b"x" * 300) + box(b"moov", b"index")
MOV = box(b"ftyp", b"qt  qt  ") + box(b"moov", b"index") + box(b"mdat", b"x" * 300)
WAV = b"RIFF" + struct.pack("<I", 304) + b"WAVE" + b"x" * 300
WEBP = b"RIFF" + struct.pack("<I", 304) + b"WEBP" + b"x" * 300
GLB = b"glTF" + struct.pack("<II", 2, 312) + b"x" * 300
TENSORS = struct.pack("<Q", 2) + b"{}" + b"x" * 300


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (PNG, "png"),
        (JPEG, "jpg"),
        (b"GIF89a....", "gif"),
        (WEBP, "webp"),
        (b"\x76\x2f\x31\x01rest", "exr"),
        (MP4, "mp4"),
        (MOV, "mov"),
        (box(b"ftyp", b"avif...."), "avif"),
        (b"\x1a\x45\xdf\xa3\x9f\x42\x82\x84webm", "webm"),
        (b"\x1a\x45\xdf\xa3\xa3\x42\x82\x88matroska", "mkv"),
        (WAV, "wav"),
        (b"fLaC\0", "flac"),
        (b"OggS" + b"\0" * 24 + b"OpusHead", "opus"),
        (b"OggS" + b"\0" * 24 + b"\x01vorbis", "ogg"),
        (b"ID3\x04", "mp3"),
        (b"\xff\xfb\x90\x44", "mp3"),
        (GLB, "glb"),
        (b"ply\nformat ascii", "ply"),
        (TENSORS, "safetensors"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_formats_sniff_tells_the_type(head: bytes, expected: str) -> None:
    assert formats.sniff(head)[0] == expected


@pytest.mark.parametrize("head", [b"", b"a", b"# a cat\n", b"\x7fELF", b"MZ\x90", b'{"a": 1}', b"<svg/>"])
def test_formats_sniff_says_nothing_of_what_it_cannot_tell(head: bytes) -> None:
    assert formats.sniff(head) == ()


@pytest.mark.parametrize(
    ("asked", "own", "found", "expected"),
    [
        ("png", "png", ("png",), "png"),
        ("png", "webp", ("webp",), "webp"),
        ("png", "png", ("webp",), "webp"),
        ("jpeg", "jpg", ("jpg", "jpeg"), "jpeg"),
        ("ogg", "opus", ("opus", "ogg"), "ogg"),
        ("png", "latent", ("safetensors", "latent"), "latent"),
        ("md", "txt", (), "md"),
        ("png", "txt", (), "txt"),
        ("stl", "obj", (), "obj"),
        ("png", "png", (), None),
        ("txt", "mp4", (), None),
        ("png", "", (), ""),
    ],
)
def test_formats_choose_extension_follows_what_was_made(
    asked: str, own: str, found: tuple[str, ...], expected: str | None
) -> None:
    assert formats.choose_extension(asked, own, found) == expected


@pytest.mark.parametrize(
    ("data", "extension"),
    [(PNG, "png"), (JPEG, "jpg"), (MP4, "mp4"), (MOV, "mov"), (WAV, "wav"), (WEBP, "webp"), (GLB, "glb")],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_formats_is_complete_knows_every_truncation(data: bytes, extension: str) -> None:
    assert formats.is_complete(io.BytesIO(data), len(data), extension)
    for length in range(len(data) - 5 if extension == "png" else len(data)):
        assert not formats.is_complete(io.BytesIO(data[:length]), length, extension), length


def test_formats_is_complete_forgives_what_is_appended_to_a_png() -> None:
    assert formats.is_complete(io.BytesIO(PNG + b"appended"), len(PNG) + 8, "png")


def test_formats_is_complete_takes_a_streamed_wav() -> None:
    data = b"RIFF\xff\xff\xff\xffWAVE" + b"x" * 10

    assert formats.is_complete(io.BytesIO(data), len(data), "wav")


def test_formats_is_complete_understands_large_and_open_boxes() -> None:
    large = struct.pack(">I4sQ", 1, b"mdat", 24) + b"x" * 8
    open_ended = struct.pack(">I4s", 0, b"mdat") + b"x" * 50
    data = box(b"ftyp", b"isom") + large + box(b"moov") + open_ended

    assert formats.is_complete(io.BytesIO(data), len(data), "mp4")


def test_formats_is_complete_refuses_an_endless_box() -> None:
    data = box(b"moov") + box(b"mdat") + struct.pack(">I4s", 3, b"mdat")

    assert not formats.is_complete(io.BytesIO(data), len(data), "mp4")


def test_formats_is_complete_wants_at_least_one_byte_of_anything() -> None:
    assert not formats.is_complete(io.BytesIO(), 0, "txt")
