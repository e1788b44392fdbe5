"""What can be completed in a shell; it never fails, never prints and connects to nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import wraps

import click
from click.shell_completion import CompletionItem

Completer = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]

_NEWEST = 200


def _quiet(offer: Callable[[str], Iterable[tuple[str, str | None]]]) -> Completer:
    @wraps(offer)
    def complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        import logging

        logging.disable()
        try:
            found = [(word, words) for word, words in offer(incomplete) if word.startswith(incomplete)]
        except Exception:  # noqa: BLE001 (a shell must not be spoilt by a broken configuration or store)
            return []
        finally:
            logging.disable(logging.NOTSET)
        return [CompletionItem(word, help=words) for word, words in found]

    return complete


@_quiet
def jobs(incomplete: str) -> Iterable[tuple[str, str | None]]:
    """Offer the ids of the newest jobs, with names and states."""
    import jobferry

    yield "@last", "the newest job"
    for job in reversed(jobferry.jobs(limit=_NEWEST)):
        yield job.id, f"{job.name}, {job.record.state.value.lower()}"


@_quiet
def machines(incomplete: str) -> Iterable[tuple[str, str | None]]:
    """Offer the names of machines, with their hosts."""
    from jobferry import api

    for found in api.machines().values():
        yield found.name, found.host or "this computer"


@_quiet
def states(incomplete: str) -> Iterable[tuple[str, str | None]]:
    """Offer the states of jobs."""
    from jobferry import JobState

    for state in JobState:
        yield (state.value.lower() if incomplete.islower() else state.value), None


@_quiet
def names(incomplete: str) -> Iterable[tuple[str, str | None]]:
    """Offer the names of the newest jobs."""
    import jobferry

    for name in sorted({job.name for job in jobferry.jobs(limit=_NEWEST)}):
        yield name, None


def files(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Let the shell offer its own file names."""
    return [CompletionItem(incomplete, type="file")]
