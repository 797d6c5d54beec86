"""How a payload is run: inside ComfyUI, or over HTTP."""
