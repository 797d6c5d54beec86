"""``docs/cli.md``, made from the parser and the tables, so that it cannot tell anything else than the code.

python -m comfyui_e3.e3_nodes.cli docs > docs/cli.md
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator

from . import parser
from .answers import HINTS, Answer
from .render import Screen


def run_docs(args: argparse.Namespace, screen: Screen) -> Answer:
    """Print the manual."""
    text = manual()
    return Answer(text, [text.rstrip("\n")])


def manual() -> str:
    """Return docs/cli.md.

    Examples:
        >>> manual().splitlines()[0]
        '# The command line'
    """
    commands = list(parser.leaves(parser.build()))
    index = "\n".join(f"| [`{leaf.prog}`](#{leaf.prog.replace(' ', '-')}) | {_summary(leaf)} |" for leaf in commands)
    chapters = "\n\n".join("\n".join(_chapter(leaf)) for leaf in commands)
    codes = "\n".join(f"| `{code}` | {hint} |" for code, hint in HINTS.items())
    return _FRAME.format(index=index, chapters=chapters, codes=codes)


def _summary(leaf: argparse.ArgumentParser) -> str:
    return (leaf.description or "").split("\n")[0].rstrip(".")


def _chapter(leaf: argparse.ArgumentParser) -> Iterator[str]:
    """Write a command's part: usage, what it does, arguments, examples."""
    yield f"## {leaf.prog}"
    yield ""
    yield f"    {parser.usage_line(leaf)}"
    yield ""
    yield _safe(leaf.description or "")
    yield ""
    for action in parser.arguments(leaf):
        yield f"- `{parser.spelling(action)}`: {_safe(action.help or '')}"
    if leaf.epilog:
        lines = leaf.epilog.splitlines()[1:]
        pairs = zip(lines[::2], lines[1::2], strict=True)
        width = max(len(line.strip()) for line in lines[::2])
        yield ""
        yield from (f"    {line.strip():<{width}}   # {what.strip()}" for line, what in pairs)


def _safe(text: str) -> str:
    """Keep Markdown from reading ``<n>`` as HTML."""
    return text.replace("<", "&lt;")


_FRAME = """# The command line

This page is made from the parser (`python -m comfyui_e3.e3_nodes.cli docs`); a test holds it.

`e3 COMMAND --help` prints the same at hand. Without the package installed,
`python <this folder>/e3_nodes COMMAND` is the same command. `E3_HOME` names the home; without it, home is the
plugin's own folder.

Commands work on the database directly, so they work while ComfyUI is down, and a running plugin notices at
once. A name of a job works with and without `.yaml`. Tables, colours and progress bars come with the extra
`[cli]` at a terminal; pipes get plain text.

**Exit codes**: 0 done, 1 failed, 2 wrong use (one line says what is right), 130 ended by Ctrl-C.

**`--json`** on every command prints one envelope on stdout and nothing else there:

    {{"ok": true, "data": …}}
    {{"ok": false, "data": …, "error": {{"code": "job_unknown", "message": "…", "hint": "…"}}}}

| command | |
|---|---|
{index}

{chapters}

## Error codes

`code` is stable; the message is for people. Codes that are not listed come from a rule of the job file (see
[jobs/README.md](../jobs/README.md)) and say the rule.

| code | what to do |
|---|---|
{codes}

## As a service

ComfyUI with the plugin in it takes files in and runs them by itself. An agent is for a ComfyUI without it,
reached by URL.

On Linux, save [e3.service](e3.service) as `~/.config/systemd/user/e3.service`, then
`systemctl --user enable --now e3`. After a stop or a kill the next start goes on with the prompts that
ComfyUI still runs, or has ended meanwhile: they are not run again. Until then their jobs are `processing`, and
`e3 cancel` is heeded by that start.

Over HTTP only files that ComfyUI's history names can be fetched. Nodes that save without telling (ModelSave,
LoraSave) need the plugin.

On Windows, the task scheduler does the same. Set `E3_HOME` as a user variable first (`setx E3_HOME D:\\e3`),
then:

    schtasks /Create /TN e3 /SC ONLOGON /TR "e3.exe run --loop --monitor"

and switch off *Stop the task if it runs longer than* under its *Settings*. Where `e3.exe` is not on the PATH,
name it in the `Scripts` folder of your Python.

On macOS, `launchd` runs the same command from a property list in `~/Library/LaunchAgents`.
"""
