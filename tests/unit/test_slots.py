"""How the name of an input finds its place in a template, and what the place takes."""

from __future__ import annotations

from typing import Any

import pytest
from comfyui_e3.e3_nodes.errors import InvalidConfig
from comfyui_e3.e3_nodes.payload import slots


def node(class_type: str = "KSampler", **inputs: Any) -> dict[str, Any]:
    return {"class_type": class_type, "inputs": inputs}


TEMPLATE: Any = {
    "1": node("E3InputText", name="prompt", value="a cat", required=True),
    "2": node("E3InputInteger", name="steps", value=20, required=False, min=1, max=50),
    "3": node("E3InputText", name="copy", value=["1", 0], required=False),
    "4": node("LoadImage", image="example.png"),
    "6": node("CLIPTextEncode", text=["1", 0]),
    "7": node("CLIPTextEncode", text="blurry"),
    "8": node("CLIPTextEncode", text="ugly"),
    "57": node(**{"3.x": 1}),
    "57:3": node(x=2, seed=0, cfg=7.5, tiled=False, curve={"a": 1}),
    "57_3": node(deep_field=4),
    "9": node("SaveVideo", filename_prefix="video/x", **{"format": "auto", "format.codec": "auto"}),
}
WORKFLOW: Any = {
    "template": TEMPLATE,
    "inputs": {
        "negative": {"node": "7", "field": "text", "type": "string"},
        "tiled": {"node": "8", "field": "text"},
    },
}


@pytest.mark.parametrize(
    ("name", "place"),
    [
        pytest.param("negative", "7.text", id="map"),
        pytest.param("tiled", "8.text", id="map before a field of that name"),
        pytest.param("prompt", "1.value", id="E3 Input"),
        pytest.param("7.text", "7.text", id="address with a dot"),
        pytest.param("7_text", "7.text", id="address with an underscore"),
        pytest.param("57:3.x", "57:3.x", id="id with a colon"),
        pytest.param("57.3.x", "57.3.x", id="field with a dot, short id"),
        pytest.param("57_3_deep_field", "57_3.deep_field", id="longest id that fits"),
        pytest.param("9.format.codec", "9.format.codec", id="field with a dot"),
        pytest.param("2.value", "2.value", id="value of an E3 Input by address"),
        pytest.param("seed", "57:3.seed", id="field of one node"),
        pytest.param("image", "4.image", id="field that others have as a wire"),
        pytest.param("format.codec", "9.format.codec", id="field of one node, with a dot"),
    ],
)
def test_slots_resolve_finds(name: str, place: str) -> None:
    assert slots.address(slots.resolve(WORKFLOW, name)) == place


@pytest.mark.parametrize(
    ("name", "code", "message"),
    [
        pytest.param("promt", "input_unknown", "nearest: prompt", id="misspelt"),
        pytest.param("57:3.sed", "input_unknown", "nearest: 57:3.seed", id="misspelt address"),
        pytest.param("__proto__", "input_unknown", "is unknown", id="hostile name"),
        pytest.param("class_type", "input_unknown", "is unknown", id="class_type"),
        pytest.param("7.class_type", "input_unknown", "is unknown", id="class_type by address"),
        pytest.param("text", "input_unknown", "7.text or 8.text", id="several nodes"),
        pytest.param("6.text", "input_link", "wired to node 1", id="wire by address"),
        pytest.param("copy", "input_link", "wired to node 1", id="E3 Input fed by a wire"),
        pytest.param("filename_prefix", "input_unknown", "outputs.file_path", id="prefix"),
        pytest.param("9.filename_prefix", "input_unknown", "outputs.file_path", id="prefix by address"),
        pytest.param("57:3.curve", "input_unknown", "no value in 'curve'", id="a mapping is no value"),
        pytest.param("1.required", "input_unknown", "no value in 'required'", id="switch of an E3 Input"),
    ],
)
def test_slots_resolve_refuses(name: str, code: str, message: str) -> None:
    with pytest.raises(InvalidConfig, match=message) as caught:
        slots.resolve(WORKFLOW, name)

    assert caught.value.code == code
    assert name in str(caught.value)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("7.text", "string"),
        ("57:3.seed", "int"),
        ("57:3.cfg", "float"),
        ("57:3.tiled", "bool"),
        ("4.image", "file"),
        ("steps", "int"),
    ],
)
def test_slots_resolve_takes_the_type_from_the_template(name: str, kind: str) -> None:
    assert slots.resolve(WORKFLOW, name)["type"] == kind


