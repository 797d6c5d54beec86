"""Does to the embedded host what ``--enable-cors-header`` does to ComfyUI: any origin is let in, none is checked."""

import sys

from aiohttp import web

NODE_CLASS_MAPPINGS: dict = {}

_HEADERS = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Methods": "POST, GET, DELETE, PUT, OPTIONS, PATCH",
    "Access-Control-Allow-Headers": "Content-Type, Authorization",
    "Access-Control-Allow-Credentials": "true",
}


@web.middleware
async def _allow_all(request, handler):
    response = web.Response() if request.method == "OPTIONS" else await handler(request)
    response.headers.update(_HEADERS)
    return response


_middlewares = sys.modules["server"].PromptServer.instance.app.middlewares
_middlewares[:] = [each for each in _middlewares if each.__name__ != "origin_only"]
_middlewares.append(_allow_all)
