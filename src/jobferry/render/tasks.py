"""The script of a sweep of commands: it knows the words of each task."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from jobferry.render.shell import quote

_HEAD = """\
#!/bin/sh
# The words of each task stand below, a line each.
{enter}jobferry_words=$(sed -n "$((JOBFERRY_ARRAY_INDEX + {first}))p" "$0")
jobferry_nl='
'
eval "exec $jobferry_words"
exit 126
"""
_ENTER = """\
mkdir -p "$JOBFERRY_ARRAY_INDEX" && cd "$JOBFERRY_ARRAY_INDEX" || exit 125
for jobferry_shared in {shared}; do
    [ -e "$jobferry_shared" ] || ln -s "../$jobferry_shared" .
done
"""


def script_of(commands: Iterable[Sequence[str]], *, folders: bool, shared: Sequence[str]) -> str:
    """Write the script that runs the command of its task.

    Args:
        folders: whether each works in a folder of its own, with links to what is `shared`.
    """
    enter = _ENTER.format(shared=" ".join(map(quote, shared))) if folders and shared else ""
    if folders and not shared:
        enter = _ENTER.splitlines()[0] + "\n"
    head = _HEAD.format(enter=enter, first="{first}")
    first = head.count("\n") + 1
    lines = (" ".join(_one_line(word) for word in command) for command in commands)
    return head.replace("{first}", str(first)) + "\n".join(lines) + "\n"


def _one_line(word: str) -> str:
    # inside single quotes nothing stands for a newline: the quotes end, and a variable holds it
    return quote(word).replace("\n", "'\"$jobferry_nl\"'")
