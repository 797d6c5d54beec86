"""Every command: its name, what runs it, its arguments, what help and manual say of it.

The parser, the manual (``docs/cli.md``) and the shells' completions are made from this list.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..model import MAX_PRIORITY, MIN_PRIORITY, Status
from .arguments import assignment, whole_number

INTRO = "Drop a job file, get exactly the file it asks for. E3 is a batch engine for ComfyUI."

GROUPS = {
    "queue": "look at the queue, and change it",
    "workflows": "the workflows that jobs can name",
}


@dataclass(frozen=True)
class Arg:
    """One argument: a name for a positional, dashes for an option; ``options`` go to argparse."""

    flags: tuple[str, ...]
    help: str
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Command:
    """One command.

    Attributes:
        path: What is typed after ``e3``.
        run: ``module.function`` of this package; called with the arguments and the screen.
        help: One line, beginning small, without a full stop.
        text: What more there is to know.
        args: Its arguments.
        either: Options of which exactly one must be given.
        examples: Command lines, each with what it does.
        is_hidden: Left out of help, manual and completion: scripts of ours call it.
        speaks: Whether the engine's log is shown on stderr, for commands that work for a long time.
    """

    path: str
    run: str
    help: str
    text: str = ""
    args: tuple[Arg, ...] = ()
    either: tuple[Arg, ...] = ()
    examples: tuple[tuple[str, str], ...] = ()
    is_hidden: bool = False
    speaks: bool = False


def _flag(name: str, help: str) -> Arg:
    return Arg((name,), help, {"action": "store_true"})


def _option(name: str, metavar: str, help: str, **options: Any) -> Arg:
    return Arg((name,), help, {"metavar": metavar, **options})


_NAME = Arg(("name",), "a job's name, with or without .yaml", {"metavar": "NAME"})
_NAMES = Arg(("names",), "names of jobs, with or without .yaml", {"metavar": "NAME", "nargs": "+"})
_FILES = Arg(("files",), "job files, folders of them, or - for stdin", {"metavar": "FILE", "nargs": "+"})
_ONCE_OR_LOOP = (
    _flag("--once", "do what there is to do, then end"),
    _flag("--loop", "go on until Ctrl-C"),
)
_URL = _option("--url", "URL", "ComfyUI's address; else comfyui.api_base_url of the settings")

COMMANDS: tuple[Command, ...] = (
    Command(
        "up",
        "up.run_up",
        "start ComfyUI with E3 in it, else the embedded host",
        "It starts the ComfyUI that --comfyui or COMFYUI_PATH names, or the one whose custom_nodes this\n"
        "plugin is in; COMFYUI_PYTHON names its interpreter, COMFYUI_ARGS more arguments of its main.py.\n"
        "Where there is none, the embedded host starts: a few nodes, no models. The server ends together\n"
        "with this command.",
        (
            _option("--comfyui", "PATH", "the folder of the ComfyUI to start"),
            _flag("--embedded", "start the embedded host even if a ComfyUI is found"),
            _option("--port", "PORT", "the port; else 8188, or a free one", type=whole_number(1, 65_535)),
            _flag("--examples", "drop the example jobs that need no model"),
            _flag("--once", "with --examples: end when they are done"),
        ),
        examples=(
            ("e3 up", "ComfyUI on port 8188"),
            ("e3 up --examples --once", "a first look: run the examples, say where their files are, end"),
        ),
    ),
    Command(
        "init",
        "initialize.run_init",
        "make a home: folders, commented settings, examples, schemas for editors",
        "What is there already stays as it is. Home is the folder that E3_HOME names, else the plugin's own.",
        (Arg(("folder",), "the home to make; else the one in use", {"metavar": "FOLDER", "nargs": "?"}),),
        examples=(("e3 init ~/e3", "make a home there; then set E3_HOME to it"),),
    ),
    Command(
        "add",
        "adding.run_add",
        "check job files, and take them in only if all are good",
        "Every problem of every file is said at once, with line and column. A folder means every .yaml\n"
        "file in it. A file that was taken in before, unchanged, counts as good.",
        (
            _FILES,
            _option("--name", "NAME", "the name of the job on stdin; else TYPE_<now>_<n>_<workflow>"),
        ),
        examples=(
            ("e3 add T2I_20250809123001_1_knight.yaml", "take one job in"),
            ("e3 add tonight/", "take a folder in, all of it or nothing"),
            ("generate-job | e3 add - --json", "take in what a script prints; the answer has the name"),
        ),
    ),
    Command(
        "validate",
        "adding.run_validate",
        "check job files without taking them in",
        "The same judgement as add gives, before any database.",
        (_FILES,),
        examples=(("e3 validate jobs/*.yaml", "say every problem of every file"),),
    ),
    Command(
        "wait",
        "waiting.run_wait",
        "wait until jobs have ended, and say where the results are",
        "It ends when the last job has ended: with 0 if all are done, with 1 if one failed or was\n"
        "cancelled, or if the time is over. A file that was dropped and is not taken in yet may be waited\n"
        "for, too.",
        (
            _NAMES,
            _option("--timeout", "SECONDS", "give up after so long; the jobs go on", type=float),
        ),
        examples=(
            (
                "e3 add knight.yaml && e3 wait knight",
                "a job as a function call, where knight stands for its name",
            ),
            ("e3 wait NAME --timeout 900 --json", "for a script: paths, status and cause in one envelope"),
        ),
    ),
    Command(
        "show",
        "jobs.run_show",
        "show everything about a job",
        "State, inputs, results, every run with its outcome, and the whole error trace.",
        (_NAME,),
        examples=(("e3 show T2I_20250809123001_1_knight", "the name works without .yaml"),),
    ),
    Command(
        "retry",
        "jobs.run_retry",
        "send failed or cancelled jobs back to the queue",
        "History and counters stay; the limit of retries starts anew.",
        (
            Arg(("names",), "names of jobs, with or without .yaml", {"metavar": "NAME", "nargs": "*"}),
            _flag("--failed", "all jobs that have failed"),
        ),
        examples=(("e3 retry --failed", "the whole unlucky night again"),),
    ),
    Command(
        "cancel",
        "jobs.run_cancel",
        "cancel waiting jobs, and stop running ones",
        "A running job is stopped by whoever runs it; its status changes when that has happened.",
        (_NAMES,),
    ),
    Command(
        "copy",
        "jobs.run_copy",
        "make a new job from another one",
        "The copy has a new name and a result path of its own. Inputs are text, read by their type.",
        (
            _NAME,
            _option(
                "--set",
                "INPUT=VALUE",
                "an input that differs; may be repeated; seed=-1 draws a random seed anew",
                action="append",
                default=[],
                type=assignment,
                dest="changes",
            ),
        ),
        examples=(("e3 copy NAME --set steps=40 --set seed=-1", "the same picture, finer, with a new seed"),),
    ),
    Command(
        "rm",
        "jobs.run_rm",
        "take jobs out of the table, and their files to jobs/removed/",
        "Results stay. A running job must be cancelled first.",
        (_NAMES,),
    ),
    Command(
        "restore",
        "jobs.run_restore",
        "bring removed jobs back, within 7 days",
        "Row and file come back as they were.",
        (_NAMES,),
    ),
    Command(
        "repin",
        "jobs.run_repin",
        "let jobs take their workflow as it is now",
        "A job keeps the workflow that it was taken in with, until it is pinned anew.",
        (_NAMES,),
    ),
    Command(
        "queue ls",
        "queue_verbs.run_ls",
        "list jobs in the order in which they run",
        "With rejected as the status, the files that could not become jobs, and why.",
        (
            Arg(
                ("status",),
                "only jobs of this status",
                {"nargs": "?", "choices": [*(status.value for status in Status), "rejected"]},
            ),
            _option("--search", "TEXT", "only jobs with this in their name or workflow"),
            _option(
                "--limit",
                "N",
                "at most so many; 100 by default",
                type=whole_number(1, 1_000_000),
                default=100,
            ),
        ),
        examples=(
            ("e3 queue ls", "everything, what runs next first"),
            ("e3 queue ls failed --json", "the failed ones for a script"),
        ),
    ),
    Command(
        "queue set-priority",
        "queue_verbs.run_set_priority",
        "change a job's priority; lower runs first",
        "The job goes to the end of its new priority.",
        (
            _NAME,
            Arg(
                ("priority",),
                f"{MIN_PRIORITY} to {MAX_PRIORITY}",
                {"metavar": "N", "type": whole_number(MIN_PRIORITY, MAX_PRIORITY)},
            ),
        ),
        examples=(("e3 queue set-priority NAME 10", "before everything of a higher number"),),
    ),
    Command(
        "queue god-mode",
        "queue_verbs.run_god_mode",
        "make a job the next one",
        "Priority 1, and before all others. A running job is not interrupted.",
        (_NAME,),
    ),
    Command(
        "queue pause",
        "queue_verbs.run_pause",
        "let no further job start",
        "What runs is finished; what waits in ComfyUI's queue is taken back at no cost.",
    ),
    Command(
        "queue resume",
        "queue_verbs.run_resume",
        "let jobs start again, whoever paused the queue",
    ),
    Command(
        "monitor",
        "agent.run_monitor",
        "take job files into the table",
        "ComfyUI with E3 in it does this by itself; this is for a home that only agents work on.",
        either=_ONCE_OR_LOOP,
        examples=(("e3 monitor --loop", "take in what is dropped, until Ctrl-C"),),
        speaks=True,
    ),
    Command(
        "run",
        "agent.run_jobs",
        "run jobs on a ComfyUI that is reached by URL",
        "Several agents may work on one home, each with its own ComfyUI: no job is run twice. An agent that\n"
        "was killed goes on with what that ComfyUI has of it when it is back. With --once it ends when nothing\n"
        "is left that can run now, with 1 if a job has failed.",
        (_URL, _flag("--monitor", "with --loop: take job files in as well")),
        either=_ONCE_OR_LOOP,
        examples=(
            ("e3 run --loop --url http://gpu.lan:8188", "lend another machine's GPU to this home"),
            ("e3 monitor --once && e3 run --once", "take in what was dropped, run it, end"),
        ),
        speaks=True,
    ),
    Command(
        "workflows ls",
        "workflows.run_ls",
        "list the workflows, their inputs and the models that they need",
        "An input with a star must be given. Workflows that cannot be used are named with the reason.",
    ),
    Command(
        "workflows add",
        "workflows.run_add",
        "take in a workflow that was exported from ComfyUI in API format",
        "It proposes names for the inputs, writes workflows/user/ID.yaml with the template beside it, and\n"
        "checks that it loads. Change the names in that file as you like.",
        (
            Arg(("file",), "what Workflow > Export (API) has written", {"metavar": "FILE"}),
            _option("--id", "ID", "the id that jobs will name; else the file's name"),
            _flag("--replace", "replace the workflow of yours that has this id"),
        ),
        examples=(("e3 workflows add portrait.json --id portrait", "jobs can say workflow_id: portrait"),),
    ),
    Command(
        "schema",
        "schemas.run_schema",
        "print the JSON Schema of job files, workflow files or the settings",
        "An editor that reads it completes and checks while you type; e3 init sets that up.",
        (
            Arg(("kind",), "what to describe", {"choices": ["job", "workflows", "config"]}),
            _option("--workflow", "ID", "with job: only jobs of this workflow"),
        ),
        examples=(("e3 schema job > job.schema.json", "then # yaml-language-server: $schema=job.schema.json"),),
    ),
    Command(
        "doctor",
        "doctor.run_doctor",
        "find what will fail before the night does",
        "It checks home, filesystem, database, settings and workflows, and asks the ComfyUI that it can\n"
        "reach about the nodes, models and values of every workflow and every waiting job. It ends with 1\n"
        "if something will fail.",
        (
            _URL,
            _flag("--fix", "do what is safe: make folders, take over from dead workers, remove stale locks"),
        ),
        examples=(("e3 doctor --url http://gpu.lan:8188", "will tonight's jobs run over there?"),),
    ),
    Command(
        "selftest",
        "proof.run_selftest",
        "kill E3 in throw-away homes, and check that nothing is lost, doubled or torn",
        "It kills E3 at every named place of a job's life, in recovery and at random times, freezes it past\n"
        "its lease, fills a disk, and checks the promise of docs/durability.md after each. It touches\n"
        "nothing of yours and ends with 1 if the promise was broken. Linux only.",
        (
            _flag("--chaos", "kill, freeze and fill; without it only a few random kills are made"),
            _option("--runs", "N", "random kills to make", type=whole_number(0, 1_000_000)),
            _option("--seconds", "N", "kill at random for so long", type=whole_number(1, 1_000_000)),
            _option("--seed", "N", "repeat the random choices of an earlier run", type=whole_number(0, 2**32)),
        ),
        examples=(("e3 selftest --chaos --runs 1000", "the whole proof; about a quarter of an hour"),),
    ),
    Command(
        "bench",
        "bench.run_bench",
        "measure how fast E3 is here, beside the least that does the same",
        "Each section works on scratch folders and servers of its own, so nothing of yours is touched: dispatch,\n"
        "arrival, ingest, idle, lease, api, presence. COMFYUI_PATH and COMFYUI_PYTHON name a ComfyUI to measure\n"
        "in; else the embedded host serves. The full sizes take half an hour, --quick takes two minutes and\n"
        "shows less.",
        (
            _option("--only", "SECTIONS", "names with commas between them; else all"),
            _flag("--quick", "small sizes"),
            _option("--minutes", "N", "how long the idle section watches; else 10", type=whole_number(1, 600)),
            _option("--out", "FILE", "write the figures there as JSON"),
        ),
        examples=(("e3 bench --only dispatch,lease --quick", "a first look"),),
    ),
    Command(
        "completion",
        "completion.run_completion",
        "print the completion script of a shell",
        args=(Arg(("shell",), "the shell", {"choices": ["bash", "zsh", "fish", "powershell"]}),),
        examples=(
            ('eval "$(e3 completion bash)"', "in ~/.bashrc"),
            ('eval "$(e3 completion zsh)"', "in ~/.zshrc, after compinit"),
            ("e3 completion fish | source", "in ~/.config/fish/config.fish"),
            ("e3 completion powershell | Out-String | Invoke-Expression", "in $PROFILE"),
        ),
    ),
    Command("docs", "manual.run_docs", "print docs/cli.md", is_hidden=True),
    Command(
        "names",
        "queue_verbs.run_names",
        "print the names of jobs, for completion",
        args=(Arg(("prefix",), "how they begin", {"nargs": "?", "default": ""}),),
        is_hidden=True,
    ),
)
