"""Completion for four shells, made from the parser: commands, options, choices, files, names of jobs."""

from __future__ import annotations

import argparse
from dataclasses import dataclass

from . import parser
from .answers import Answer
from .render import Screen

NAME_OF_JOB = "NAME"


@dataclass(frozen=True)
class Place:
    """What can come after some words.

    Attributes:
        path: The words after ``e3``, such as ``queue ls``.
        words: Commands, options and choices, each with what it is for.
        takes_names: Whether the name of a job may come.
    """

    path: str
    words: dict[str, str]
    takes_names: bool


def run_completion(args: argparse.Namespace, screen: Screen) -> Answer:
    """Print the script of a shell."""
    script = {"bash": bash, "zsh": zsh, "fish": fish, "powershell": powershell}[args.shell](places())
    return Answer({"shell": args.shell, "script": script}, [script.rstrip("\n")])


def places() -> list[Place]:
    """List every place in a command line, the outer ones first.

    Examples:
        >>> [place.path for place in places()][:3]
        ['', 'up', 'init']
    """
    return _places(parser.build(), "")


def _places(command: argparse.ArgumentParser, path: str) -> list[Place]:
    words: dict[str, str] = {}
    inner: list[Place] = []
    for action in command._actions:
        if isinstance(action, argparse._SubParsersAction):
            words |= {choice.dest: choice.help or "" for choice in action._choices_actions}
            for name in parser.visible(action):
                inner += _places(action.choices[name], f"{path} {name}".strip())
        elif action.option_strings:
            words[action.option_strings[-1]] = action.help or ""
        else:
            words |= {str(choice): action.help or "" for choice in action.choices or ()}
    takes_names = any(action.metavar == NAME_OF_JOB for action in command._actions if not action.option_strings)
    return [Place(path, words, takes_names), *inner]


def bash(found: list[Place]) -> str:
    """Write the script for bash."""
    return _BASH.format(
        steps=_steps(found),
        cases=_cases(found, '      COMPREPLY+=($(compgen -W "$(e3 names "$cur" 2>/dev/null)" -- "$cur"))\n'),
    )


def zsh(found: list[Place]) -> str:
    """Write the script for zsh."""
    lines = []
    for place in found:
        described = " ".join(_quoted(f"{word}:{text}") for word, text in place.words.items())
        names = '      compadd -- ${(f)"$(e3 names ${words[CURRENT]} 2>/dev/null)"}\n' if place.takes_names else ""
        lines.append(f"    {_quoted(place.path)})\n      told=({described})\n{names}      ;;")
    return _ZSH.format(steps=_steps(found), cases="\n".join(lines))


def fish(found: list[Place]) -> str:
    """Write the script for fish."""
    lines = [_FISH.format(steps=_steps_of_fish(found)).rstrip("\n")]
    for place in found:
        at = f"complete -c e3 -n 'test (__e3_path) = \"{place.path}\"'"
        lines += [f"{at} {_fish_word(word)} -d {_quoted(text)}" for word, text in place.words.items()]
        if place.takes_names:
            lines.append(f"{at} -f -a '(e3 names (commandline -ct) 2>/dev/null)'")
    return "\n".join(lines) + "\n"


def powershell(found: list[Place]) -> str:
    """Write the script for PowerShell."""
    lines = []
    for place in found:
        words = ", ".join(_doubled(word) for word in place.words)
        names = "; $words += @(e3 names $wordToComplete 2>$null)" if place.takes_names else ""
        lines.append(f"        {_doubled(place.path)} {{ $words = @({words}){names} }}")
    steps = ", ".join(_doubled(place.path) for place in found if place.path)
    return _POWERSHELL.format(steps=steps, cases="\n".join(lines))


def _steps(found: list[Place]) -> str:
    """Write the patterns of all paths, for a ``case``."""
    return "|".join(_quoted(place.path) for place in found if place.path)


def _steps_of_fish(found: list[Place]) -> str:
    return " ".join(_quoted(place.path) for place in found if place.path)


def _cases(found: list[Place], names: str) -> str:
    return "\n".join(
        f"    {_quoted(place.path)})\n"
        f'      COMPREPLY=($(compgen -W {_quoted(" ".join(place.words))} -- "$cur"))\n'
        f"{names if place.takes_names else ''}      ;;"
        for place in found
    )


def _fish_word(word: str) -> str:
    return f"-l {word[2:]}" if word.startswith("--") else f"-f -a {_quoted(word)}"


def _quoted(text: str) -> str:
    """Quote for a POSIX shell and for fish; the few texts with an apostrophe get another one."""
    return "'" + text.replace("'", "’").replace("\n", " ") + "'"


def _doubled(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


_BASH = """# completion of e3 for bash
_e3() {{
  local cur="${{COMP_WORDS[COMP_CWORD]}}" path="" word
  for word in "${{COMP_WORDS[@]:1:COMP_CWORD-1}}"; do
    case "${{path:+$path }}$word" in
      {steps}) path="${{path:+$path }}$word" ;;
    esac
  done
  COMPREPLY=()
  case "$path" in
{cases}
  esac
}}
complete -o default -F _e3 e3
"""

_ZSH = """#compdef e3
# completion of e3 for zsh
_e3() {{
  local place="" word
  local -a told
  for word in "${{(@)words[2,CURRENT-1]}}"; do
    case "${{place:+$place }}$word" in
      ({steps}) place="${{place:+$place }}$word" ;;
    esac
  done
  case "$place" in
{cases}
  esac
  _describe e3 told || _files
}}
compdef _e3 e3
"""

_FISH = """# completion of e3 for fish
function __e3_path
  set -l path ""
  for word in (commandline -opc)[2..-1]
    set -l longer (string trim -- "$path $word")
    contains -- $longer {steps}; and set path $longer
  end
  echo -- "$path"
end
"""

_POWERSHELL = """# completion of e3 for PowerShell
Register-ArgumentCompleter -Native -CommandName e3 -ScriptBlock {{
    param($wordToComplete, $commandAst, $cursorPosition)
    $path = ''
    foreach ($element in $commandAst.CommandElements | Select-Object -Skip 1) {{
        if ($element.Extent.EndOffset -ge $cursorPosition) {{ break }}
        $longer = "$path $($element.Extent.Text)".Trim()
        if (@({steps}) -contains $longer) {{ $path = $longer }}
    }}
    $words = @()
    switch ($path) {{
{cases}
    }}
    $words | Where-Object {{ $_ -like "$wordToComplete*" }} | ForEach-Object {{
        [System.Management.Automation.CompletionResult]::new($_, $_, 'ParameterValue', $_)
    }}
}}
"""
