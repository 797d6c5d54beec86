"""A custom node pack that misbehaves in the ways that real ones do, for tests only."""

import os
import time

import comfy.utils


class Raises:
    """Fails each time it runs."""

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"image": ("IMAGE",), "message": ("STRING", {"default": "no luck"})}}

    RETURN_TYPES = ("IMAGE",)
    FUNCTION = "run"
    CATEGORY = "tests"

    @classmethod
    def IS_CHANGED(cls, **_):
        return float("nan")

    def run(self, image, message):
        raise ValueError(message)


class Sleeps:
    """Takes its time, and says how far it is."""

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"image": ("IMAGE",), "seconds": ("FLOAT", {"default": 1.0, "max": 600.0})}}

    RETURN_TYPES = ("IMAGE",)
    FUNCTION = "run"
    CATEGORY = "tests"

    @classmethod
    def IS_CHANGED(cls, **_):
        return float("nan")

    def run(self, image, seconds):
        steps = max(1, int(seconds * 20))
        bar = comfy.utils.ProgressBar(steps)
        for _ in range(steps):
            time.sleep(seconds / steps)
            bar.update(1)
        return (image,)


class Dies:
    """Ends the whole process, as a broken driver does."""

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"image": ("IMAGE",)}}

    RETURN_TYPES = ("IMAGE",)
    FUNCTION = "run"
    CATEGORY = "tests"

    @classmethod
    def IS_CHANGED(cls, **_):
        return float("nan")

    def run(self, image):
        os._exit(9)


NODE_CLASS_MAPPINGS = {"TestRaises": Raises, "TestSleeps": Sleeps, "TestDies": Dies}
