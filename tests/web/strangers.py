"""A web page of somebody else, and what it tries against E3."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from comfyui_e3.server_routes.openapi import path_of
from comfyui_e3.server_routes.routes import ROUTES

NAMES = ("evil.example", "rebind.example", "nas.lan")
FLAGS = [
    "--no-sandbox",
    # Only this machine is asked, under whichever name.
    f"--host-resolver-rules={','.join(f'MAP {name} 127.0.0.1' for name in NAMES)},"
    "MAP * ~NOTFOUND,EXCLUDE 127.0.0.1,EXCLUDE localhost",
]

ATTACK = """async ({target, wishes}) => {
    const ENCODINGS = ["text/plain", "multipart/form-data", "application/x-www-form-urlencoded"];
    const later = (ms) => new Promise((done) => setTimeout(done, ms));
    const soon = (promise) => Promise.race([Promise.resolve(promise).catch(() => 0), later(4000)]);
    const frames = [];
    const frame = (attributes) => {
        const element = Object.assign(document.createElement("iframe"), attributes);
        frames.push(new Promise((done) => element.addEventListener("load", done)));
        document.body.append(element);
        return element;
    };
    const form = (wish, enctype, number) => {
        frame({name: `sink-${enctype}-${number}`});
        const element = Object.assign(document.createElement("form"), {
            action: target + wish.path, method: "post", enctype, target: `sink-${enctype}-${number}`});
        const asJson = [JSON.stringify(wish.body).slice(0, -1) + ',"x":"', '"}'];
        const [key, value] = enctype === "text/plain" ? asJson : ["priority", "1"];
        element.append(Object.assign(document.createElement("input"), {name: key, value}));
        document.body.append(element);
        element.submit();
    };
    const load = (tag, url) => new Promise((done) => {
        const element = document.createElement(tag);
        element.onload = element.onerror = done;
        element[tag === "link" ? "href" : "src"] = url;
        if (tag === "link") element.rel = "stylesheet";
        document.head.append(element);
    });
    const tries = [];
    wishes.forEach((wish, number) => {
        const body = JSON.stringify(wish.body), url = target + wish.path;
        for (const mode of ["no-cors", "cors"]) for (const type of ["text/plain", "application/json"])
            tries.push(fetch(url, {method: wish.method, mode, headers: {"Content-Type": type}, body}));
        tries.push(fetch(url, {method: wish.method, mode: "no-cors", body: new Blob([body])}));
        for (const type of ["text/plain", "application/json"]) navigator.sendBeacon(url, new Blob([body], {type}));
        if (wish.method === "POST") for (const enctype of ENCODINGS) form(wish, enctype, number);
        for (const tag of ["img", "script", "link"]) tries.push(load(tag, url));
        tries.push(new Promise((done) => {
            const socket = new WebSocket(url.replace("http", "ws"));
            socket.onopen = () => socket.send(body);
            socket.onerror = socket.onclose = done;
        }));
    });
    const sandboxed = frame({sandbox: "allow-scripts allow-forms"});
    const inside = `for (const {method, path, body} of ${JSON.stringify(wishes)})
        for (const mode of ["no-cors", "cors"]) for (const type of ["text/plain", "application/json"]) {
            const wish = {method, mode, headers: {"Content-Type": type}, body: JSON.stringify(body)};
            fetch(${JSON.stringify(target)} + path, wish).catch(() => 0);
        }`;
    sandboxed.srcdoc = "<script>" + inside + "</" + "script>";
    const socket = new WebSocket(target.replace("http", "ws") + "/ws");
    socket.onopen = () => wishes.forEach((wish) => socket.send(JSON.stringify({type: "e3.job", data: wish})));
    await Promise.all([...tries, ...frames].map(soon));
    await later(500);
}"""
"""Everything that a page can send without asking the person; run on the stranger's page."""


def wishes(name: str) -> list[dict[str, Any]]:
    """Return every change that E3 takes, as requests that would work from its own page.

    Args:
        name: A job that waits.
    """
    job = {
        "job_type": "T2I",
        "workflow_id": "image",
        "inputs": {},
        "outputs": {"file_path": "jobs/finished/image/stranger.png"},
    }
    bodies = {
        ("POST", "/jobs"): job,
        ("POST", "/jobs/bulk"): {"action": "delete", "filter": {}},
        ("PATCH", "/jobs/{config_name}"): {"priority": 1},
    }
    return [
        {
            "method": route.method,
            "path": f"{prefix}/e3{path_of(route).format(config_name=name)}",
            "body": bodies.get((route.method, route.path), {}),
        }
        for route in ROUTES
        for prefix in (("", "/api") if route.method == "PATCH" else ("",))  # the unit tests try every twin
        if route.is_change
    ]


@contextmanager
def stranger_page() -> Iterator[int]:
    """Serve an empty page on a port of its own; yields the port."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Page) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


class _Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!doctype html><title>stranger</title><body></body>")

    def log_message(self, format: str, *args: Any) -> None:
        """Stay quiet."""


def as_text(value: Any) -> str:
    """Return a value in one comparable form."""
    return json.dumps(value, sort_keys=True, default=str)
