"""A small ComfyUI-compatible host for trying E3 where no ComfyUI is installed.

It has the server object, routes, events and queue of ComfyUI, and really runs graphs of a few nodes that
need no model. Start it with ``python e3_nodes/embedded --base-directory DIR``, or call ``startup.serve``.
"""

NAME = "E3 embedded host"

VERSION = "0.33.0+e3.embedded"
"""The release of ComfyUI that the host behaves like, marked as not being it."""
