"""A node pack that behaves badly on request, and tells what it sees of the host it runs in."""

import asyncio
import math
import os
import sys
import threading
import time

import comfy.model_management
import comfy.utils
import folder_paths
import nodes
from aiohttp import web
from comfy_execution.progress import get_progress_state
from server import PromptServer

AT_IMPORT = {
    "module": __name__,
    "package": __package__,
    "thread": threading.current_thread().name,
    "is_loop_running": asyncio.get_running_loop() is PromptServer.instance.loop,
    "has_address": hasattr(PromptServer.instance, "address"),
    "is_frozen": PromptServer.instance.app.frozen,
}
STARTED = []


async def _on_startup(app):
    names = [thread.name for thread in threading.enumerate()]
    STARTED.append(
        {
            "has_worker": any("prompt_worker" in name for name in names),
            "file": "TroubleRaise" in nodes.NODE_CLASS_MAPPINGS,
        }
    )


PromptServer.instance.app.on_startup.append(_on_startup)


class TroubleRaise:
    """Fails in the way that ``kind`` says."""

    @classmethod
    def INPUT_TYPES(cls):
        kinds = ["error", "oom", "exit", "kill", "nothing"]
        return {"required": {"kind": (kinds,)}, "optional": {"after": ("INT",)}}

    RETURN_TYPES = ("STRING",)
    FUNCTION = "run"
    OUTPUT_NODE = True

    def run(self, kind, after=None):
        if kind == "error":
            raise ValueError("it broke")
        if kind == "oom":
            raise comfy.model_management.OOM_EXCEPTION("Allocation on device")
        if kind == "exit":
            raise SystemExit(3)
        if kind == "kill":
            os._exit(9)
        return {"ui": {"text": ["fine"]}, "result": ("fine",)}


class TroubleSleep:
    """Takes its time, step by step, so that it can be watched and interrupted."""

    @classmethod
    def INPUT_TYPES(cls):
        steps = ("INT", {"default": 10, "min": 1, "max": 100000})
        return {"required": {"steps": steps, "seconds": ("FLOAT", {"default": 0.01, "min": 0.0, "max": 10.0})}}

    RETURN_TYPES = ("INT",)
    FUNCTION = "run"
    OUTPUT_NODE = True

    @classmethod
    def IS_CHANGED(cls, steps, seconds):
        return math.nan + time.time()

    def run(self, steps, seconds):
        bar = comfy.utils.ProgressBar(steps)
        for _ in range(steps):
            time.sleep(seconds)
            bar.update(1)
        return {"ui": {"steps": [steps]}, "result": (steps,)}


class TroubleTell:
    """Shows what it was called with, hidden inputs and all."""

    @classmethod
    def INPUT_TYPES(cls):
        hidden = {"unique_id": "UNIQUE_ID", "prompt": "PROMPT", "extra_pnginfo": "EXTRA_PNGINFO"}
        return {"required": {"value": ("INT", {"default": 0, "min": 0, "max": 9})}, "hidden": hidden}

    RETURN_TYPES = ()
    FUNCTION = "run"
    OUTPUT_NODE = True

    def run(self, value, unique_id, prompt, extra_pnginfo):
        return {"ui": {"seen": [{"value": value, "id": unique_id, "nodes": sorted(prompt), "png": extra_pnginfo}]}}


class TroublePicky:
    """Refuses every word but one."""

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"word": ("STRING", {"default": ""})}}

    @classmethod
    def VALIDATE_INPUTS(cls, word):
        return True if word == "please" else f"say please, not {word}"

    RETURN_TYPES = ("STRING",)
    FUNCTION = "run"
    OUTPUT_NODE = True

    async def run(self, word):
        await asyncio.sleep(0)
        return {"ui": {"text": [word]}, "result": (word,)}


class TroubleMany:
    """Gives a list, so that what follows runs once for each element."""

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"count": ("INT", {"default": 2, "min": 0, "max": 9})}}

    RETURN_TYPES = ("INT",)
    OUTPUT_IS_LIST = (True,)
    FUNCTION = "run"

    def run(self, count):
        return (list(range(count)),)


@PromptServer.instance.routes.get("/trouble/seen")
async def seen(request):
    """What the pack saw of the host, at import, at start-up and now."""
    server, queue = PromptServer.instance, PromptServer.instance.prompt_queue
    state = get_progress_state()
    told = {
        "at_import": AT_IMPORT,
        "at_startup": STARTED,
        "is_registered": sys.modules[__name__].__file__ == __file__,
        "has_worker": any("prompt_worker" in thread.name for thread in threading.enumerate()),
        "address": [server.address, server.port],
        "folders": {
            "base": folder_paths.base_path,
            "output": folder_paths.get_output_directory(),
            "input": folder_paths.get_input_directory(),
            "temp": folder_paths.get_temp_directory(),
            "user": folder_paths.get_user_directory(),
            "by_type": folder_paths.get_directory_by_type("output"),
            "unknown": folder_paths.get_directory_by_type("etc"),
        },
        "queue": [len(queue.queue), len(queue.currently_running), len(queue.history)],
        "item_length": [len(item) for item in queue.queue],
        "progress": {
            "prompt_id": state.prompt_id,
            "nodes": {key: [n["state"].value, n["value"], n["max"]] for key, n in list(state.nodes.items())},
        },
        "has_core_prompt": any(getattr(r, "path", "") == "/prompt" and r.method == "POST" for r in server.routes),
    }
    return web.json_response(told)


WEB_DIRECTORY = "./web"
NODE_CLASS_MAPPINGS = {
    cls.__name__: cls for cls in (TroubleRaise, TroubleSleep, TroubleTell, TroublePicky, TroubleMany)
}
NODE_DISPLAY_NAME_MAPPINGS = {"TroubleRaise": "Trouble"}
