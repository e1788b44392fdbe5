"""``jobferry completion``."""

from __future__ import annotations

import click

from jobferry.cli import _output
from jobferry.cli._group import declare


@declare(
    "completion",
    examples=(
        'eval "$(jobferry completion bash)"          # in ~/.bashrc',
        'eval "$(jobferry completion zsh)"           # in ~/.zshrc',
        "jobferry completion fish | source           # in ~/.config/fish/config.fish",
    ),
)
@click.argument("shell", type=click.Choice(("bash", "zsh", "fish")))
def command(shell: str) -> None:
    """Print the script that completes words in a shell."""
    from click.shell_completion import get_completion_class

    made = get_completion_class(shell)
    if made is None:
        raise click.UsageError(f"no completion for {shell}")
    root = click.get_current_context().find_root().command
    _output.data(made(root, {}, "jobferry", "_JOBFERRY_COMPLETE").source())
