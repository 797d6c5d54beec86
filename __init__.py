"""ComfyUI's door to E3: names the nodes, attaches the routes, and is inert everywhere else.

Nothing is imported relatively unless a ComfyUI runs in this process: tools such as pytest import this file
without its package around it.
"""

import sys as _sys

NODE_CLASS_MAPPINGS: dict = {}
NODE_DISPLAY_NAME_MAPPINGS: dict = {}
WEB_DIRECTORY = "./web/js"

__all__ = ["NODE_CLASS_MAPPINGS", "NODE_DISPLAY_NAME_MAPPINGS", "WEB_DIRECTORY"]

if getattr(getattr(_sys.modules.get("server"), "PromptServer", None), "instance", None) is not None:
    from .e3_nodes.nodes import NODE_CLASS_MAPPINGS, NODE_DISPLAY_NAME_MAPPINGS
    from .server_routes.plugin import attach as _attach

    _attach()
