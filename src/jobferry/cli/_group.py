"""Commands that are loaded only when used, their help, and the one place where errors end."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any

import click

import jobferry

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

INTERRUPTED = 130
BROKEN_PIPE = 141
_SETTINGS = {"help_option_names": ["-h", "--help"]}

Sections = Mapping[str, Mapping[str, str]]


class Command(click.Command):
    """A command whose help ends in examples that can be pasted."""

    def __init__(self, *args: Any, examples: Sequence[str] = (), **settings: Any) -> None:
        settings["context_settings"] = {**_SETTINGS, **(settings.get("context_settings") or {})}
        super().__init__(*args, **settings)
        self.examples = tuple(examples)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        write_examples(self.examples, formatter)


class LazyGroup(click.Group):
    """A group that knows its commands by name and imports one only when it is used.

    Args:
        package: where the modules are, one a command, each with a ``command``.
        sections: heading -> name -> one line of help.
    """

    def __init__(
        self, name: str, package: str, sections: Sections, *, examples: Sequence[str] = (), **settings: Any
    ) -> None:
        super().__init__(name, context_settings=_SETTINGS, **settings)
        self.package = package
        self.sections = sections
        self.examples = tuple(examples)
        self.helps = {name: line for section in sections.values() for name, line in section.items()}

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*self.helps]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.helps:
            return None
        found: click.Command = import_module(f"{self.package}.{cmd_name}").command
        return found

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if name not in self.helps and not name.startswith("-") and not ctx.resilient_parsing:
            from difflib import get_close_matches

            near = get_close_matches(name, self.helps, 1)
            ctx.fail(f"no command {name!r}" + (f": did you mean {near[0]!r}?" if near else ""))
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for heading, commands in self.sections.items():
            with formatter.section(heading):
                formatter.write_dl([*commands.items()])

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        write_examples(self.examples, formatter)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        from click.shell_completion import CompletionItem

        found = [
            CompletionItem(name, help=line)
            for name, line in self.helps.items()
            if name.startswith(incomplete)
        ]
        # not the group's own, which would import every command for its help
        return found + click.Command.shell_complete(self, ctx, incomplete)


class Root(LazyGroup):
    """The whole command line: every error is told here, and becomes an exit code."""

    def __init__(self, *args: Any, **settings: Any) -> None:
        own = [
            click.Option(["--debug"], is_flag=True, help="Tell every step, and show tracebacks."),
            click.Option(["-v", "--verbose"], is_flag=True, help="Tell changes of state."),
        ]
        super().__init__(*args, params=own, callback=_start, no_args_is_help=True, **settings)
        self.params.append(_version_option())

    def main(self, args: Sequence[str] | None = None, *rest: Any, **settings: Any) -> Any:
        settings["standalone_mode"] = False
        try:
            code = super().main(args, *rest, **settings)
        except click.exceptions.NoArgsIsHelpError as error:
            error.show()
            code = 2
        except click.ClickException as error:
            code = _tell_usage(error)
        except click.Abort:
            code = INTERRUPTED
        sys.exit(code if isinstance(code, int) else 0)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort, KeyboardInterrupt):
            raise
        except BrokenPipeError:
            from jobferry.cli import _output

            _output.hush()
            return BROKEN_PIPE
        except Exception as error:  # noqa: BLE001 (the one place where every error ends)
            return _tell(error, debug=ctx.params["debug"])
        finally:
            _close()


def declare(
    name: str, *, examples: Sequence[str], cls: type[Command] = Command, **settings: Any
) -> Callable[[Callable[..., Any]], Command]:
    """Declare a command; its function returns an exit code or nothing."""
    return click.command(name, cls=cls, examples=examples, **settings)


def write_examples(examples: Sequence[str], formatter: click.HelpFormatter) -> None:
    """Add the block of examples to a help text, each line as it is."""
    if examples:
        with formatter.section("Examples"):
            for line in examples:
                formatter.write(f"{'':{formatter.current_indent}}{line}\n")


def _start(*, debug: bool, verbose: bool) -> None:
    from jobferry.cli import _output

    _output.start_logging("debug" if debug else "info" if verbose else "warning")


def _version_option() -> click.Option:
    def show(ctx: click.Context, param: click.Parameter, wanted: bool) -> None:
        if wanted and not ctx.resilient_parsing:
            from jobferry.cli import _output

            _output.data(f"jobferry {jobferry.__version__}")
            ctx.exit()

    return click.Option(
        ["--version"],
        is_flag=True,
        is_eager=True,
        expose_value=False,
        callback=show,
        help="Show the version and exit.",
    )


def _tell_usage(error: click.ClickException) -> int:
    from jobferry.cli import _output

    words = error.format_message().rstrip(".")
    ctx = getattr(error, "ctx", None)
    hint = f"`{ctx.command_path} --help`" if ctx is not None else None
    _output.error(f"{words[:1].lower()}{words[1:]}", hint=hint)
    return error.exit_code


def _tell(error: Exception, *, debug: bool) -> int:
    from jobferry.cli import _output
    from jobferry.errors import JobFailed, JobferryError

    if debug:
        _output.traceback(error)
    if isinstance(error, JobferryError):
        _output.error(error.message, command=error.command, hint=error.hint)
        return error.code if isinstance(error, JobFailed) else error.exit_code
    _output.error(
        f"unexpected {type(error).__name__}: {error}",
        hint=None if debug else "`jobferry --debug ...` shows where it happened",
    )
    return 1


def _close() -> None:
    # what was never loaded holds nothing open
    api = sys.modules.get("jobferry.api")
    if api is not None:
        api.close()
