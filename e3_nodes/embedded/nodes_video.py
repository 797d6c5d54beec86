"""Nodes of moving pictures: put frames and sound together, and save them as a film."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from .node_base import METADATA, Node, combo, metadata_texts, saved

_CODECS = ("auto", "h264", "av1")
_ENCODERS = {"auto": "h264", "h264": "h264", "av1": "libsvtav1"}
_FORMATS = ("auto", "mp4", "mkv", "webm")


@dataclass(frozen=True)
class Video:
    """Frames and sound that belong together.

    Attributes:
        images: Floats (frames, height, width, channels).
        frame_rate: Frames a second.
        audio: Sound in ComfyUI's shape, or None.
    """

    images: Any
    frame_rate: Fraction
    audio: dict[str, Any] | None = None

    def get_dimensions(self) -> tuple[int, int]:
        """Return width and height."""
        _, height, width, _ = self.images.shape
        return width, height


class VideoNode(Node):
    """A node that works on films."""

    NEEDS = ("numpy", "av")
    MODULE = "comfy_extras.nodes_video"
    RETURN_TYPES = ("VIDEO",)
    CATEGORY = "video"


class CreateVideo(VideoNode):
    """A film from pictures, with sound if there is some."""

    DISPLAY_NAME = "Create Video"
    DESCRIPTION = "Create a video from images."

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        fps = {"default": 30.0, "min": 1.0, "max": 120.0, "step": 1.0}
        depth = {"default": 8, "min": 8, "max": 10, "step": 2, "display": "number"}
        optional = {"audio": ("AUDIO", {}), "bit_depth": ("INT", depth)}
        return {"required": {"images": ("IMAGE", {}), "fps": ("FLOAT", fps)}, "optional": optional}

    def run(self, images: Any, fps: float, audio: Any = None, bit_depth: int = 8) -> tuple[Video]:
        return (Video(images, Fraction(fps), audio),)


class SaveVideo(VideoNode):
    """A film as a file in the output folder, with the prompt that made it.

    ``format`` with ``codec`` beside it is how every release takes it; ``format.codec`` is the newer name.
    """

    DISPLAY_NAME = "Save Video"
    DESCRIPTION = "Saves the input videos to your ComfyUI output directory."
    RETURN_NAMES = ("video",)
    OUTPUT_NODE = True

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        prefix = {"default": "video/ComfyUI", "multiline": False}
        fields = {"video": ("VIDEO", {}), "filename_prefix": ("STRING", prefix), "format": combo(_FORMATS)}
        return {"required": fields, "optional": {"codec": combo(_CODECS)}, "hidden": dict(METADATA)}

    @classmethod
    def INPUT_TYPES_FOR(cls, values: dict[str, Any]) -> dict[str, Any]:
        declared = cls.INPUT_TYPES()
        codecs = ("auto", "av1") if values.get("format") == "webm" else _CODECS
        declared["optional"]["format.codec"] = combo(codecs)
        return declared

    def run(
        self,
        video: Video,
        filename_prefix: str,
        format: str,
        prompt: Any = None,
        extra_pnginfo: Any = None,
        **codecs: str,
    ) -> dict[str, Any]:
        output = self.folders.get_output_directory()
        place = self.folders.get_save_image_path(filename_prefix, output, *video.get_dimensions())
        folder, stem, counter, subfolder, _ = place
        suffix = "mp4" if format == "auto" else format
        name = f"{stem}_{counter:05}_.{suffix}"
        codec = codecs.get("format.codec") or codecs.get("codec", "auto")
        if codec == "auto" and suffix == "webm":
            codec = "av1"
        write_video(Path(folder, name), video, _ENCODERS[codec], metadata_texts(prompt, extra_pnginfo))
        return {"ui": {"images": [saved(name, subfolder)], "animated": (True,)}, "result": (video,)}


def write_video(path: Path, video: Video, encoder: str, texts: dict[str, str]) -> None:
    """Encode a film into a file; the sound is cut where the pictures end.

    Args:
        path: The file to write; its suffix names the container.
        video: What to encode.
        encoder: The name of the picture encoder.
        texts: Metadata of the container.
    """
    import av
    import numpy as np

    rate = Fraction(round(video.frame_rate * 1000), 1000)
    options = {"movflags": "use_metadata_tags"} if path.suffix == ".mp4" else {}
    with av.open(str(path), mode="w", options=options) as container:
        container.metadata.update(texts)
        stream: Any = container.add_stream(encoder, rate=rate)
        stream.width, stream.height = video.get_dimensions()
        stream.pix_fmt = "yuv420p"
        sound = _add_sound(container, video.audio, path.suffix) if video.audio else None
        for image in video.images:
            pixels = np.clip(image[..., :3] * 255, 0, 255).astype(np.uint8)
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
            container.mux(stream.encode(frame.reformat(format="yuv420p")))
        container.mux(stream.encode(None))
        if sound is not None and video.audio is not None:
            seconds = len(video.images) / rate
            _encode_sound(container, sound, video.audio, seconds)


def _add_sound(container: Any, audio: dict[str, Any], suffix: str) -> Any:
    layout = "mono" if audio["waveform"].shape[1] == 1 else "stereo"
    codec, rate = ("libopus", 48000) if suffix == ".webm" else ("aac", int(audio["sample_rate"]))
    return container.add_stream(codec, rate=rate, layout=layout)


def _encode_sound(container: Any, stream: Any, audio: dict[str, Any], seconds: Fraction) -> None:
    import av
    import numpy as np

    rate = int(audio["sample_rate"])
    waveform = np.ascontiguousarray(audio["waveform"][0, :, : math.ceil(rate * seconds)], np.float32)
    frame = av.AudioFrame.from_ndarray(waveform, format="fltp", layout=stream.layout.name)
    frame.sample_rate = rate
    frame.pts = 0
    resampler = av.AudioResampler(format="fltp", layout=stream.layout.name, rate=stream.rate)
    for part in [*resampler.resample(frame), *resampler.resample(None)]:
        container.mux(stream.encode(part))
    container.mux(stream.encode(None))


VIDEO_NODES: dict[str, type[Node]] = {node.__name__: node for node in (CreateVideo, SaveVideo)}
