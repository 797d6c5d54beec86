"""Small pictures of results: an image, the first frame of a film, the waveform of a sound.

Pillow and PyAV come with ComfyUI. They are imported where they are used; without them there is no picture.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import file_utils
from .errors import E3Error, UnknownJob
from .outputs import formats

if TYPE_CHECKING:
    from PIL import Image

MIN_SIZE, MAX_SIZE = 16, 1024
KEPT = 5_000
LONGEST_SOUND_SECONDS = 600
MEDIA_TYPE = "image/png"

_WAVE_COLOR = (110, 160, 220, 255)


class NoThumbnail(UnknownJob):
    """A result of which no small picture can be made."""

    code = "no_thumbnail"


def thumbnail(path: Path, size: int, folder: Path) -> Path:
    """Return a picture of a result, made once for each version of the file and kept.

    Args:
        path: The result.
        size: The longest side, in pixels.
        folder: Where pictures are kept.

    Raises:
        NoThumbnail: The file is gone, broken, or of a kind that has no picture.
    """
    try:
        stat = path.stat()
    except OSError as exc:
        raise NoThumbnail(f"{path.name} is not there any more") from exc
    key = f"{path}|{stat.st_mtime_ns}|{stat.st_size}|{size}"
    kept = folder / f"{hashlib.sha256(key.encode('utf-8', 'surrogatepass')).hexdigest()}.png"
    if not kept.is_file():
        data = draw(path, size)
        file_utils.make_folder(folder)
        file_utils.write_atomically(kept, data)
        prune(folder, KEPT)
    return kept


def folder_of(cfg: Mapping[str, Any]) -> Path:
    """Say where pictures are kept."""
    return Path(cfg["home"]) / "jobs" / ".cache" / "thumbnails"


def draw(path: Path, size: int) -> bytes:
    """Draw the picture of a result as PNG.

    Raises:
        NoThumbnail: The file is broken, too large, or of a kind that has no picture.
    """
    kind = formats.MEDIA_TYPES.get(path.suffix[1:].lower(), "").partition("/")[0]
    artist = {"image": _image, "video": _first_frame, "audio": _waveform}.get(kind)
    if artist is None or path.suffix.lower() == ".svg":
        raise NoThumbnail(f"{path.name} is of a kind that has no small picture")
    try:
        picture = artist(path, size)
        picture.thumbnail((size, size))
        out = io.BytesIO()
        picture.save(out, "PNG")
        return out.getvalue()
    except E3Error:
        raise
    except Exception as exc:  # decoders raise what they like on a broken file
        raise NoThumbnail(f"no small picture can be made of {path.name}: {exc}") from exc


def prune(folder: Path, keep: int) -> None:
    """Remove the oldest pictures beyond a number."""
    pictures = list(folder.glob("*.png"))
    if len(pictures) <= keep:
        return
    with contextlib.suppress(OSError):
        pictures.sort(key=lambda picture: picture.stat().st_mtime)
    for picture in pictures[: len(pictures) - keep]:
        file_utils.remove_quietly(picture)


def _image(path: Path, size: int) -> Image.Image:
    from PIL import Image, ImageOps

    with Image.open(path) as opened:
        opened.draft("RGB", (size, size))
        picture = ImageOps.exif_transpose(opened)
        return picture.convert("RGBA" if picture.has_transparency_data else "RGB")


def _first_frame(path: Path, size: int) -> Image.Image:
    av = _av()
    with av.open(str(path)) as film:
        for frame in film.decode(video=0):
            return frame.to_image()
    raise NoThumbnail(f"{path.name} has no frame")


def _waveform(path: Path, size: int) -> Image.Image:
    """Draw one bar for each pixel column: how loud the sound is there."""
    from PIL import Image, ImageDraw

    peaks = _peaks(path, size)
    height = max(1, size // 2)
    picture = Image.new("RGBA", (size, height), (0, 0, 0, 0))
    pen = ImageDraw.Draw(picture)
    loudest = max(peaks) or 1.0
    for x, peak in enumerate(peaks):
        half = max(0.5, peak / loudest * (height - 1) / 2)
        pen.line([(x, height / 2 - half), (x, height / 2 + half)], fill=_WAVE_COLOR)
    return picture


def _peaks(path: Path, columns: int) -> list[float]:
    """Reduce the sound, or its first ten minutes, to so many loudnesses."""
    loudness: list[float] = []
    av = _av()
    with av.open(str(path)) as sound:
        resampler = av.AudioResampler(format="flt", layout="mono", rate=8000)
        for frame in sound.decode(audio=0):
            for part in resampler.resample(frame):
                loudness.append(float(abs(part.to_ndarray()).max()))
            if frame.time is not None and frame.time > LONGEST_SOUND_SECONDS:
                break
    if not loudness:
        raise NoThumbnail(f"{path.name} has no sound")
    edges = [len(loudness) * column // columns for column in range(columns + 1)]
    return [max(loudness[start : max(end, start + 1)]) for start, end in pairwise(edges)]


def _av() -> Any:
    try:
        import av
    except ImportError as exc:
        raise NoThumbnail("films and sounds have pictures only where PyAV is installed") from exc
    return av
