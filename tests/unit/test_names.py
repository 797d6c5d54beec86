"""The name of a job file: its parts, its one form, and the names that are none."""

from __future__ import annotations

import re
import unicodedata

import pytest
from comfyui_e3.e3_nodes import validation
from comfyui_e3.e3_nodes.errors import InvalidConfig

NAME = "T2I_20250809123001_1_knight.yaml"


def test_names_parse_config_name_takes_the_parts() -> None:
    assert validation.parse_config_name("3D_20250809123001_007_Old_oak.v2.yaml") == {
        "job_type": "3D",
        "timestamp": "20250809123001",
        "index": 7,
        "jobname": "Old_oak.v2",
    }


@pytest.mark.parametrize("folder", ["/home/me/jobs/processing/image/", "C:\\jobs\\image\\", "image/"])
def test_names_parse_config_name_takes_a_full_path(folder: str) -> None:
    assert validation.parse_config_name(folder + NAME)["jobname"] == "knight"


def test_names_parse_config_name_knows_the_types_of_the_settings() -> None:
    name = NAME.replace("T2I", "UPSCALE")

    assert validation.parse_config_name(name, job_types={"UPSCALE": "image"})["job_type"] == "UPSCALE"
    with pytest.raises(InvalidConfig, match="is no TYPE"):
        validation.parse_config_name(name)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("AUDO_20250809123001_1_a.yaml", "'AUDO' is no TYPE; did you mean AUDIO?"),
        ("T2I_20250230123001_1_a.yaml", "'20250230123001' is no real date and time"),
        ("T2I_20250809123001_x_a.yaml", "X must be a number of up to 9 digits, got 'x'"),
        ("T2I_20250809123001_1_a b.yaml", "got 'a b'"),
        ("knight.yaml", "the name must be TYPE_YYYYMMDDHHMMSS_X_jobname.yaml"),
        ("T2I_20250809123001_1_a.yml", "ends in .yaml"),
    ],
)
def test_names_parse_config_name_says_which_part_is_wrong(name: str, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(name)}: ") as caught:
        validation.parse_config_name(name)

    assert message in str(caught.value)


@pytest.mark.parametrize("name", [NAME, NAME.removesuffix(".yaml"), f"/jobs/processing/image/{NAME}", f"image\\{NAME}"])
def test_names_canonical_config_name_gives_one_form(name: str) -> None:
    assert validation.canonical_config_name(name) == NAME


def test_names_canonical_config_name_composes_letters() -> None:
    spelt = unicodedata.normalize("NFD", "T2I_20250809123001_1_café")

    assert validation.canonical_config_name(spelt) == "T2I_20250809123001_1_café.yaml"


def test_names_canonical_config_name_refuses_half_characters() -> None:
    with pytest.raises(InvalidConfig) as caught:
        validation.canonical_config_name("T2I_\udce9")

    assert caught.value.code == "name_encoding"


@pytest.mark.parametrize(
    "other",
    ["T2I_1_1_CAFÉ.yaml", unicodedata.normalize("NFD", "T2I_1_1_Café.yaml"), "t2i_1_1_café.YAML"],
    ids=["case", "decomposed", "all-case"],
)
def test_names_identity_is_shared_by_names_that_a_disk_takes_for_one(other: str) -> None:
    assert validation.identity(other) == validation.identity("T2I_1_1_café.yaml")


def test_names_identity_differs_for_other_names() -> None:
    assert validation.identity("T2I_1_1_a.yaml") != validation.identity("T2I_1_1_b.yaml")


@pytest.mark.parametrize(
    "name",
    [
        *(f".{NAME}", f".#{NAME}", f"#{NAME}#", f"~${NAME}", f"{NAME}~"),
        *(f"{NAME}.tmp", f"{NAME}.swp", f"{NAME}.bak"),
        *(f"{NAME}.part", f"{NAME}.crdownload", f"{NAME}.filepart", f"{NAME}.PART"),
        *("x (conflicted copy).yaml", "x (Ada's conflicted copy 2025-01-01).yaml"),
        *("x.sync-conflict-20250101-120000-ABC.yaml", "~syncthing~x.yaml.tmp", "x.yaml___jb_tmp___"),
        *("cat.png", "Thumbs.db", "README.md", "yaml", "desktop.ini"),
    ],
)  # fmt: skip
def test_names_is_ignored_name_passes_over_files_that_are_no_jobs(name: str) -> None:
    assert validation.is_ignored_name(name)


@pytest.mark.parametrize(
    "name", [NAME, "x.yml", "x.YAML", "x.yaml.txt", "x (1).yaml", "x.yaml\n", "anything.yaml", "x.yaml "]
)
def test_names_is_ignored_name_keeps_what_was_meant_as_a_job(name: str) -> None:
    assert not validation.is_ignored_name(name)


@pytest.mark.parametrize(
    ("word", "found"),
    [("ouputs", "outputs"), ("Priority", "priority"), ("zzz", None), ("", None), ("outputs" * 50, None)],
)
def test_names_nearest_finds_what_was_meant(word: str, found: str | None) -> None:
    assert validation.nearest(word, ["inputs", "outputs", "priority"]) == found


def test_names_check_media_names_the_right_folder() -> None:
    validation.check_media("I2V", "video")
    validation.check_media("UPSCALE", "image", {"UPSCALE": "image"})

    with pytest.raises(InvalidConfig, match=r"I2V jobs belong into video/") as caught:
        validation.check_media("I2V", "image")

    assert caught.value.code == "bad_value"


def test_names_media_of_type_refuses_an_unknown_type() -> None:
    with pytest.raises(InvalidConfig, match="must be one of T2I"):
        validation.media_of_type("UPSCALE")
