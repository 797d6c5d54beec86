"""The errors of E3: one small tree, each with a stable code.

A message names the thing, what it was, and what would be right. Each class also inherits the builtin
exception that a caller would expect, so ``except ValueError`` works for people who do not know E3.
"""

from __future__ import annotations


class E3Error(Exception):
    """The root of everything that E3 raises on purpose.

    Attributes:
        code: A stable word for programs, such as ``bad_value``.
        line: The line in the user's file, counted from 1, where there is one.
        column: The column in the user's file, counted from 1, where there is one.

    Examples:
        >>> str(InvalidConfig("priority must be 1-999, got 1200", code="bad_value"))
        'priority must be 1-999, got 1200'
    """

    code = "error"

    def __init__(
        self, message: str, *, code: str | None = None, line: int | None = None, column: int | None = None
    ) -> None:
        super().__init__(message)
        if code is not None:
            self.code = code
        self.line = line
        self.column = column


class InvalidConfig(E3Error, ValueError):
    """A job file, or a job sent over REST, that breaks a rule; ``code`` names the rule."""

    code = "bad_value"


class InvalidSettings(E3Error, ValueError):
    """``global_config.yaml`` that cannot be used."""

    code = "settings_invalid"


class InvalidWorkflow(E3Error, ValueError):
    """An entry of ``workflows.yaml``, or its template, that cannot be used."""

    code = "workflow_invalid"


class UnknownJob(E3Error, KeyError):
    """A job name that no row has."""

    code = "job_unknown"

    def __str__(self) -> str:  # KeyError would quote the message
        return str(self.args[0])


class WrongState(E3Error, RuntimeError):
    """A wish that the job's present state does not allow, such as a retry of a running job."""

    code = "wrong_state"


class NameConflict(WrongState):
    """A job file with the name of another job that runs or is done."""

    code = "name_conflict"


class LeaseLost(E3Error, RuntimeError):
    """The attempt no longer owns its job: another worker took it, so nothing more may be touched."""

    code = "lease_lost"


class StoreUnavailable(E3Error, OSError):
    """The database cannot be used now: locked, damaged, too new, or on a filesystem without locks."""

    code = "store_unavailable"


class HostUnavailable(E3Error, RuntimeError):
    """ComfyUI cannot be reached, or its prompt worker is dead."""

    code = "host_unavailable"


class PromptRefused(E3Error, ValueError):
    """ComfyUI refuses the prompt: it would be refused again, so the job fails at once."""

    code = "invalid"


class OutputError(E3Error, OSError):
    """A result that cannot be put where the job wants it; ``code`` is the job's error type."""

    code = "error"


class OutputExists(OutputError):
    """The path that a job asks for is taken by a file that E3 did not make for it."""

    code = "output_exists"


class FilesystemUnsupported(OutputError):
    """A folder on which a file cannot be made to appear whole without replacing another."""

    code = "fs_unsupported"


class DiskFull(OutputError):
    """No space, no quota, or a read-only folder: the queue pauses until there is room."""

    code = "disk_full"


class AttemptFailed(E3Error, RuntimeError):
    """An attempt that ComfyUI ended without a result; ``code`` is the job's error type."""

    code = "error"


class AttemptReturned(E3Error, RuntimeError):
    """An attempt that ended before it executed: the job goes back to the queue and pays nothing.

    Attributes:
        delay_ms: How long the job should wait before it is leased again.
        evicted: Whether somebody else removed the prompt from ComfyUI's queue.
    """

    code = "returned"

    def __init__(self, message: str, *, delay_ms: int = 0, evicted: bool = False) -> None:
        super().__init__(message)
        self.delay_ms = delay_ms
        self.evicted = evicted


class AttemptLeft(E3Error, RuntimeError):
    """An attempt that goes on in a ComfyUI which outlives E3: its job stays as it is, for whoever comes back."""

    code = "left"


class HostDied(E3Error, RuntimeError):
    """ComfyUI ended while it had the prompt, and came back without it.

    Attributes:
        was_next: Whether nothing else is known to have run while the prompt stood there: it may be what killed it.
    """

    code = "crash"

    def __init__(self, message: str, *, was_next: bool = False) -> None:
        super().__init__(message)
        self.was_next = was_next


class FileChanging(E3Error, OSError):
    """A file that was replaced or written to while it was read: it is not settled yet, look again later."""

    code = "settling"


class StagingLost(OutputError):
    """A staged file that was promised is gone or is another now: only a new run can make it again."""

    code = "error"
