"""What is fuzzed: each reader of what strangers write, with what must be true of everything that it accepts.

A target is called with bytes and raises where a promise is broken. ``seeds`` are what it starts from: the corpus
of bad input, and good input beside it. ``tokens`` are words from which new inputs are put together.
"""

from __future__ import annotations

import contextlib
import copy
import datetime
import itertools
import json
import ntpath
import os
import unicodedata
from collections.abc import Iterator
from pathlib import Path, PureWindowsPath
from typing import Any

import rest
import yaml
from bad_input import bytes_of, cases
from comfyui_e3.e3_nodes import authoring, config_loader, job_rows, outputs, payload, validation, workflow_files
from comfyui_e3.e3_nodes.errors import E3Error, InvalidConfig, InvalidSettings, InvalidWorkflow
from comfyui_e3.e3_nodes.model import ALLOWED_EXTENSIONS, JOB_TYPES, MAX_CONFIG_BYTES, MAX_PRIORITY, MAX_RETRY_LIMIT
from comfyui_e3.e3_nodes.outputs import planning
from comfyui_e3.e3_nodes.parsing import strict_json, strict_yaml
from comfyui_e3.e3_nodes.payload import templates
from fuzz.limits import refusals

NAME = "T2I_20240101000000_1_fuzz.yaml"
GOOD_JOB = (
    b"job_type: T2I\nworkflow_id: wf_text\npriority: 5\ninputs:\n  text: a cat\n  width: 32\n  color: 7\n"
    b"outputs:\n  file_path: jobs/finished/image/cat.png\n"
)
RESERVED = {"con", "prn", "aux", "nul", "conin$", "conout$"} | {
    f"{port}{number}" for port in ("com", "lpt") for number in "0123456789¹²³"
}
YAML_TOKENS = (
    *(b": ", b"- ", b"\n  ", b"---\n", b"...\n", b"<<: ", b"? ", b"| \n", b">-\n", b"&a ", b"*a ", b"!!int ", b"%YAML"),
    *(b"\xef\xbb\xbf", b"\xe2\x80\xa8", b"\xc2\x85", b"\\u", b"\\x", b".nan", b".inf", b"010", b"0x1F", b"1e999"),
    *(b"job_type: ", b"workflow_id: ", b"priority: ", b"retry_limit: ", b"inputs:\n  ", b"outputs:\n  "),
    *(b"timeout_seconds: ", b"metadata:\n  ", b"file_path: ", b"if_exists: ", b"nodes: ", b"width: ", b"text: "),
)


class Target:
    """One thing to fuzz.

    Args:
        folder: An empty folder to work in.
    """

    name = ""
    tokens: tuple[bytes, ...] = ()
    longest = 4096

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def seeds(self) -> Iterator[bytes]:
        """Give what to start from."""
        raise NotImplementedError

    def __call__(self, data: bytes) -> None:
        """Read one input; raise when a promise is broken."""
        raise NotImplementedError

    def close(self) -> None:
        """Let go of what is open."""


class Jobs(Target):
    """A job file's bytes, by both of PyYAML's parsers, up to the validated row."""

    name = "yaml"
    tokens = YAML_TOKENS

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.cfg = rest.write_home(folder)
        self.workflows = config_loader.load_all_workflows([str(folder / "workflows" / "workflows.yaml")])

    def seeds(self) -> Iterator[bytes]:
        yield GOOD_JOB
        yield from (bytes_of(case) for case in cases("yaml.json"))
        for case in cases("jobs.json"):
            added = f"  {case['input']}\n".encode() if "input" in case else b""
            yield GOOD_JOB.replace(b"  color: 7\n", added) + case.get("top", "").encode()
        for path in sorted((config_loader.plugin_folder() / "jobs" / "examples").glob("**/*.yaml")):
            yield path.read_bytes()

    def __call__(self, data: bytes) -> None:
        self.read(data)
        if len(data) < 512:  # the parser in Python is the one whose coverage can be seen, and 20 times slower
            with without_libyaml():
                self.read(data)

    def read(self, data: bytes) -> None:
        """Read a job, and hold what was accepted to the rules."""
        with refusals(InvalidConfig):
            document = strict_yaml.read(data)
            check_reread(document.data)
            row = job_rows.job_row(NAME, data, "image", self.cfg, self.workflows)
            self.check(row)
            assert strict_yaml.read(authoring.write_yaml(document.data)).data == document.data

    def check(self, row: dict[str, Any]) -> None:
        """Check an accepted job."""
        config = row["config"]
        assert json.loads(json.dumps(config, allow_nan=False)) == config
        assert 1 <= row["priority"] <= MAX_PRIORITY and 0 <= row["retry_limit"] <= MAX_RETRY_LIMIT
        assert all(warning.encode() for warning in row["warnings"])
        check_lies_inside(outputs.final_path(config["outputs"]["file_path"], self.cfg), self.cfg)
        again = job_rows.job_row(NAME, row["source_yaml"].encode(), "image", self.cfg, self.workflows)
        assert without_chance(again) == without_chance(row), "read again it is another job"
        before = copy.deepcopy(self.workflows["wf_text"]["template"])
        graph = payload.build_payload("wf_text", config["inputs"], self.workflows)
        assert self.workflows["wf_text"]["template"] == before
        check_same_wires(graph, before)


