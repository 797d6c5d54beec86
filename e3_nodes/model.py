"""Words that everybody shares: states of a job, its row, and the small records around it.

Times are integer UTC milliseconds everywhere; the panel formats them.
"""

from __future__ import annotations

from enum import Enum
from typing import Any, Literal, TypedDict


class Status(str, Enum):
    """Where a job stands; the ``CHECK`` of the jobs table lists the same words."""

    PENDING = "pending"
    PROCESSING = "processing"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_terminal(self) -> bool:
        """Tell whether the job has ended.

        Examples:
            >>> Status.DONE.is_terminal, Status.PENDING.is_terminal
            (True, False)
        """
        return self in (Status.DONE, Status.FAILED, Status.CANCELLED)


class Phase(str, Enum):
    """How far the attempt of a processing job has come."""

    LEASED = "leased"
    SUBMITTED = "submitted"
    EXECUTING = "executing"
    PUBLISHING = "publishing"


class ErrorType(str, Enum):
    """Why an attempt ended without a result."""

    INVALID = "invalid"
    OOM = "oom"
    TIMEOUT = "timeout"
    ERROR = "error"
    INTERRUPTED = "interrupted"
    NO_OUTPUTS = "no_outputs"
    OUTPUT_EXISTS = "output_exists"
    FS_UNSUPPORTED = "fs_unsupported"
    CRASH = "crash"

    @property
    def is_permanent(self) -> bool:
        """Tell whether the same job would fail in the same way again.

        Examples:
            >>> ErrorType.INVALID.is_permanent, ErrorType.OOM.is_permanent
            (True, False)
        """
        return self in (ErrorType.INVALID, ErrorType.OUTPUT_EXISTS, ErrorType.FS_UNSUPPORTED)


JOB_TYPES: dict[str, str] = {
    "T2I": "image",
    "I2I": "image",
    "T2V": "video",
    "I2V": "video",
    "AUDIO": "audio",
    "SPEECH": "speech",
    "3D": "3d",
}
"""The TYPE words of a job file's name, and the media folder that each belongs to."""

MEDIA: tuple[str, ...] = ("image", "video", "audio", "speech", "3d")
"""The folders under ``processing/`` and ``finished/``."""

MIN_PRIORITY, MAX_PRIORITY, DEFAULT_PRIORITY = 1, 999, 50
MAX_RETRY_LIMIT = 20
DEFAULT_RETRY_LIMIT = 2
MAX_CONFIG_BYTES = 256 * 1024

ALLOWED_EXTENSIONS: frozenset[str] = frozenset(
    "png jpg jpeg webp gif exr svg mp4 webm mkv mov wav flac mp3 opus ogg "  # noqa: SIM905
    "glb gltf obj ply stl splat txt csv md json safetensors latent".split()
)
"""What ``outputs.file_path`` may end with: results, and nothing that a computer would run."""

KeyPath = tuple[str | int, ...]
"""The keys and list indexes that lead to a place in a document."""


class JobColumns(TypedDict):
    """The narrow columns of the jobs table (see ``store/sql/sqlite/0004_a_run_in_its_row.sql``)."""

    id: int
    config_name: str
    identity: str
    job_type: str
    media: str
    workflow_id: str
    workflow_sha256: str
    priority: int
    position: int
    status: str
    phase: str | None
    run_count: int
    retries_attempted: int
    retries_base: int
    retry_limit: int
    crash_count: int
    evict_count: int
    config_path: str
    config_sha256: str
    worker_id: str | None
    lease_token: str | None
    lease_expires_at: int | None
    not_before: int | None
    prompt_id: str | None
    cancel_requested: int
    start_time: int | None
    end_time: int | None
    duration: int | None
    error_type: str | None
    warnings: list[str]
    metadata: dict[str, Any]
    filed_at: int | None
    created_at: int
    updated_at: int


class Job(JobColumns):
    """A whole row of the jobs table."""

    config: dict[str, Any]
    source_yaml: str
    error_trace: str | None


class LightJob(JobColumns):
    """A row of a list: without what is bulky."""

    has_error: bool


class Attempt(TypedDict):
    """One run of a job: who, when, and how it ended (``outcome`` None while it runs)."""

    job_id: int
    number: int
    lease_token: str
    worker_id: str
    started_at: int
    ended_at: int | None
    outcome: str | None
    error_type: str | None
    error: str | None
    node: str | None


class Rejection(TypedDict):
    """A file that could not become a job, and why; the file stays where it is."""

    path: str
    code: str
    reason: str
    line: int | None
    column: int | None
    seen_at: int


class Artifact(TypedDict, total=False):
    """A file that ComfyUI made for an attempt, still in the attempt's own staging folder.

    ``path`` is its absolute path there; ``node`` the id of the node that made it.
    """

    node: str
    path: str


class Intent(TypedDict):
    """The promise, written down before a file appears, that these bytes belong at that path."""

    number: int
    staged_path: str
    final_path: str
    bytes: int
    sha256: str


class KeptIntent(Intent):
    """An intent as the store keeps it: with the token of the attempt that made it."""

    lease_token: str


class Result(TypedDict, total=False):
    """What a backend says of a prompt that ended.

    ``outcome`` is ``success``, ``error``, ``interrupted`` or ``evicted``. Times are ComfyUI's own, in UTC ms.
    """

    outcome: Literal["success", "error", "interrupted", "evicted"]
    error_type: str
    error_trace: str
    artifacts: list[Artifact]
    start_time: int
    end_time: int


class Progress(TypedDict, total=False):
    """How far a running prompt has come: ``value`` of ``max`` steps of one node."""

    node: str
    value: float
    max: float
    nodes_done: int
    nodes_total: int


class WorkflowInput(TypedDict, total=False):
    """Where one named input of a workflow goes, and what it may be."""

    node: str
    field: str
    type: Literal["string", "int", "float", "bool", "file"]
    min: float
    max: float
    default: Any
    random: bool


class _Pinned(TypedDict):
    template: dict[str, dict[str, Any]]
    sha256: str


class Workflow(_Pinned, total=False):
    """One entry of ``workflows.yaml`` with its template loaded.

    ``template`` is a graph in ComfyUI's API format: ``{node_id: {"class_type": ..., "inputs": {...}}}``.
    ``sha256`` covers template and entry; ``source`` is the file that names the entry.
    """

    template_path: str
    required_inputs: list[str]
    inputs: dict[str, WorkflowInput]
    description: str
    needs: list[str]
    source: str


class QueueState(TypedDict):
    """Whether jobs may start. An automatic pause ends by itself and never lifts a person's."""

    user_paused: bool
    auto_reason: str | None
    paused: bool
