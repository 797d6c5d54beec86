"""What stands before every handler: cache headers, and the refusal of other sites' requests."""

from __future__ import annotations

import ipaddress
import logging
import socket
from urllib.parse import urlsplit

from aiohttp import web
from aiohttp.typedefs import Handler

_IMAGES = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")


@web.middleware
async def cache_control(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Scripts are always asked for again; pictures by path may be kept for a day."""
    response = await handler(request)
    name = request.path.rpartition("/")[2]
    if request.path.endswith((".js", ".css")) or (name.startswith("index") and name.endswith(".json")):
        response.headers.setdefault("Cache-Control", "no-store")
    elif request.path.lower().endswith(_IMAGES):
        seconds = 3600 if response.status == 404 else 86400
        response.headers.setdefault("Cache-Control", f"public, max-age={seconds}")
    return response


@web.middleware
async def origin_only(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse what a web page of another origin sends to a server on this machine."""
    if request.headers.get("Sec-Fetch-Site") == "cross-site":
        return web.Response(status=403)
    host, origin = request.headers.get("Host"), request.headers.get("Origin")
    if host and origin and _is_foreign(host.lower(), origin):
        logging.warning("request with non matching host and origin %s != %s, returning 403", host, origin)
        return web.Response(status=403)
    return web.Response() if request.method == "OPTIONS" else await handler(request)


def _is_foreign(host: str, origin: str) -> bool:
    """Only a loopback host is guarded, and ports count only when both sides name one."""
    ours, theirs = urlsplit(f"//{host}"), urlsplit(origin)
    host_domain = ours.hostname if theirs.port is None else host
    origin_domain = theirs.hostname if ours.port is None else theirs.netloc.lower()
    return bool(host_domain and origin_domain and host_domain != origin_domain and _is_loopback(ours.hostname))


def _is_loopback(name: str | None) -> bool:
    if name is None:
        return False
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        pass
    try:
        found = {entry[4][0] for entry in socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)}
    except socket.gaierror:
        return False
    return all(ipaddress.ip_address(address).is_loopback for address in found)
