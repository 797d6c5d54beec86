"""What a result file really is, told from its own bytes, and whether it is whole."""

from __future__ import annotations

import re
from typing import BinaryIO

HEAD_BYTES = 4096
_TAIL_BYTES = 4096

MEDIA_TYPES: dict[str, str] = {
    "png": "image/png",
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "webp": "image/webp",
    "gif": "image/gif",
    "exr": "image/x-exr",
    "svg": "image/svg+xml",
    "mp4": "video/mp4",
    "webm": "video/webm",
    "mkv": "video/x-matroska",
    "mov": "video/quicktime",
    "wav": "audio/wav",
    "flac": "audio/flac",
    "mp3": "audio/mpeg",
    "opus": "audio/ogg",
    "ogg": "audio/ogg",
    "glb": "model/gltf-binary",
    "gltf": "model/gltf+json",
    "obj": "model/obj",
    "stl": "model/stl",
    "txt": "text/plain",
    "csv": "text/csv",
    "md": "text/markdown",
    "json": "application/json",
}
"""The media type of an extension; the operating system's own table differs from one computer to the next."""

_SIGNATURES: tuple[tuple[re.Pattern[bytes], tuple[str, ...]], ...] = tuple(
    (re.compile(pattern, re.DOTALL), extensions)
    for pattern, extensions in (
        (rb"\x89PNG\r\n\x1a\n", ("png",)),
        (rb"\xff\xd8\xff", ("jpg", "jpeg")),
        (rb"GIF8[79]a", ("gif",)),
        (rb"(?:RIFF|RF64)....WAVE", ("wav",)),
        (rb"RIFF....WEBP", ("webp",)),
        (rb"\x76\x2f\x31\x01", ("exr",)),
        (rb"....ftypqt  ", ("mov", "mp4")),
        (rb"....ftypavi[fs]", ("avif",)),
        (rb"....ftyp", ("mp4", "mov")),
        (rb"\x1a\x45\xdf\xa3.{0,60}webm", ("webm", "mkv")),
        (rb"\x1a\x45\xdf\xa3", ("mkv",)),
        (rb"fLaC", ("flac",)),
        (rb"OggS.{24,}?OpusHead", ("opus", "ogg")),
        (rb"OggS", ("ogg", "opus")),
        (rb"ID3|\xff[\xe2\xe3\xf2\xf3\xfa\xfb]", ("mp3",)),
        (rb"glTF", ("glb",)),
        (rb"ply\r?\n", ("ply",)),
        (rb".....\0\0\0\{", ("safetensors", "latent")),
    )
)
_TELLING = {extension for _, extensions in _SIGNATURES for extension in extensions}
_TEXT = {"txt", "csv", "md", "json"}


def sniff(head: bytes) -> tuple[str, ...]:
    """Tell the extensions that fit a file's first bytes, the most usual first.

    Args:
        head: The first bytes, ``HEAD_BYTES`` of them where there are so many.

    Returns:
        The extensions without a dot; none when the bytes tell nothing, as with text.

    Examples:
        >>> sniff(b"RIFF....WEBPVP8 ")
        ('webp',)
        >>> sniff(b"a poem")
        ()
    """
    return next((extensions for pattern, extensions in _SIGNATURES if pattern.match(head)), ())


def choose_extension(asked: str, own: str, found: tuple[str, ...]) -> str | None:
    """Choose the extension that a result gets: what was asked where that is true, else what was made.

    Args:
        asked: The extension that the job wants.
        own: The extension that the node gave its file.
        found: What ``sniff`` says.

    Returns:
        The extension, or None when the bytes are not what their own extension says.

    Examples:
        >>> choose_extension("png", "webp", ("webp",)), choose_extension("png", "png", ())
        ('webp', None)
    """
    if found:
        return next((extension for extension in (asked, own) if extension in found), found[0])
    if own in _TELLING:
        return None
    return asked if {asked, own} <= _TEXT else own


def is_complete(file: BinaryIO, size: int, extension: str) -> bool:
    """Tell whether a file has its end, as far as its format says where that is.

    Args:
        file: The open file.
        size: Its length.
        extension: What it is, without a dot.

    Examples:
        >>> import io
        >>> is_complete(io.BytesIO(b"a poem"), 6, "txt"), is_complete(io.BytesIO(b""), 0, "txt")
        (True, False)
    """
    check = {
        "png": _has_png_end,
        "jpg": _has_jpeg_end,
        "jpeg": _has_jpeg_end,
        "mp4": _has_movie_boxes,
        "mov": _has_movie_boxes,
        "wav": _has_riff_length,
        "webp": _has_riff_length,
        "glb": _has_glb_length,
    }.get(extension)
    return size > 0 and (check is None or check(file, size))


def _read(file: BinaryIO, start: int, length: int) -> bytes:
    file.seek(start)
    return file.read(length)


def _has_png_end(file: BinaryIO, size: int) -> bool:
    """Walk the chunks; what some tools append after the last one does no harm."""
    start = 8
    while start + 12 <= size:
        header = _read(file, start, 8)
        if header[4:] == b"IEND":
            return True
        start += 12 + int.from_bytes(header[:4], "big")
    return False


def _has_jpeg_end(file: BinaryIO, size: int) -> bool:
    return b"\xff\xd9" in _read(file, max(0, size - _TAIL_BYTES), _TAIL_BYTES)


def _has_movie_boxes(file: BinaryIO, size: int) -> bool:
    """Walk the boxes: index and pictures may come in either order, and no box may be cut off."""
    start, kinds = 0, set()
    while start + 8 <= size:
        header = _read(file, start, 16)
        length = int.from_bytes(header[:4], "big")
        if length == 1:
            length = int.from_bytes(header[8:16], "big")
        elif length == 0:
            length = size - start
        if length < 8:
            return False
        kinds.add(header[4:8])
        start += length
    return {b"moov", b"mdat"} <= kinds and start <= size


def _has_riff_length(file: BinaryIO, size: int) -> bool:
    """Compare the length in the header; one that writes to a pipe cannot go back and leaves the maximum."""
    length = int.from_bytes(_read(file, 4, 4), "little")
    return size >= 12 and (length == 0xFFFFFFFF or 4 <= length <= size - 8)


def _has_glb_length(file: BinaryIO, size: int) -> bool:
    return 12 <= int.from_bytes(_read(file, 8, 4), "little") <= size
