"""Machines from layers of TOML, environment and options; every value knows where it was written."""

from jobferry.config.edit import add_machine, remove_machine
from jobferry.config.load import Config, load_config
from jobferry.config.machines import machine_table
from jobferry.config.sources import Origin, config_paths
from jobferry.config.values import KNOWN_SCHEDULERS, KNOWN_TRANSPORTS

__all__ = [
    "KNOWN_SCHEDULERS",
    "KNOWN_TRANSPORTS",
    "Config",
    "Origin",
    "add_machine",
    "config_paths",
    "load_config",
    "machine_table",
    "remove_machine",
]