def test_slots_resolve_reads_the_range_of_an_e3_input() -> None:
    slot = slots.resolve(WORKFLOW, "steps")

    assert (slot.get("min"), slot.get("max"), slot.get("required")) == (1, 50, False)


def test_slots_resolve_puts_the_map_over_the_e3_input_it_names() -> None:
    declared: Any = {"seed": {"node": "2", "field": "value", "random": True, "max": 9}}

    slot = slots.resolve({"template": TEMPLATE, "inputs": declared}, "seed")

    assert (slot["type"], slot.get("min"), slot.get("max"), slot.get("random")) == ("int", 1, 9, True)


def test_slots_input_slots_lists_names_once() -> None:
    listed = slots.input_slots({**WORKFLOW, "required_inputs": ["negative"]})

    assert list(listed)[:2] == ["negative", "tiled"]
    assert {"prompt", "steps", "seed", "cfg", "image"} <= listed.keys()
    assert not {"text", "copy", "filename_prefix", "curve"} & listed.keys()
    assert [name for name, slot in listed.items() if slot.get("required")] == ["negative", "prompt"]


def slot(kind: str, **limits: Any) -> Any:
    return {"node": "3", "field": "x", "type": kind, "default": None, **limits}


@pytest.mark.parametrize(
    ("value", "where"),
    [
        pytest.param("a cat", slot("string"), id="text"),
        pytest.param(2**64 - 1, slot("int"), id="the largest seed"),
        pytest.param(8, slot("float"), id="a whole number for a float"),
        pytest.param(True, slot("bool"), id="switch"),
        pytest.param("e3/ab.png", slot("file"), id="file"),
        pytest.param(50, slot("int", min=1, max=50), id="at the limit"),
    ],
)
def test_slots_check_value_takes(value: Any, where: Any) -> None:
    slots.check_value("x", value, where)


@pytest.mark.parametrize(
    ("value", "where", "code", "message"),
    [
        pytest.param(["4", 0], slot("string"), "input_link", "wire to node 4", id="P15 link"),
        pytest.param(["4", 0.0], slot("int"), "input_link", "wire to node 4", id="P15 link with a float"),
        pytest.param({"a": "b"}, slot("string"), "bad_type", "got a mapping", id="P16 mapping"),
        pytest.param([[1]], slot("string"), "bad_type", "got a list", id="P16 list"),
        pytest.param(b"x", slot("string"), "bad_type", "got bytes", id="P16 bytes"),
        pytest.param(None, slot("string"), "bad_type", "got nothing", id="null"),
        pytest.param(42, slot("string"), "bad_type", "write it in quotes", id="number for text"),
        pytest.param("30", slot("int"), "bad_type", "write it without quotes", id="P21 text for a number"),
        pytest.param("rand", slot("int"), "bad_type", "a whole number", id="P21 rand"),
        pytest.param(1.5, slot("int"), "bad_type", "type: float", id="P21 fraction"),
        pytest.param(True, slot("int"), "bad_type", "got true", id="switch for a number"),
        pytest.param(True, slot("float"), "bad_type", "got true", id="switch for a float"),
        pytest.param(1, slot("bool"), "bad_type", "true or false", id="number for a switch"),
        pytest.param(2**64, slot("int"), "bad_value", "got 18446744073709551616", id="P21 beyond every seed"),
        pytest.param(-1, slot("int", min=0), "bad_value", "random: true", id="P21 -1 where nothing is random"),
        pytest.param(51, slot("int", max=50), "bad_value", "to 50, got 51", id="above max"),
        pytest.param(0.5, slot("float", min=1), "bad_value", "1 to inf, got 0.5", id="below min"),
        pytest.param(float("nan"), slot("float"), "bad_value", "finite", id="NaN"),
        pytest.param(float("inf"), slot("float"), "bad_value", "finite", id="infinity"),
        pytest.param("", slot("file"), "bad_value", "name a file", id="no file name"),
    ],
)
def test_slots_check_value_refuses(value: Any, where: Any, code: str, message: str) -> None:
    with pytest.raises(InvalidConfig, match=message) as caught:
        slots.check_value("seed", value, where)

    assert caught.value.code == code
    assert str(caught.value).startswith("input seed must")
