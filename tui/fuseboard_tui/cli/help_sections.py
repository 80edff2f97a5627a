"""Options and commands whose help has sections and is computed only when displayed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any

import click


class Option(click.Option):
    """An option in a section of the help.

    Args:
        flags: As they are typed.
        help: What it does; names in braces stand for `details`.
        section: The heading above it.
        details: Returns the values for `help`. Called only when the help is displayed,
            because its imports are slow.
        settings: As those of `click.Option`.
    """

    def __init__(
        self,
        *flags: str,
        help: str,  # noqa: A002
        section: str = "options",
        details: Callable[[], Mapping[str, object]] = dict,
        **settings: Any,
    ) -> None:
        super().__init__(flags, help=help, **settings)
        self.section = section
        self._details = details

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        """Return the flags and what the option does, as the help shows them."""
        record = super().get_help_record(ctx)
        return record and (record[0], record[1].format(**self._details()))


class Command(click.Command):
    """A command whose help has a section for each kind of option.

    Args:
        name: As it is typed.
        about: Its description.
        epilog: Returns what the help ends with.
        settings: As those of `click.Command`.
    """

    def __init__(
        self,
        name: str,
        about: str,
        *,
        epilog: Callable[[], str] = str,
        **settings: Any,
    ) -> None:
        super().__init__(name, help=about, **settings)
        self._epilog = epilog

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options, section by section."""
        sections: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None and isinstance(parameter, click.Option):
                section = getattr(parameter, "section", "options")
                sections.setdefault(section, []).append(record)
        for section, records in sections.items():
            with formatter.section(section):
                formatter.write_dl(records)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Write what the help ends with."""
        if text := self._epilog():
            formatter.write_paragraph()
            formatter.write_text(text)


class Group(Command, click.Group):
    """A command with commands of its own, each of which is imported when it is needed.

    Args:
        name: As it is typed.
        about: Its description.
        modules: Where each command is: the module, which has it as `COMMAND`, and what it does.
        settings: As those of `Command` and `click.Group`.
    """

    def __init__(
        self, name: str, about: str, modules: Mapping[str, tuple[str, str]], **settings: Any
    ) -> None:
        super().__init__(name, about, **settings)
        self._modules = modules

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of the commands."""
        return [*super().list_commands(ctx), *self._modules]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command and return it; `None` if there is none with that name."""
        if cmd_name not in self._modules:
            return super().get_command(ctx, cmd_name)
        command: click.Command = import_module(self._modules[cmd_name][0]).COMMAND
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that is called.

        Raises:
            click.UsageError: If there is none with that name.
        """
        command = self.get_command(ctx, args[0])
        if command is None:
            names = ", ".join(map(repr, self.list_commands(ctx)))
            raise click.UsageError(
                f"argument {self.subcommand_metavar}: invalid choice: {args[0]!r}"
                f" (choose from {names})",
                ctx,
            )
        return args[0], command, args[1:]

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands and the options; imports none of the commands."""
        here = {name: command.get_short_help_str(80) for name, command in self.commands.items()}
        elsewhere = {name: about for name, (_, about) in self._modules.items()}
        with formatter.section("commands"):
            formatter.write_dl(list({**here, **elsewhere}.items()))
        Command.format_options(self, ctx, formatter)


def explicit_values(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options that have a value; flags that are off and unset options are left out."""
    return {
        name: value
        for name, value in parameters.items()
        if value is not None and value is not False and value != ()
    }


def check_alternatives(
    ctx: click.Context, options: Mapping[str, Any], alternatives: Sequence[str]
) -> None:
    """Raise `click.BadParameter` if more than one of the alternatives was given."""
    first, *others = [name for name in alternatives if name in options] or [""]
    if others:
        raise click.BadParameter(
            f"not allowed with argument --{others[0]}", ctx, param_hint=f"--{first}"
        )
