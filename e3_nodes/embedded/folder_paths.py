"""Where the host keeps things, offered to nodes under ComfyUI's name ``folder_paths``."""
# Paths are strings here, since that is what nodes written for ComfyUI pass and expect.
# ruff: noqa: PTH100, PTH103, PTH110, PTH113, PTH118, PTH122, PTH208

from __future__ import annotations

import mimetypes
import os
import time
from collections.abc import Iterable
from pathlib import Path

MODEL_EXTENSIONS = {".ckpt", ".pt", ".pt2", ".bin", ".pth", ".safetensors", ".pkl", ".sft"}
MODEL_FOLDERS = (
    *("checkpoints", "loras", "vae", "text_encoders", "diffusion_models", "clip_vision", "style_models"),
    *("embeddings", "controlnet", "upscale_models", "hypernetworks", "audio_encoders", "model_patches"),
)
_ANNOTATIONS = ("output", "input", "temp")


class FolderPaths:
    """The folders under one base directory, and the rules by which ComfyUI names files in them.

    Every path goes in and out as a string: that is what nodes written for ComfyUI expect.

    Args:
        base_directory: The folder that holds input/, output/, temp/, user/, models/ and custom_nodes/.
    """

    def __init__(self, base_directory: Path) -> None:
        base = base_directory.resolve()
        self.base_path = str(base)
        self.models_dir = str(base / "models")
        self.output_directory = str(base / "output")
        self.input_directory = str(base / "input")
        self.temp_directory = str(base / "temp")
        self.user_directory = str(base / "user")
        self.supported_pt_extensions = MODEL_EXTENSIONS
        self.folder_names_and_paths: dict[str, tuple[list[str], set[str]]] = {
            name: ([str(base / "models" / name)], MODEL_EXTENSIONS) for name in MODEL_FOLDERS
        }
        self.folder_names_and_paths["custom_nodes"] = ([str(base / "custom_nodes")], set())

    def make_directories(self) -> None:
        """Create the folders that a server needs before anything runs in it."""
        for folder in (self.output_directory, self.input_directory, self.temp_directory, self.user_directory):
            Path(folder).mkdir(parents=True, exist_ok=True)
        Path(self.base_path, "custom_nodes").mkdir(exist_ok=True)

    def get_output_directory(self) -> str:
        """Return the folder of results."""
        return self.output_directory

    def get_input_directory(self) -> str:
        """Return the folder of uploaded and placed input files."""
        return self.input_directory

    def get_temp_directory(self) -> str:
        """Return the folder of previews, emptied at every start and stop."""
        return self.temp_directory

    def get_user_directory(self) -> str:
        """Return the folder of settings; its ``default`` part is readable over HTTP."""
        return self.user_directory

    def get_system_user_directory(self, name: str = "system") -> str:
        """Return ``user/__<name>``, a folder that no HTTP route reaches.

        Raises:
            ValueError: The name holds more than letters, digits and inner underscores.
        """
        if not name.replace("_", "").isalnum() or name.startswith("_"):
            raise ValueError(f"a system user is letters, digits and underscores, got {name!r}")
        return os.path.join(self.user_directory, f"__{name}")

    def get_directory_by_type(self, type_name: str | None) -> str | None:
        """Return the folder that ``output``, ``input`` or ``temp`` names, else None."""
        known = {"output": self.output_directory, "input": self.input_directory, "temp": self.temp_directory}
        return known.get(type_name or "")

    def get_folder_paths(self, folder_name: str) -> list[str]:
        """Return the folders searched for one kind of model, or for ``custom_nodes``."""
        return list(self.folder_names_and_paths[folder_name][0])

    def add_model_folder_path(self, folder_name: str, full_folder_path: str, is_default: bool = False) -> None:
        """Add a folder to search, in front when it is the default."""
        paths, _ = self.folder_names_and_paths.setdefault(folder_name, ([], set()))
        if full_folder_path in paths:
            paths.remove(full_folder_path)
        paths.insert(0 if is_default else len(paths), full_folder_path)

    def get_filename_list(self, folder_name: str) -> list[str]:
        """Return the files of one kind, relative to their folders, sorted."""
        folders, extensions = self.folder_names_and_paths[folder_name]
        found: set[str] = set()
        for folder in folders:
            found.update(_files_under(folder, extensions))
        return sorted(found)

    def get_full_path(self, folder_name: str, filename: str) -> str | None:
        """Return the file's path in the first folder that has it, else None."""
        relative = os.path.relpath(os.path.join(os.sep, filename), os.sep)
        folders = self.folder_names_and_paths.get(folder_name, ([], set()))[0]
        return next((p for f in folders if os.path.isfile(p := os.path.join(f, relative))), None)

    def annotated_filepath(self, name: str) -> tuple[str, str | None]:
        """Split ``"cat.png [output]"`` into the name and the folder it names (None without one).

        Examples:
            >>> FolderPaths(Path("/base")).annotated_filepath("cat.png")
            ('cat.png', None)
        """
        for type_name in _ANNOTATIONS:
            if name.endswith(f"[{type_name}]"):
                return name[: -len(type_name) - 3], self.get_directory_by_type(type_name)
        return name, None

    def get_annotated_filepath(self, name: str, default_dir: str | None = None) -> str:
        """Return the absolute path of an input's value.

        Raises:
            ValueError: The name leads out of the folder it belongs to.
        """
        plain, folder = self.annotated_filepath(name)
        base = folder or default_dir or self.input_directory
        path = os.path.abspath(os.path.join(base, plain))
        if not self.is_within_directory(base, path):
            raise ValueError(f"Invalid file path: {plain!r}")
        return path

    def exists_annotated_filepath(self, name: str) -> bool:
        """Tell whether an input's value names a file inside its folder."""
        try:
            return os.path.exists(self.get_annotated_filepath(name))
        except ValueError:
            return False

    @staticmethod
    def is_within_directory(directory: str, target: str) -> bool:
        """Tell whether ``target``, links followed, lies in ``directory``."""
        try:
            base = os.path.realpath(directory)
            return os.path.commonpath((base, os.path.realpath(target))) == base
        except ValueError:  # another drive, or a null byte
            return False

    @staticmethod
    def filter_files_content_types(files: Iterable[str], content_types: Iterable[str]) -> list[str]:
        """Keep the names whose extension belongs to one of the kinds: image, video, audio, model."""
        wanted = set(content_types)
        return [name for name in files if _content_kind(name) in wanted]

    def get_save_image_path(
        self, filename_prefix: str, output_dir: str, image_width: int = 0, image_height: int = 0
    ) -> tuple[str, str, int, str, str]:
        """Decide where a save node writes: folder, file stem, next free counter, subfolder, prefix.

        The counter is one above the highest ``<stem>_<digits>_`` in the folder, so nothing is overwritten.

        Args:
            filename_prefix: What the node was given; ``%width%``, ``%date%``-like tokens are replaced.
            output_dir: The folder that the result must stay in.
            image_width: The value of ``%width%``.
            image_height: The value of ``%height%``.

        Returns:
            The absolute folder (created), the stem, the counter, the subfolder and the expanded prefix.

        Raises:
            Exception: The prefix leads out of ``output_dir``.
        """
        prefix = _expand(filename_prefix, image_width, image_height)
        subfolder, stem = os.path.split(os.path.normpath(prefix))
        folder = os.path.join(output_dir, subfolder)
        if not self.is_within_directory(output_dir, folder):
            raise Exception(
                "**** ERROR: Saving image outside the output folder is not allowed."
                f"\n full_output_folder: {os.path.abspath(folder)}\n         output_dir: {output_dir}"
            )
        os.makedirs(folder, exist_ok=True)
        return folder, stem, _next_counter(folder, stem), subfolder, prefix


