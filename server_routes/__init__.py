"""The HTTP edge: thin async handlers on ComfyUI's own server."""