@contextlib.contextmanager
def without_libyaml() -> Iterator[None]:
    """Let the reader use PyYAML's parser in Python."""
    loader = yaml.__dict__.pop("CSafeLoader", None)
    try:
        yield
    finally:
        if loader is not None:
            yaml.CSafeLoader = loader  # type: ignore[misc]


def without_chance(row: dict[str, Any]) -> dict[str, Any]:
    """Leave out what is drawn anew each time, and the hash of bytes that a byte order mark changes."""
    config = row["config"]
    inputs = {name: value for name, value in config["inputs"].items() if name != "color"}
    return {**row, "config": {**config, "inputs": inputs}, "config_sha256": ""}


def check_reread(document: dict[str, Any]) -> None:
    """What was read is data: written as JSON, which is YAML, it is read as the same."""
    text = json.dumps(document, ensure_ascii=False, allow_nan=False)
    for breaking in "\x7f\x85\u2028\u2029\ufeff":  # YAML folds or refuses them, JSON does not
        text = text.replace(breaking, f"\\u{ord(breaking):04x}")
    if len(text.encode()) <= MAX_CONFIG_BYTES:
        assert strict_yaml.read(text.encode()).data == document


def check_same_wires(graph: dict[str, Any], template: dict[str, Any]) -> None:
    """A job sets values; nodes, classes and wires are the template's."""
    assert graph.keys() == template.keys()
    for node_id, node in template.items():
        assert graph[node_id]["class_type"] == node["class_type"]
        assert graph[node_id]["inputs"].keys() == node["inputs"].keys()
        for field, value in node["inputs"].items():
            found = graph[node_id]["inputs"][field]
            assert found == value if isinstance(value, list) else not isinstance(found, (list, dict))


class Names(Target):
    """The name of a file in processing/, as the system's bytes."""

    name = "names"
    tokens = (b"T2I_", b"20240101000000", b"_1_", b".yaml", b".yml", b"/", b"\\", b"\xcc\x81", b"\xe2\x80\x8b", b"\xff")
    longest = 512

    def seeds(self) -> Iterator[bytes]:
        yield NAME.encode()
        yield from (case["name"].encode("utf-8", "surrogatepass") for case in cases("names.json"))

    def __call__(self, data: bytes) -> None:
        name = data.decode("utf-8", "surrogateescape")
        validation.is_ignored_name(name)
        with refusals(InvalidConfig):
            canonical = validation.canonical_config_name(name)
            assert validation.canonical_config_name(canonical) == canonical
        with refusals(InvalidConfig):
            parts = validation.parse_config_name(name)
            canonical = validation.canonical_config_name(name)
            self.check(canonical, parts)
            assert validation.parse_config_name(canonical) == parts

    def check(self, canonical: str, parts: Any) -> None:
        """Check an accepted name: a file can have it on every computer, and it means one job."""
        stem, dot, ending = canonical.rpartition(".")
        assert (dot, ending) == (".", "yaml") and len(canonical.encode()) <= 150
        assert not set(canonical) & set('/\\<>:"|?* \0\n\r\t') and canonical.isprintable()
        assert unicodedata.is_normalized("NFC", canonical) and not canonical.startswith((".", "-", "~"))
        assert canonical.split(".")[0].casefold() not in RESERVED and not stem.endswith((".yaml", ".yml"))
        assert validation.identity(canonical) == validation.identity(canonical.upper().lower())
        assert validation.identity(canonical) == validation.identity(unicodedata.normalize("NFD", canonical))
        assert not validation.is_ignored_name(canonical)
        assert parts["job_type"] in JOB_TYPES and 0 <= parts["index"] < 10**9
        assert datetime.datetime.strptime(parts["timestamp"], "%Y%m%d%H%M%S").year >= 1
        assert canonical.startswith(f"{parts['job_type']}_{parts['timestamp']}_")


