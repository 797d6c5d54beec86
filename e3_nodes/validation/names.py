"""The name of a job file, ``TYPE_YYYYMMDDHHMMSS_X_jobname.yaml``: what it says, and which names are none."""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import lru_cache
from typing import TypedDict

from ..errors import InvalidConfig
from ..model import JOB_TYPES

MAX_NAME_BYTES = 150
SHAPE = "TYPE_YYYYMMDDHHMMSS_X_jobname.yaml"

_TEMPORARY_ENDS = (
    *("~", "#", ".tmp", ".temp", ".bak", ".orig", ".swp", ".swo", ".swx"),  # editors
    *(".part", ".partial", ".filepart", ".crdownload", ".download", ".opdownload", ".aria2"),  # downloads
    *("___jb_tmp___", "___jb_old___"),  # JetBrains
)
_TIMESTAMP = re.compile("[0-9]{14}")
_INDEX = re.compile("[0-9]{1,9}")
_USUAL = re.compile("([A-Z0-9]+)_([0-9]{14})_([0-9]{1,9})_([A-Za-z0-9][A-Za-z0-9_-]{,99})\\.yaml")
_ASCII_JOBNAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_SYNC_WORDS = ("conflicted copy", "sync-conflict-", "~syncthing~", "sfconflict")
# Letters that are drawn as nothing would make two names look the same.
_INVISIBLE = re.compile("[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]")


class ConfigName(TypedDict):
    """The parts of a job file's name."""

    job_type: str
    timestamp: str
    index: int
    jobname: str


def parse_config_name(filename: str, *, job_types: Mapping[str, str] | None = None) -> ConfigName:
    """Take the name of a job file apart.

    Args:
        filename: The file's name, or its path with any separators.
        job_types: TYPE words besides the built-in ones, each with its media folder.

    Returns:
        job_type, timestamp, index and jobname (in Unicode's composed form).

    Raises:
        InvalidConfig: ``extension``, ``name_encoding`` or ``name_invalid``, with the wrong part named.

    Examples:
        >>> parse_config_name("T2I_20250809123001_1_knight.yaml")
        {'job_type': 'T2I', 'timestamp': '20250809123001', 'index': 1, 'jobname': 'knight'}
    """
    usual = _USUAL.fullmatch(filename)
    if usual and len(filename) <= MAX_NAME_BYTES:
        job_type, timestamp, index, jobname = usual.groups()
        if _is_timestamp(timestamp) and (job_type in JOB_TYPES or job_type in (job_types or ())):
            return {"job_type": job_type, "timestamp": timestamp, "index": int(index), "jobname": jobname}
    return _taken_apart(_base_name(filename), job_types or {})


def _taken_apart(name: str, job_types: Mapping[str, str]) -> ConfigName:
    """Take any name apart, also one that is not of ASCII, and say of a wrong one what is wrong."""
    if not name.isprintable():
        raise _refusal(name, "the name holds characters that cannot be seen")
    stem = name.removesuffix(".yaml")
    if stem == name or _has_yaml_suffix(stem):
        raise _refusal(name, "the name of a job file ends in .yaml, in small letters and once", "extension")
    if len(name.encode()) > MAX_NAME_BYTES:
        raise _refusal(name, f"the name has {len(name.encode())} bytes, the limit is {MAX_NAME_BYTES}")
    parts = stem.split("_", 3)
    if len(parts) != 4:
        raise _refusal(name, f"the name must be {SHAPE}")
    job_type, timestamp, index, jobname = parts
    _check_type(name, job_type, job_types)
    if not _is_timestamp(timestamp):
        raise _refusal(name, f"{_shown(timestamp)!r} is no real date and time, YYYYMMDDHHMMSS is due")
    if not _INDEX.fullmatch(index):
        raise _refusal(name, f"X must be a number of up to 9 digits, got {_shown(index)!r}")
    if not _is_jobname(jobname):
        rule = "jobname is letters, digits, '.', '_' and '-', and starts with a letter or digit"
        raise _refusal(name, f"{rule}, got {_shown(jobname)!r}")
    return {"job_type": job_type, "timestamp": timestamp, "index": int(index), "jobname": jobname}


def canonical_config_name(name: str) -> str:
    """Return the one form of a job's name that rows hold.

    Args:
        name: The name or path of a job file, with or without ``.yaml``.

    Returns:
        The base name in Unicode's composed form, with ``.yaml``.

    Raises:
        InvalidConfig: ``name_encoding``.

    Examples:
        >>> canonical_config_name("image/T2I_20250809123001_1_knight")
        'T2I_20250809123001_1_knight.yaml'
    """
    base = _base_name(name)
    return base if base.endswith(".yaml") else f"{base}.yaml"


def identity(config_name: str) -> str:
    """Return what two names share when they mean the same job, on filesystems that fold case too.

    Args:
        config_name: The canonical name.

    Returns:
        The name composed and case-folded; for comparing, not for showing.

    Examples:
        >>> identity("T2I_20250809123001_1_Knight.yaml") == identity("T2I_20250809123001_1_KNIGHT.yaml")
        True
    """
    if config_name.isascii():
        return config_name.lower()
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", config_name).casefold())


