"""Looking Jobferry over on this computer: configuration, store, ssh, and the machines if asked."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from jobferry.checkup import Finding, Grade
from jobferry.config import Config, config_paths, load_config
from jobferry.errors import ConfigError, JobferryError
from jobferry.model.command import Command
from jobferry.model.machine import Machine
from jobferry.render.program import Program
from jobferry.transports import open_transport

if TYPE_CHECKING:
    from jobferry.client import Client


def diagnose(client: Client, *, connect: bool = False) -> list[Finding]:
    """Look everything over; what is wrong is a finding, not an error.

    Args:
        connect: also reach every machine that is configured.
    """
    findings = list(_files())
    try:
        config = load_config(Path.cwd(), os.environ)
    except ConfigError as error:
        lines = error.message.splitlines()
        findings += [
            Finding(subject="config", grade=Grade.BAD, value=line, advice="`jobferry config edit`")
            for line in lines
        ]
        config = Config()
    findings += [_store(client), _ssh(client)]
    for machine in config.machines.values():
        findings.append(_machine(client, machine, connect=connect))
    return findings


def _files() -> Iterator[Finding]:
    for path in config_paths(Path.cwd(), os.environ):
        value = f"{path}" if path.exists() else f"{path} (not there, which is fine)"
        yield Finding(subject="config file", grade=Grade.OK, value=value)


def _store(client: Client) -> Finding:
    store = client.store
    try:
        count = len(store.find_ids())
        # a change that changes nothing shows whether the file can be written
        store.remove([])
    except JobferryError as error:
        return Finding(subject="store", grade=Grade.BAD, value=str(error), advice=error.hint)
    return Finding(subject="store", grade=Grade.OK, value=f"{store.path}, writable, {count} jobs")


def _ssh(client: Client) -> Finding:
    here = open_transport(Machine(name="local"), client.clock)
    try:
        answer = here.run(Command(argv=("ssh", "-V")))
    except JobferryError as error:
        return Finding(subject="ssh", grade=Grade.BAD, value=str(error))
    if answer.exit_code != 0:
        return Finding(subject="ssh", grade=Grade.BAD, value="not found", advice="install an OpenSSH client")
    return Finding(subject="ssh", grade=Grade.OK, value=answer.words)


def _machine(client: Client, machine: Machine, *, connect: bool) -> Finding:
    subject = f"machine {machine.name}"
    value = machine.host or "this computer"
    if not connect:
        return Finding(subject=subject, grade=Grade.OK, value=value)
    try:
        opened = client.open(machine)
        opened.ask(Program())
    except JobferryError as error:
        return Finding(subject=subject, grade=Grade.BAD, value=str(error), advice=error.hint)
    return Finding(
        subject=subject, grade=Grade.OK, value=f"reached: {opened.connection.transport.describe()}"
    )