class Paths(Target):
    """``outputs.file_path``: its text, then where it leads on a disk with links in every direction."""

    name = "paths"
    tokens = (b"jobs/finished/", b"image/", b"../", b"..\\", b"//", b"C:", b"~", b"$HOME", b".png", b"{index}", b"NUL")
    longest = 2048

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        home, outside = folder / "home", folder / "outside"
        self.cfg = rest.write_home(home, paths={"output_roots": [str(folder / "results")]})
        image = Path(self.cfg["paths"]["jobs_finished"], "image")
        for made in (image, outside, folder / "results"):
            made.mkdir(parents=True)
        for name, leads_to in {"out": outside, "in": folder / "results", "up": home, "loop": image / "loop"}.items():
            (image / name).symlink_to(leads_to)

    def seeds(self) -> Iterator[bytes]:
        yield from (case["path"].encode("utf-8", "surrogatepass") for case in cases("paths.json"))
        for text in ("image/{index}.png", "image/out/x.png", "image/in/x.png", "image/loop/x.png", "image/up/x.png"):
            yield f"jobs/finished/{text}".encode()
        yield str(self.folder / "results" / "a" / "x.webp").encode()
        yield str(self.folder / "outside" / "x.png").encode()

    def __call__(self, data: bytes) -> None:
        text = data.decode("utf-8", "surrogatepass") if is_wtf8(data) else data.decode("utf-8", "replace")
        with refusals(InvalidConfig):
            validation.check_output_path(text, windows=True)
            self.check_on_windows(text)
        with refusals(E3Error):  # the disk's own answer holds where the text was not asked, too
            check_lies_inside(outputs.final_path(text, self.cfg), self.cfg)
        with refusals(InvalidConfig):
            validation.check_output_path(text, windows=False)
            self.check(text)

    def check(self, text: str) -> None:
        """Check an accepted text, and where it leads: for the first file, the twelfth, and the second version."""
        assert text.isprintable() or all(unicodedata.category(char) not in ("Cc", "Cs", "Zl", "Zp") for char in text)
        assert text.rpartition(".")[2].lower() in ALLOWED_EXTENSIONS
        assert ".." not in text.replace("\\", "/").split("/") and not ntpath.splitdrive(text)[0]
        real = outputs.final_path(text, self.cfg)
        for number, version in itertools.product((1, 12), (1, 2)):
            path = planning._final_path(real, number, "png", version)
            check_lies_inside(path, self.cfg)
            assert all(len(part.encode()) <= 255 for part in Path(path).parts)

    def check_on_windows(self, text: str) -> None:
        """Check what Windows would make of it."""
        path = PureWindowsPath(text)
        assert ".." not in path.parts and (not path.drive or path.is_absolute())
        for part in path.relative_to(path.anchor).parts:
            assert part.split(".")[0].strip().casefold() not in RESERVED
            assert not set(part) & set('<>:"|?*') and not part.endswith((" ", "."))


def is_wtf8(data: bytes) -> bool:
    """Tell whether bytes are text, half characters included."""
    with contextlib.suppress(UnicodeDecodeError):
        data.decode("utf-8", "surrogatepass")
        return True
    return False


def check_lies_inside(path: str, cfg: dict[str, Any]) -> None:
    """A result lies below a root, links followed, and has an ending that no computer runs."""
    roots = [cfg["paths"]["jobs_finished"], *cfg["paths"]["output_roots"]]
    real = os.path.realpath(path)
    assert any(real.startswith(os.path.realpath(root) + os.sep) for root in roots), f"{path} leads to {real}"
    assert Path(path).suffix[1:].lower() in ALLOWED_EXTENSIONS


class Settings(Target):
    """``global_config.yaml``."""

    name = "settings"
    tokens = (
        *YAML_TOKENS,
        *(key.encode() + b": " for key in config_loader.SETTINGS),
        b"${HOME}",
        b"${X:-",
        b"~nobody/",
    )

    def seeds(self) -> Iterator[bytes]:
        yield b""
        yield from (f"{key}: {json.dumps(setting.default)}".encode() for key, setting in config_loader.SETTINGS.items())
        yield b"paths: {output_roots: [~/x, a/b], database: 'sqlite://x'}\ncomfyui: {headers: {a: b}}\n"
        yield b"job_types: {UPSCALE: image}\nallowed_hosts: [${HOST:-x}]\nlease_seconds: ${S:-60}\n"

    def __call__(self, data: bytes) -> None:
        path = self.folder / config_loader.CONFIG_NAME
        path.write_bytes(data)
        with refusals(InvalidSettings):
            cfg = config_loader.load_global_config(str(path))
            assert cfg.keys() == {*config_loader.SETTINGS, "paths", "comfyui", "home"}
            for value in (*cfg["paths"].values(), *cfg["paths"]["output_roots"]):
                assert isinstance(value, list) or "://" in value or os.path.isabs(value)  # noqa: PTH117
            json.dumps(cfg, allow_nan=False)


