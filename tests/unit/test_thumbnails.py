"""Small pictures of images, films and sounds."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path

import pytest
from comfyui_e3.e3_nodes import thumbnails
from comfyui_e3.e3_nodes.thumbnails import NoThumbnail

Image = pytest.importorskip("PIL.Image")


def opened(data: bytes):
    return Image.open(io.BytesIO(data))


@pytest.mark.parametrize(
    ("mode", "size", "expected"),
    [
        ("RGB", (400, 200), (64, 32)),
        ("RGBA", (30, 60), (30, 60)),
        ("P", (128, 128), (64, 64)),
        ("L", (1, 900), (1, 64)),
        ("I;16", (80, 40), (64, 32)),
    ],
    ids=["wide", "smaller already", "palette", "thin", "16 bit"],
)
def test_thumbnails_draw_fits_an_image_into_the_size(
    tmp_path: Path, mode: str, size: tuple[int, int], expected: tuple[int, int]
) -> None:
    path = tmp_path / "picture.png"
    Image.new(mode, size).save(path)

    assert opened(thumbnails.draw(path, 64)).size == expected


def test_thumbnails_draw_keeps_transparency(tmp_path: Path) -> None:
    path = tmp_path / "picture.webp"
    Image.new("RGBA", (10, 10), (0, 0, 0, 0)).save(path, lossless=True)

    assert opened(thumbnails.draw(path, 64)).getpixel((5, 5))[3] == 0


def test_thumbnails_draw_shows_the_first_frame_of_a_film(tmp_path: Path) -> None:
    av = pytest.importorskip("av")
    np = pytest.importorskip("numpy")
    path = tmp_path / "film.mp4"
    with av.open(str(path), "w") as film:
        stream = film.add_stream("mpeg4", rate=8)
        stream.width, stream.height, stream.pix_fmt = 128, 64, "yuv420p"
        for shade in (255, 0, 0):
            frame = av.VideoFrame.from_ndarray(np.full((64, 128, 3), shade, np.uint8), format="rgb24")
            film.mux(stream.encode(frame))
        film.mux(stream.encode())

    picture = opened(thumbnails.draw(path, 32)).convert("L")

    assert picture.size == (32, 16)
    assert picture.getpixel((16, 8)) > 200


def test_thumbnails_draw_shows_where_a_sound_is_loud(tmp_path: Path) -> None:
    pytest.importorskip("av")
    np = pytest.importorskip("numpy")
    import wave

    path = tmp_path / "sound.wav"
    with wave.open(str(path), "wb") as sound:
        sound.setparams((1, 2, 8000, 0, "NONE", ""))
        sound.writeframes(np.concatenate([np.zeros(8000), np.full(8000, 30000)]).astype("<i2").tobytes())

    picture = opened(thumbnails.draw(path, 64))

    assert picture.size == (64, 32)
    assert [picture.getpixel((x, 2))[3] > 0 for x in (8, 56)] == [False, True]


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("broken.png", b"\x89PNG\r\n\x1a\n broken"),
        ("empty.jpg", b""),
        ("film.mp4", b"no film"),
        ("sound.flac", b"fLaC"),
        ("model.glb", b"glTF"),
        ("text.txt", b"a poem"),
        ("drawing.svg", b"<svg/>"),
        ("noext", b"x"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_thumbnails_draw_refuses_what_has_no_picture(tmp_path: Path, name: str, data: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(data)

    with pytest.raises(NoThumbnail):
        thumbnails.draw(path, 64)


def test_thumbnails_draw_without_pyav_refuses_films(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    path = tmp_path / "film.mp4"
    path.write_bytes(b"x")

    with pytest.raises(NoThumbnail, match="PyAV"):
        thumbnails.draw(path, 64)


def test_thumbnails_draw_refuses_an_image_that_would_fill_the_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    path = tmp_path / "bomb.png"
    Image.new("L", (100, 100)).save(path)

    with pytest.raises(NoThumbnail):
        thumbnails.draw(path, 64)


def test_thumbnails_thumbnail_follows_the_file(tmp_path: Path) -> None:
    path, folder = tmp_path / "picture.png", tmp_path / "kept"
    Image.new("RGB", (40, 40), (255, 0, 0)).save(path)
    first = thumbnails.thumbnail(path, 32, folder)

    assert thumbnails.thumbnail(path, 32, folder) == first
    Image.new("RGB", (40, 40), (0, 255, 0)).save(path)
    os.utime(path, ns=(1, 1))
    second = thumbnails.thumbnail(path, 32, folder)

    assert second != first
    assert opened(second.read_bytes()).getpixel((5, 5)) == (0, 255, 0)


def test_thumbnails_thumbnail_of_a_lost_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NoThumbnail):
        thumbnails.thumbnail(tmp_path / "gone.png", 32, tmp_path / "kept")


def test_thumbnails_prune_removes_the_oldest(tmp_path: Path) -> None:
    for number in range(5):
        (tmp_path / f"{number}.png").write_bytes(b"x")
        os.utime(tmp_path / f"{number}.png", (number, number))

    thumbnails.prune(tmp_path, 2)

    assert sorted(path.name for path in tmp_path.iterdir()) == ["3.png", "4.png"]
