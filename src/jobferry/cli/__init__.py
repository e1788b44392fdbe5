"""The command line: a skin over the Python API, one file a command."""

from __future__ import annotations

from jobferry.cli._group import Root

# the one-line helps stand here, so that a list of commands imports none of them
SECTIONS = {
    "Jobs": {
        "run": "Submit a job, follow it, fetch its outputs and end as it ends.",
        "submit": "Submit a job and print its id.",
        "sweep": "Run a command over many parameters, as one array.",
        "render": "Print the launch script of a job; nothing is sent.",
        "list": "List unfinished and recent jobs.",
        "show": "Show one job: what was asked, times, attempts, places.",
        "why": "Say in words why a job waits or why it died.",
        "logs": "Print what a job has printed.",
        "wait": "Wait until jobs have ended.",
        "cancel": "Cancel jobs.",
        "hold": "Keep waiting jobs from starting.",
        "release": "Let held jobs start.",
        "retry": "Start anew what has ended without success.",
        "fetch": "Bring the outputs of jobs home.",
        "remove": "Forget jobs that have ended.",
    },
    "Machines": {
        "machine": "List, add, show, edit and remove machines.",
        "check": "Look a machine over: what works, what does not, what to do.",
        "login": "Open the shared connection to a machine, answering its questions.",
        "exec": "Run a command on a machine.",
        "put": "Copy a file or folder to a machine.",
        "get": "Copy files from a machine.",
    },
    "Jobferry itself": {
        "config": "Show or edit the configuration.",
        "doctor": "Look Jobferry over on this computer.",
        "completion": "Print the script that completes words in a shell.",
    },
}

root = Root(
    "jobferry",
    __name__,
    SECTIONS,
    help="Take work to remote machines and bring the results home.",
    examples=(
        "jobferry run -- python3 -c 'print(6*7)'",
        "jobferry submit -m narval --time 1h train.sh",
        "jobferry list",
    ),
)


def main() -> None:
    """Run the command line and leave with its exit code."""
    root.main(prog_name="jobferry")