class Workflows(Target):
    """A template, or ``workflows.yaml`` where the input does not start with a brace."""

    name = "workflows"
    tokens = (
        *YAML_TOKENS,
        *(b'"class_type": ', b'"inputs": {', b'"filename_prefix": ', b'["1", 0]', b'"_meta": {', b"E3InputText"),
        *(b"template_path: t.json", b"required_inputs: []", b"inputs: {", b"node: '1'", b"type: ", b"random: true"),
    )

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        (folder / "t.json").write_text(json.dumps(rest.GRAPH), "utf-8")

    def seeds(self) -> Iterator[bytes]:
        shipped = config_loader.plugin_folder() / "workflows"
        yield json.dumps(rest.GRAPH).encode()
        yield b'{"nodes": []}'
        yield from (path.read_bytes() for path in sorted(shipped.glob("api/wf_hello*.json")))
        yield b"wf: {template_path: t.json, required_inputs: [text], inputs: {text: {node: '2', field: text}}}"
        yield b"wf: {template_path: ../t.json, required_inputs: []}"
        yield (
            b"wf:\n  template_path: t.json\n  required_inputs: []\n  inputs:\n"
            b"    c: {node: 1, field: color, type: int, min: 0, max: 9, random: true, default: 3}\n"
        )

    def __call__(self, data: bytes) -> None:
        with refusals(InvalidWorkflow):
            if data.lstrip()[:1] == b"{":
                self.check(templates.parse_template(data, "t.json"))
            else:
                (self.folder / "w.yaml").write_bytes(data)
                for workflow in workflow_files.load_workflows(str(self.folder / "w.yaml")).values():
                    self.check(workflow["template"])

    def check(self, template: dict[str, Any]) -> None:
        """Check an accepted template: it can be built, and only literal fields of it can be set."""
        assert json.loads(json.dumps(template, allow_nan=False)) == template
        assert len(templates.workflow_sha256(template, {})) == 64
        known: Any = {"wf": {"template": template, "required_inputs": []}}
        with refusals(InvalidConfig):
            graph = payload.build_payload("wf", {}, known)
            assert graph.keys() <= template.keys()


class Long(Target):
    """A short piece, repeated up to the limit of 256 KiB, for what is slow or large only when it is long.

    The input is ``<reader><start>\\0<piece>\\0<end>``; ``%`` in the piece is the number of the repetition.
    """

    name = "long"
    tokens = (*YAML_TOKENS, b"\0", b"%", b"[", b"{", b'"', b"\\n", b",", b"#")
    longest = 256

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.jobs, self.settings = Jobs(folder / "jobs"), Settings(folder)

    def seeds(self) -> Iterator[bytes]:
        for piece in (b"- 1\n", b"k%: 1\n", b"[", b"{a: ", b"- ", b"1:", b"\n", b"#\n", b"x #y\n", b"? ", b"'", b" "):
            yield b"ya:\n\0" + piece + b"\0"
        yield b"yinputs: {\0text%: a,\0}"
        yield b"y" + GOOD_JOB + b"metadata:\n\0  k%: [1, a]\n\0"
        for piece in (b"1,", b'"a",', b"[],", b"[", b'{"a":', b"1e9,", b"-"):
            yield b"j[\0" + piece + b"\0" + b"1]"
        yield b'j{\0"k%":1,\0"z":1}'
        yield b'w{\0"%":{"class_type":"a","inputs":{"b":["%",0],"filename_prefix":"x"}},\0"z":1}'
        yield b'w{"1":{"class_type":"a","inputs":{\0"k%":["1",0],\0"filename_prefix":"x"}}}'
        yield b"sallowed_hosts: [\0a%,\0]"

    def __call__(self, data: bytes) -> None:
        reader, data = data[:1], self.repeated(data[1:])
        if reader == b"j":
            with refusals(InvalidConfig):
                strict_json.read_json(data)
        elif reader == b"w":
            with refusals(InvalidWorkflow):
                templates.parse_template(data, "t.json")
        elif reader == b"s":
            self.settings(data)
        else:
            with refusals(InvalidConfig):
                job_rows.job_row(NAME, data, "image", self.jobs.cfg, self.jobs.workflows)

    @staticmethod
    def repeated(data: bytes) -> bytes:
        """Put the long input together."""
        start, _, rest_of_it = data.partition(b"\0")
        piece, _, end = rest_of_it.partition(b"\0")
        room = MAX_CONFIG_BYTES - len(start) - len(end)
        count = room // max(1, len(piece) + 4 * piece.count(b"%")) if piece else 0
        if b"%" in piece:
            return start + b"".join(piece.replace(b"%", b"%d" % number) for number in range(count)) + end
        return start + piece * count + end
