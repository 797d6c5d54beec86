"""The parser, built from the catalogue; wrong use is one line that says what is right."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from typing import Any

from ..validation.names import nearest
from .answers import UsageError
from .catalogue import COMMANDS, GROUPS, INTRO, Arg, Command

VERSION_FLAG = "--version"


class Parser(argparse.ArgumentParser):
    """Answers a mistake with one line; the whole story is what ``--help`` is for."""

    def error(self, message: str) -> Any:
        """Raise what main prints.

        Raises:
            UsageError: Always.
        """
        raise UsageError(f"{self.prog}: {message}; right is: {usage_line(self)}")

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        """Name the nearest command or choice instead of listing them all."""
        if action.choices is None or value in action.choices:
            return
        near = nearest(str(value), visible(action))
        hint = f"did you mean {near}?" if near else f"there is: {', '.join(visible(action))}"
        kind = "command" if isinstance(action, argparse._SubParsersAction) else action.dest
        raise UsageError(f"{self.prog}: {str(value)!r} is no {kind}; {hint}")


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """Parse the arguments after ``e3``.

    Args:
        argv: The arguments.

    Returns:
        The values, with ``command``: the entry of the catalogue.

    Raises:
        UsageError: The arguments are wrong.
        SystemExit: Help or the version was asked for, and has been printed.

    Examples:
        >>> parse(["queue", "ls", "done"]).status
        'done'
    """
    args, unknown = build().parse_known_args(argv)
    if unknown:
        near = nearest(unknown[0].split("=")[0], args.parser._option_string_actions)
        hint = f"; did you mean {near}?" if near else ""
        raise UsageError(
            f"{args.parser.prog}: {unknown[0]!r} is not understood{hint}; right is: {usage_line(args.parser)}"
        )
    return args


def build() -> Parser:
    """Build the parser of the whole command line."""
    root = Parser(prog="e3", description=INTRO, allow_abbrev=False, formatter_class=_Formatter)
    root.add_argument(VERSION_FLAG, action=_ShowVersion, nargs=0, help="print the version")
    commands = root.add_subparsers(metavar="COMMAND", required=True, dest="command_name", parser_class=Parser)
    groups: dict[str, Any] = {"": commands}
    for command in COMMANDS:
        group, _, name = command.path.rpartition(" ")
        if group not in groups:
            groups[group] = _add_group(commands, group)
        _add_command(groups[group], name, command)
    return root


def visible(action: argparse.Action) -> list[str]:
    """List the choices of an argument, or the commands of a group, that are meant for people."""
    if isinstance(action, argparse._SubParsersAction):
        return [choice.dest for choice in action._choices_actions]
    return [str(choice) for choice in action.choices or ()]


def leaves(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """Yield the parser of every command that is meant for people, in the order of the catalogue.

    Examples:
        >>> [leaf.prog for leaf in leaves(build())][:2]
        ['e3 up', 'e3 init']
    """
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name in visible(action):
                yield from leaves(action.choices[name])
            return
    yield parser


def arguments(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    """List a command's own arguments, without ``--help``."""
    return [action for action in parser._actions if not isinstance(action, argparse._HelpAction)]


def usage_line(parser: argparse.ArgumentParser) -> str:
    """Return how a command is used, as one line.

    Examples:
        >>> [usage_line(leaf) for leaf in leaves(build()) if leaf.prog == "e3 queue set-priority"]
        ['e3 queue set-priority [--json] NAME N']
    """
    own = arguments(parser)
    options = [spelling(action) for action in own if action.option_strings]
    return " ".join([parser.prog, *options, *(spelling(action) for action in own if not action.option_strings)])


def spelling(action: argparse.Action) -> str:
    """Return how an argument is written, in brackets where it may be left out."""
    if isinstance(action, argparse._SubParsersAction):
        return "COMMAND ..."
    if action.option_strings:
        value = "" if action.nargs == 0 else f" {_name_of(action)}"
        text = f"{action.option_strings[0]}{value}"
        return text if action.required else f"[{text}]"
    name = _name_of(action)
    return {"+": f"{name}...", "*": f"[{name}...]", "?": f"[{name}]"}.get(str(action.nargs), name)


def _name_of(action: argparse.Action) -> str:
    if isinstance(action.metavar, str):
        return action.metavar
    return "|".join(visible(action)) if action.choices else action.dest.upper()


def _add_group(commands: Any, name: str) -> Any:
    text = GROUPS[name]
    group = commands.add_parser(name, help=text, description=text, allow_abbrev=False, formatter_class=_Formatter)
    return group.add_subparsers(metavar="COMMAND", required=True, dest="subcommand_name", parser_class=Parser)


def _add_command(commands: Any, name: str, command: Command) -> None:
    shown = {} if command.is_hidden else {"help": command.help}
    parser = commands.add_parser(
        name,
        description=f"{command.help[0].upper()}{command.help[1:]}.\n\n{command.text}".strip(),
        epilog=_epilog(command),
        allow_abbrev=False,
        formatter_class=_Formatter,
        **shown,
    )
    parser.set_defaults(command=command, parser=parser)
    for arg in command.args:
        _add(parser, arg)
    if command.either:
        one = parser.add_mutually_exclusive_group(required=True)
        for arg in command.either:
            _add(one, arg)
    parser.add_argument("--json", action="store_true", help="answer with one JSON envelope: ok, data, error")


def _add(parser: Any, arg: Arg) -> None:
    parser.add_argument(*arg.flags, help=arg.help, **arg.options)


def _epilog(command: Command) -> str:
    lines = [f"  {line}\n      {what}" for line, what in command.examples]
    return "examples:\n" + "\n".join(lines) if lines else ""


class _Formatter(argparse.RawDescriptionHelpFormatter):
    def __init__(self, prog: str, **options: Any) -> None:
        super().__init__(prog, max_help_position=28, **options)


class _ShowVersion(argparse.Action):
    def __call__(self, parser: argparse.ArgumentParser, *_: Any, **__: Any) -> None:
        from ..config_loader import plugin_version

        sys.stdout.write(f"e3 {plugin_version()}\n")
        parser.exit(0)