def _expand(prefix: str, width: int, height: int) -> str:
    now = time.localtime()
    tokens = {"width": str(width), "height": str(height), "year": str(now.tm_year)}
    clock = {"month": now.tm_mon, "day": now.tm_mday, "hour": now.tm_hour, "minute": now.tm_min}
    tokens |= {name: f"{value:02}" for name, value in {**clock, "second": now.tm_sec}.items()}
    for name, value in tokens.items():
        prefix = prefix.replace(f"%{name}%", value)
    return prefix


def _next_counter(folder: str, stem: str) -> int:
    start = os.path.normcase(stem) + "_"
    numbers = [0]
    for name in os.listdir(folder):
        if os.path.normcase(name).startswith(start):
            digits = name[len(start) :].split(".")[0].split("_")[0]
            numbers.append(int(digits) if digits.isdecimal() else 0)
    return max(numbers) + 1


def _files_under(folder: str, extensions: set[str]) -> Iterable[str]:
    for parent, _, names in os.walk(folder, followlinks=True):
        for name in names:
            if not extensions or os.path.splitext(name)[1].lower() in extensions:
                yield os.path.relpath(os.path.join(parent, name), folder)


def _content_kind(name: str) -> str:
    # The system's table often lacks these two, and ComfyUI fixes them in the same way.
    fixed = {"webp": "image", "fbx": "model"}.get(name.rpartition(".")[2])
    return fixed or (mimetypes.guess_type(name, strict=False)[0] or "").split("/")[0]