def is_ignored_name(name: str) -> bool:
    """Tell whether a file in processing/ is no business of E3, not even as a rejection.

    That is a temporary file of an editor, a download or a sync tool, a hidden file, or a file that
    shows no ``.yaml`` or ``.yml`` anywhere in its suffixes, such as a picture that a job reads.

    Args:
        name: The file's base name.

    Examples:
        >>> [is_ignored_name(name) for name in (".a.yaml.tmp", "a.yaml~", "cat.png", "a.yml", "a.yaml.txt")]
        [True, True, True, False, False]
    """
    if _USUAL.fullmatch(name) and "conflict" not in name.lower():  # asked twice for each file of a flood
        return False
    return _is_ignored(name.casefold())


def _is_ignored(folded: str) -> bool:
    return (
        folded.startswith((".", "~", "#"))
        or folded.endswith(_TEMPORARY_ENDS)
        or any(word in folded for word in _SYNC_WORDS)
        or not _has_yaml_suffix(folded)
    )


def media_of_type(job_type: str, job_types: Mapping[str, str] | None = None) -> str:
    """Return the media folder of a TYPE word.

    Args:
        job_type: The word.
        job_types: TYPE words besides the built-in ones.

    Raises:
        InvalidConfig: ``bad_value``: no such TYPE.

    Examples:
        >>> media_of_type("I2V")
        'video'
    """
    if job_types and job_type in job_types:
        return job_types[job_type]
    if job_type in JOB_TYPES:
        return JOB_TYPES[job_type]
    known = JOB_TYPES | dict(job_types or {})
    raise InvalidConfig(f"job_type must be one of {', '.join(known)}, got {_shown(job_type)!r}")


def check_media(job_type: str, media_folder: str, job_types: Mapping[str, str] | None = None) -> None:
    """Refuse a job file that lies in another media's folder.

    Args:
        job_type: The TYPE word of the file's name.
        media_folder: The folder under processing/ that the file lies in.
        job_types: TYPE words besides the built-in ones.

    Raises:
        InvalidConfig: ``bad_value``, with the right folder named.

    Examples:
        >>> check_media("T2I", "image")
    """
    media = media_of_type(job_type, job_types)
    if media != media_folder:
        raise InvalidConfig(f"{job_type} jobs belong into {media}/, this file lies in {media_folder}/")


def nearest(word: str, candidates: Iterable[str]) -> str | None:
    """Return the candidate that a misspelt word most probably means.

    Args:
        word: What was written.
        candidates: What could have been meant.

    Returns:
        The nearest candidate, or None when none is near.

    Examples:
        >>> nearest("ouputs", ["inputs", "outputs"])
        'outputs'
    """
    if len(word) > 100:  # nobody misspells a word of this length, and comparing is quadratic
        return None
    by_fold = {candidate.casefold(): candidate for candidate in candidates}
    matches = difflib.get_close_matches(word.casefold(), by_fold, n=1)
    return by_fold[matches[0]] if matches else None


def _base_name(path: str) -> str:
    base = path.replace("\\", "/").rpartition("/")[2]
    if base.isascii():
        return base
    try:
        base.encode()
    except UnicodeEncodeError as exc:
        raise _refusal(base, "the name is not valid UTF-8; rename the file", "name_encoding") from exc
    return unicodedata.normalize("NFC", base)


def _has_yaml_suffix(name: str) -> bool:
    return any(part.strip() in ("yaml", "yml") for part in name.casefold().split(".")[1:])


def _check_type(name: str, job_type: str, job_types: Mapping[str, str]) -> None:
    if job_type in JOB_TYPES or job_type in job_types:
        return
    known = JOB_TYPES | dict(job_types)
    near = nearest(job_type, known)
    hint = f"did you mean {near}?" if near else f"known are {', '.join(known)}"
    raise _refusal(name, f"{_shown(job_type)!r} is no TYPE; {hint}")


@lru_cache(maxsize=256)
def _is_timestamp(text: str) -> bool:
    if not _TIMESTAMP.fullmatch(text):
        return False
    try:
        month, day, hour, minute, second = (int(text[place : place + 2]) for place in range(4, 14, 2))
        datetime(int(text[:4]), month, day, hour, minute, second)
    except ValueError:
        return False
    return True


def _is_jobname(text: str) -> bool:
    """Tell whether the text is letters (with their marks) and digits of any script, ``.``, ``_`` or ``-``."""
    if text.isascii():
        return _ASCII_JOBNAME.fullmatch(text) is not None
    kinds = [unicodedata.category(char) for char in text]
    return (
        bool(kinds)
        and (kinds[0][0] == "L" or kinds[0] == "Nd")
        and all(kind[0] in "LM" or kind == "Nd" or char in "._-" for kind, char in zip(kinds, text, strict=True))
        and not _INVISIBLE.search(text)
    )


def _shown(text: str, limit: int = 60) -> str:
    return text if len(text) <= limit else f"{text[:limit]}…"


def _refusal(name: str, reason: str, code: str = "name_invalid") -> InvalidConfig:
    shown = name if name.isprintable() else ascii(name)
    return InvalidConfig(f"{_shown(shown, MAX_NAME_BYTES)}: {reason}", code=code)
