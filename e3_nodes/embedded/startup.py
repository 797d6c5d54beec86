"""The order in which the host comes up: the server, the node packs, the routes, the worker, the socket."""

from __future__ import annotations

import asyncio
import logging
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from ..logger import get_logger
from . import NAME, VERSION
from .builtin_nodes import add_builtin_nodes
from .folder_paths import FolderPaths
from .frontend import add_page_routes, add_static_routes, find_web_root
from .jobs_view import add_job_routes
from .loading import find_packs, load_packs
from .modules import install_modules
from .routes_files import add_file_routes
from .routes_info import add_info_routes
from .routes_queue import add_queue_routes
from .routes_user import add_user_routes
from .server import PromptServer
from .worker import start_worker

log = get_logger("embedded")


@dataclass(frozen=True)
class Options:
    """What the host is started with.

    Attributes:
        base_directory: Holds input/, output/, temp/, user/ and custom_nodes/; made where missing.
        listen: The address to listen on.
        port: The port; 0 takes a free one.
        port_file: Where to write the port that was taken.
        front_end_root: An unpacked ComfyUI frontend.
        custom_nodes: Node packs to load besides those in custom_nodes/.
    """

    base_directory: Path
    listen: str = "127.0.0.1"
    port: int = 8188
    port_file: Path | None = None
    front_end_root: Path | None = None
    custom_nodes: tuple[Path, ...] = ()


def serve(options: Options) -> None:
    """Run the host in this process until Ctrl-C; call it on the main thread.

    It takes ComfyUI's module names in ``sys.modules``, so nothing else in the process may need them.

    Args:
        options: Where and how to run.

    Raises:
        OSError: The port is taken.
        FileNotFoundError: ``front_end_root`` holds no frontend.
    """
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    log.info("This is the %s (%s), not ComfyUI", NAME, VERSION, extra={"action": "embedded_start"})
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    server = make_server(loop, options)
    try:
        packs = find_packs(Path(server.folders.base_path, "custom_nodes"), list(options.custom_nodes))
        loop.run_until_complete(load_packs(packs, server.registry))
        server.add_routes()
        add_static_routes(server)
        start_worker(server)
        loop.run_until_complete(_run(server, options))
    except KeyboardInterrupt:
        log.info("Stopped server", extra={"action": "embedded_stop"})
    finally:
        shutil.rmtree(server.folders.temp_directory, ignore_errors=True)


def make_server(loop: asyncio.AbstractEventLoop, options: Options) -> PromptServer:
    """Build the server with the host's own nodes and routes, ready for node packs to be loaded.

    Args:
        loop: The loop that it will run in.
        options: Where and how to run.

    Returns:
        The server; its modules stand in ``sys.modules``.
    """
    folders = FolderPaths(options.base_directory)
    shutil.rmtree(folders.temp_directory, ignore_errors=True)
    folders.make_directories()
    server = PromptServer(loop, folders, find_web_root(options.front_end_root))
    install_modules(server)
    add_builtin_nodes(server.registry, folders)
    for add in (add_queue_routes, add_page_routes, add_file_routes, add_info_routes, add_job_routes):
        add(server)
    add_user_routes(server)
    return server


async def _run(server: PromptServer, options: Options) -> None:
    await server.listen(options.listen, options.port)
    if options.port_file is not None:
        _write_whole(options.port_file, str(server.port))
    host = f"[{server.address}]" if ":" in server.address else server.address
    url = f"http://{host}:{server.port}"
    log.info("%s is ready on %s", NAME, url, extra={"action": "embedded_ready", "url": url})
    await server.publish_loop()


def _write_whole(path: Path, text: str) -> None:
    """Put the file in place complete, so that a reader who waits for it never sees half of it."""
    draft = path.with_name(f".{path.name}.draft")
    draft.write_text(text, "utf-8")
    draft.replace(path)
