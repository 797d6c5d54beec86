"""Nodes of sound: silence, load, save.

Sound is ``{"waveform": floats (batch, channels, samples), "sample_rate": int}``.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from .node_base import METADATA, Node, combo, metadata_texts, preview_suffix, saved

_BIT_RATES = {"64k": 64000, "96k": 96000, "128k": 128000, "192k": 192000, "320k": 320000}


class AudioNode(Node):
    """A node that works on sound."""

    NEEDS = ("numpy", "av")
    MODULE = "comfy_extras.nodes_audio"
    RETURN_TYPES = ("AUDIO",)
    CATEGORY = "audio"


class EmptyAudio(AudioNode):
    """Silence."""

    DISPLAY_NAME = "Empty Audio"

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        duration = {"default": 60.0, "min": 0.0, "max": 0xFFFFFFFFFFFFFFFF, "step": 0.01}
        rate = {"default": 44100, "min": 1, "max": 192000}
        channels = {"default": 2, "min": 1, "max": 2}
        fields = {
            "duration": ("FLOAT", duration),
            "sample_rate": ("INT", rate),
            "channels": ("INT", channels),
        }
        return {"required": fields}

    def run(self, duration: float, sample_rate: int, channels: int) -> tuple[Any]:
        import numpy as np

        waveform = np.zeros((1, channels, round(duration * sample_rate)), np.float32)
        return ({"waveform": waveform, "sample_rate": sample_rate},)


class LoadAudio(AudioNode):
    """The sound of a file in the input folder, also of a video."""

    DISPLAY_NAME = "Load Audio"

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        names = [path.name for path in Path(cls.folders.get_input_directory()).iterdir()]
        files = cls.folders.filter_files_content_types(names, ["audio", "video"])
        return {"required": {"audio": combo(sorted(files), audio_upload=True)}}

    @classmethod
    def IS_CHANGED(cls, audio: str) -> str:
        return hashlib.sha256(Path(cls.folders.get_annotated_filepath(audio)).read_bytes()).hexdigest()

    @classmethod
    def VALIDATE_INPUTS(cls, audio: str) -> bool | str:
        return cls.folders.exists_annotated_filepath(audio) or f"Invalid audio file: {audio}"

    def run(self, audio: str) -> tuple[Any]:
        return (read_audio(self.folders.get_annotated_filepath(audio)),)


class SaveAudio(AudioNode):
    """Each sound as a file in the output folder, with the prompt that made it."""

    DISPLAY_NAME = "Save Audio (FLAC) (DEPRECATED)"
    RETURN_NAMES = ("audio",)
    OUTPUT_NODE = True
    DEPRECATED = True
    form = "flac"
    folder_type = "output"
    qualities: tuple[str, ...] = ()

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        prefix = {"default": "audio/ComfyUI", "multiline": False}
        fields: dict[str, Any] = {"audio": ("AUDIO", {}), "filename_prefix": ("STRING", prefix)}
        if cls.qualities:
            fields["quality"] = combo(cls.qualities, default=cls.qualities[0])
        return {"required": fields, "hidden": dict(METADATA)}

    def run(
        self,
        audio: Any,
        filename_prefix: str = "ComfyUI",
        quality: str = "128k",
        prompt: Any = None,
        extra_pnginfo: Any = None,
    ) -> dict[str, Any]:
        base = self.folders.get_directory_by_type(self.folder_type) or ""
        folder, stem, counter, subfolder, _ = self.folders.get_save_image_path(filename_prefix, base)
        texts = metadata_texts(prompt, extra_pnginfo)
        entries = []
        for number, waveform in enumerate(audio["waveform"]):
            name = f"{stem.replace('%batch_num%', str(number))}_{counter + number:05}.{self.form}"
            write_audio(Path(folder, name), waveform, audio["sample_rate"], self.form, quality, texts)
            entries.append(saved(name, subfolder, self.folder_type))
        return {"ui": {"audio": entries}, "result": (audio,)}


class SaveAudioMP3(SaveAudio):
    """Each sound as an MP3."""

    DISPLAY_NAME = "Save Audio (MP3) (DEPRECATED)"
    form = "mp3"
    qualities = ("V0", "128k", "320k")


class PreviewAudio(SaveAudio):
    """Each sound as a FLAC in the temp folder."""

    DISPLAY_NAME = "Preview Audio"
    DESCRIPTION = "Preview the audio without saving it to the ComfyUI output directory."
    FUNCTION = "preview"
    DEPRECATED = False
    folder_type = "temp"

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        return {"required": {"audio": ("AUDIO", {})}, "hidden": dict(METADATA)}

    def preview(self, audio: Any, prompt: Any = None, extra_pnginfo: Any = None) -> dict[str, Any]:
        """Save under a name that no earlier preview had."""
        return self.run(audio, f"ComfyUI{preview_suffix()}", "128k", prompt, extra_pnginfo)


def write_audio(path: Path, waveform: Any, sample_rate: int, form: str, quality: str, texts: dict[str, str]) -> None:
    """Encode one sound into a file.

    Args:
        path: The file to write.
        waveform: Floats (channels, samples).
        sample_rate: Samples a second.
        form: ``flac`` or ``mp3``.
        quality: ``V0`` for the best variable rate, or a bit rate such as ``128k``; MP3 only.
        texts: Metadata of the container.
    """
    import av
    import numpy as np

    layout = "mono" if waveform.shape[0] == 1 else "stereo"
    codec = {"flac": "flac", "mp3": "libmp3lame"}[form]
    with av.open(str(path), mode="w", format=form) as container:
        container.metadata.update(texts)
        stream: Any = container.add_stream(codec, rate=sample_rate, layout=layout)
        if form == "mp3" and quality in _BIT_RATES:
            stream.bit_rate = _BIT_RATES[quality]
        elif form == "mp3":
            stream.codec_context.qscale = 1
        interleaved = np.ascontiguousarray(waveform.T.reshape(1, -1), np.float32)
        frame = av.AudioFrame.from_ndarray(interleaved, format="flt", layout=layout)
        frame.sample_rate = sample_rate
        frame.pts = 0
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def read_audio(path: str) -> dict[str, Any]:
    """Decode the first audio stream of a file.

    Raises:
        ValueError: The file has no sound.
    """
    import av
    import numpy as np

    with av.open(path) as container:
        if not container.streams.audio:
            raise ValueError("No audio stream found in the file.")
        stream = container.streams.audio[0]
        resampler = av.AudioResampler(format="fltp", layout=stream.layout.name, rate=stream.rate)
        parts = [part.to_ndarray() for frame in container.decode(stream) for part in resampler.resample(frame)]
        if not parts:
            raise ValueError("No audio frames decoded.")
        return {"waveform": np.concatenate(parts, axis=1)[None], "sample_rate": stream.rate}


AUDIO_NODES: dict[str, type[Node]] = {
    node.__name__: node for node in (EmptyAudio, LoadAudio, SaveAudio, SaveAudioMP3, PreviewAudio)
}
