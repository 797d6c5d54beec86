"""Small graphs in API format, of nodes that need no model and exist in every release of ComfyUI."""

from __future__ import annotations

from typing import Any

Graph = dict[str, dict[str, Any]]


def node(class_type: str, **inputs: Any) -> dict[str, Any]:
    """One node of a graph."""
    return {"class_type": class_type, "inputs": inputs, "_meta": {"title": class_type}}


def image(prefix: str, *, color: int = 0x336699, batch_size: int = 1, side: int = 16) -> Graph:
    """EmptyImage (1) to SaveImage (9)."""
    empty = node("EmptyImage", width=side, height=side, batch_size=batch_size, color=color)
    return {"1": empty, "9": node("SaveImage", images=["1", 0], filename_prefix=prefix)}


def audio(prefix: str, save: str = "SaveAudio", **options: Any) -> Graph:
    """EmptyAudio (1) to a save node (9)."""
    empty = node("EmptyAudio", duration=0.2, sample_rate=44100, channels=2)
    return {"1": empty, "9": node(save, audio=["1", 0], filename_prefix=prefix, **options)}


def video(prefix: str, *, with_sound: bool = False) -> Graph:
    """EmptyImage (1), perhaps EmptyAudio (3), to CreateVideo (2) to SaveVideo (9)."""
    graph = {
        "1": node("EmptyImage", width=64, height=48, batch_size=4, color=0x112233),
        "2": node("CreateVideo", images=["1", 0], fps=8.0),
        "9": node("SaveVideo", video=["2", 0], filename_prefix=prefix, format="mp4", codec="h264"),
    }
    if with_sound:
        graph["3"] = node("EmptyAudio", duration=1.0, sample_rate=44100, channels=2)
        graph["2"]["inputs"]["audio"] = ["3", 0]
    return graph


def sleep(steps: int = 1000, seconds: float = 0.02) -> Graph:
    """One node of the ``trouble`` pack that runs for ``steps * seconds``."""
    return {"1": node("TroubleSleep", steps=steps, seconds=seconds)}


def trouble(kind: str) -> Graph:
    """One node of the ``trouble`` pack that fails in the way ``kind`` says."""
    return {"1": node("TroubleRaise", kind=kind)}
