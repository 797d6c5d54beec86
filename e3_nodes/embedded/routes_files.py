"""The routes of files: look at one, upload one."""

from __future__ import annotations

import hashlib
import io
import mimetypes
import os
import shutil
from pathlib import Path
from typing import Any

from aiohttp import web

from .routes_queue import bind
from .server import PromptServer

# What a browser may run when it is opened in place of the page; it is offered as a download instead.
_ACTIVE_TYPES = {
    *["text/html", "text/javascript", "application/javascript", "application/x-javascript", "text/css"],
    *["application/xhtml+xml", "text/html-sandboxed", "application/ecmascript", "message/rfc822"],
}


def add_file_routes(server: PromptServer) -> None:
    """Add /view and /upload/image to the server's table."""
    server.routes.get("/view")(bind(_view, server))
    server.routes.post("/upload/image")(bind(_upload, server))


async def _view(server: PromptServer, request: web.Request) -> web.StreamResponse:
    query = request.rel_url.query
    if "filename" not in query:
        return web.Response(status=404)
    name, folder = server.folders.annotated_filepath(query["filename"])
    if not name or name[0] == "/" or ".." in name:
        return web.Response(status=400)
    folder = folder or server.folders.get_directory_by_type(query.get("type", "output"))
    if folder is None:
        return web.Response(status=400)
    full = Path(folder, query.get("subfolder", ""))
    if not _is_inside(full, Path(folder)):
        return web.Response(status=403)
    path = full / Path(name).name
    if not path.is_file():
        return web.Response(status=404)
    if "preview" in query:
        return _preview(path, query["preview"], query.get("channel", ""))
    if query.get("channel") in ("rgb", "a"):
        return _channel(path, query["channel"])
    return web.FileResponse(path, headers=file_headers(path.name, request.headers.get("Sec-Fetch-Dest")))


def _is_inside(path: Path, folder: Path) -> bool:
    """As in ComfyUI, by the text of the path: a link inside the folder may lead elsewhere."""
    base = os.path.normpath(folder)
    return os.path.commonpath((os.path.normpath(path), base)) == base


def file_headers(name: str, fetched_for: str | None = None) -> dict[str, str]:
    """Return the headers of a file: its type, and a download where opening it could run something.

    Examples:
        >>> file_headers("cat.png")["Content-Type"], file_headers("x.html")["Content-Type"]
        ('image/png', 'application/octet-stream')
    """
    kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
    quoted = name.replace("\\", "\\\\").replace('"', '\\"')
    headers = {"X-Content-Type-Options": "nosniff", "Content-Type": kind}
    headers["Content-Disposition"] = f'filename="{quoted}"'
    if kind not in _ACTIVE_TYPES and not kind.endswith(("+xml", "/xml")):
        return headers
    headers |= {"Vary": "Sec-Fetch-Dest", "Cache-Control": "no-store"}
    if kind == "image/svg+xml" and fetched_for == "image":
        return headers
    download = {"Content-Disposition": f'attachment; filename="{quoted}"'}
    return headers | download | {"Content-Type": "application/octet-stream"}


def _preview(path: Path, wanted: str, channel: str) -> web.Response:
    """A smaller encoding of a picture: ``preview=webp;80``."""
    from PIL import Image

    form, _, quality = wanted.partition(";")
    if form not in ("webp", "jpeg") or "a" in channel:
        form = "webp"
    with Image.open(path) as picture:
        shown = picture.convert("RGB") if form == "jpeg" or channel == "rgb" else picture
        return _encoded(shown, form, path.name, quality=int(quality) if quality.isdigit() else 90)


def _channel(path: Path, channel: str) -> web.Response:
    """A picture without its alpha, or its alpha alone."""
    from PIL import Image

    with Image.open(path) as picture:
        if channel == "rgb":
            return _encoded(picture.convert("RGB"), "png", path.name)
        alpha = picture.getchannel("A") if picture.mode == "RGBA" else Image.new("L", picture.size, 255)
        shown = Image.new("RGBA", picture.size)
        shown.putalpha(alpha)
        return _encoded(shown, "png", path.name)


def _encoded(picture: Any, form: str, name: str, **options: Any) -> web.Response:
    buffer = io.BytesIO()
    picture.save(buffer, format=form, **options)
    headers = {"Content-Disposition": f'filename="{name}"'}
    return web.Response(body=buffer.getvalue(), content_type=f"image/{form}", headers=headers)


async def _upload(server: PromptServer, request: web.Request) -> web.Response:
    form = await request.post()
    image = form.get("image")
    kind = str(form.get("type") or "input")
    folder = server.folders.get_directory_by_type(kind)
    if not isinstance(image, web.FileField) or not image.filename or folder is None:
        return web.Response(status=400)
    subfolder = str(form.get("subfolder", ""))
    target = Path(folder, subfolder, image.filename)
    if not _is_inside(target, Path(folder)):
        return web.Response(status=400)
    target.parent.mkdir(parents=True, exist_ok=True)
    if form.get("overwrite") not in ("true", "1"):
        target, is_known = _free_name(target, image.file)
    else:
        is_known = False
    if not is_known:
        with target.open("wb") as out:
            shutil.copyfileobj(image.file, out)
    return web.json_response({"name": target.name, "subfolder": subfolder, "type": kind})


def _free_name(path: Path, content: Any) -> tuple[Path, bool]:
    """The name itself, or ``name (1)``, …; tells whether that file holds the same bytes already."""
    digest = hashlib.sha256(content.read()).digest()
    content.seek(0)
    candidate, index = path, 0
    while candidate.exists():
        if hashlib.sha256(candidate.read_bytes()).digest() == digest:
            return candidate, True
        index += 1
        candidate = path.with_name(f"{path.stem} ({index}){path.suffix}")
    return candidate, False
