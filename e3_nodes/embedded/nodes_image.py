"""Nodes of pictures: make, load, change, save.

Pictures are float arrays (batch, height, width, channels), from 0 to 1.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from .node_base import METADATA, Node, metadata_texts, preview_suffix, saved

_MAX = 16384
_METHODS = ["nearest-exact", "bilinear", "area", "bicubic", "lanczos"]


def _side(default: int, minimum: int) -> tuple[str, dict[str, int]]:
    return "INT", {"default": default, "min": minimum, "max": _MAX, "step": 1}


class ImageNode(Node):
    """A node that works on pictures."""

    NEEDS = ("numpy", "PIL")
    RETURN_TYPES = ("IMAGE",)
    CATEGORY = "image"


class EmptyImage(ImageNode):
    """Pictures of one colour."""

    DISPLAY_NAME = "Empty Image"

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        color = {"default": 0, "min": 0, "max": 0xFFFFFF, "step": 1, "display": "color"}
        batch = {"default": 1, "min": 1, "max": 4096}
        sides = {"width": _side(512, 1), "height": _side(512, 1)}
        return {"required": {**sides, "batch_size": ("INT", batch), "color": ("INT", color)}}

    def run(self, width: int, height: int, batch_size: int = 1, color: int = 0) -> tuple[Any]:
        import numpy as np

        pixel = np.array([color >> 16 & 0xFF, color >> 8 & 0xFF, color & 0xFF], np.float32) / 255
        return (np.broadcast_to(pixel, (batch_size, height, width, 3)).copy(),)


class LoadImage(ImageNode):
    """The frames of a file in the input folder, and their transparency."""

    DISPLAY_NAME = "Load Image"
    RETURN_TYPES = ("IMAGE", "MASK")

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        files = [path.name for path in Path(cls.folders.get_input_directory()).iterdir() if path.is_file()]
        pictures = sorted(cls.folders.filter_files_content_types(files, ["image"]))
        return {"required": {"image": (pictures, {"image_upload": True})}}

    @classmethod
    def IS_CHANGED(cls, image: str) -> str:
        return hashlib.sha256(Path(cls.folders.get_annotated_filepath(image)).read_bytes()).hexdigest()

    @classmethod
    def VALIDATE_INPUTS(cls, image: str) -> bool | str:
        return cls.folders.exists_annotated_filepath(image) or f"Invalid image file: {image}"

    def run(self, image: str) -> tuple[Any, Any]:
        import numpy as np
        from PIL import Image, ImageOps, ImageSequence

        pictures, masks = [], []
        with Image.open(self.folders.get_annotated_filepath(image)) as file:
            for frame in ImageSequence.Iterator(file):
                upright = ImageOps.exif_transpose(frame)
                picture = np.asarray(upright.convert("RGB"), np.float32) / 255
                if pictures and picture.shape != pictures[0].shape:
                    continue
                pictures.append(picture)
                has_alpha = "A" in upright.getbands()
                alpha = np.asarray(upright.getchannel("A"), np.float32) / 255 if has_alpha else None
                masks.append(np.zeros((64, 64), np.float32) if alpha is None else 1 - alpha)
        return np.stack(pictures), np.stack(masks)


class ImageScale(ImageNode):
    """Pictures of another size; a side of 0 follows the other one."""

    DISPLAY_NAME = "Upscale Image"
    CATEGORY = "image/upscaling"

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        sides = {"width": _side(512, 0), "height": _side(512, 0)}
        crop = (["disabled", "center"],)
        return {"required": {"image": ("IMAGE",), "upscale_method": (_METHODS,), **sides, "crop": crop}}

    def run(self, image: Any, upscale_method: str, width: int, height: int, crop: str) -> tuple[Any]:
        if width == 0 and height == 0:
            return (image,)
        _, old_height, old_width, _ = image.shape
        width = width or max(1, round(old_width * height / old_height))
        height = height or max(1, round(old_height * width / old_width))
        return (scale(image, width, height, upscale_method, crop),)


class ImageInvert(ImageNode):
    """The negative."""

    DISPLAY_NAME = "Invert Image Colors"
    CATEGORY = "image/color"

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        return {"required": {"image": ("IMAGE",)}}

    def run(self, image: Any) -> tuple[Any]:
        return (1 - image,)


class ImageBatch(ImageNode):
    """Two batches as one, the second scaled to the first."""

    DISPLAY_NAME = "Batch Images (DEPRECATED)"
    CATEGORY = "image/batch"
    DEPRECATED = True

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        return {"required": {"image1": ("IMAGE",), "image2": ("IMAGE",)}}

    def run(self, image1: Any, image2: Any) -> tuple[Any]:
        import numpy as np

        channels = max(image1.shape[-1], image2.shape[-1])
        first, second = (_with_channels(image, channels) for image in (image1, image2))
        if first.shape[1:] != second.shape[1:]:
            second = scale(second, first.shape[2], first.shape[1], "bilinear", "center")
        return (np.concatenate((first, second)),)


class SaveImage(ImageNode):
    """Each picture as a PNG in the output folder, with the prompt that made it."""

    DISPLAY_NAME = "Save Image"
    DESCRIPTION = "Saves the input images to your ComfyUI output directory."
    RETURN_NAMES = ("images",)
    OUTPUT_NODE = True
    folder_type = "output"
    compress_level = 4

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        prefix = {"default": "ComfyUI", "tooltip": "The prefix for the file to save."}
        images = ("IMAGE", {"tooltip": "The images to save."})
        return {
            "required": {"images": images, "filename_prefix": ("STRING", prefix)},
            "hidden": dict(METADATA),
        }

    def run(
        self, images: Any, filename_prefix: str = "ComfyUI", prompt: Any = None, extra_pnginfo: Any = None
    ) -> dict[str, Any]:
        from PIL import PngImagePlugin

        texts = PngImagePlugin.PngInfo()
        for key, text in metadata_texts(prompt, extra_pnginfo).items():
            texts.add_text(key, text)
        base = self.folders.get_directory_by_type(self.folder_type) or ""
        _, height, width, _ = images.shape
        place = self.folders.get_save_image_path(filename_prefix, base, width, height)
        folder, stem, counter, subfolder, _ = place
        entries = []
        for number, image in enumerate(images):
            name = f"{stem.replace('%batch_num%', str(number))}_{counter + number:05}_.png"
            options = {"pnginfo": texts, "compress_level": self.compress_level}
            to_picture(image).save(Path(folder, name), **options)
            entries.append(saved(name, subfolder, self.folder_type))
        return {"ui": {"images": entries}, "result": (images,)}


class PreviewImage(SaveImage):
    """Each picture as a PNG in the temp folder."""

    DISPLAY_NAME = "Preview Image"
    DESCRIPTION = "Preview the images without saving them to the ComfyUI output directory."
    FUNCTION = "preview"
    folder_type = "temp"
    compress_level = 1

    def __init__(self) -> None:
        self._suffix = preview_suffix()

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        return {"required": {"images": ("IMAGE",)}, "hidden": dict(METADATA)}

    def preview(self, images: Any, prompt: Any = None, extra_pnginfo: Any = None) -> dict[str, Any]:
        """Save under a name that no earlier preview had."""
        return self.run(images, f"ComfyUI{self._suffix}", prompt, extra_pnginfo)


def to_picture(image: Any) -> Any:
    """Turn one float array (height, width, channels) into a Pillow image."""
    import numpy as np
    from PIL import Image

    return Image.fromarray(np.clip(image * 255.0, 0, 255).astype(np.uint8))


def scale(images: Any, width: int, height: int, method: str, crop: str) -> Any:
    """Resize a batch; ``crop`` "center" first cuts it to the new shape.

    Args:
        images: A float array (batch, height, width, channels).
        width: The new width.
        height: The new height.
        method: One of ComfyUI's names of filters.
        crop: ``disabled`` or ``center``.
    """
    import numpy as np
    from PIL import Image

    filters = {"nearest-exact": "NEAREST", "area": "BOX"}
    chosen = Image.Resampling[filters.get(method, method.upper())]
    cut = _center(images, width / height) if crop == "center" else images
    scaled = [
        [np.asarray(Image.fromarray(image[..., c]).resize((width, height), chosen)) for c in range(image.shape[-1])]
        for image in cut.astype(np.float32)
    ]
    return np.clip(np.moveaxis(np.array(scaled), 1, -1), 0, 1)


def _center(images: Any, aspect: float) -> Any:
    _, height, width, _ = images.shape
    x = round((width - height * aspect) / 2) if width / height > aspect else 0
    y = round((height - width / aspect) / 2) if width / height < aspect else 0
    return images[:, y : height - y, x : width - x]


def _with_channels(images: Any, channels: int) -> Any:
    import numpy as np

    missing = channels - images.shape[-1]
    return np.pad(images, ((0, 0), (0, 0), (0, 0), (0, missing)), constant_values=1.0) if missing else images


IMAGE_NODES: dict[str, type[Node]] = {
    node.__name__: node
    for node in (EmptyImage, LoadImage, ImageScale, ImageInvert, ImageBatch, SaveImage, PreviewImage)
}
