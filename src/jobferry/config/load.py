"""Lay the layers over each other, and tell all that is wrong with them at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import MappingProxyType

from jobferry.config.machines import (
    Settings,
    build_machine,
    chain_of,
    check_name,
    extend_all,
    lay_over,
    read_settings,
    settings_of,
    table_origins,
)
from jobferry.config.sources import BadSource, Origin, Source, config_paths, read_source
from jobferry.config.values import (
    KNOWN_SCHEDULERS,
    KNOWN_TRANSPORTS,
    explain_unknown,
    machine_readers,
    read_name,
    words_of,
)
from jobferry.errors import ConfigError, SpecError, UnknownMachine
from jobferry.model.machine import Machine
from jobferry.model.readers import Reader
from jobferry.model.suggest import did_you_mean

LOCAL = "local"
_DEFAULT_VARIABLE = "JOBFERRY_DEFAULT_MACHINE"
_FIELD_VARIABLE = "JOBFERRY_MACHINE_"
_BUILT_IN = Source(file="built-in", data={"machines": {LOCAL: {"scheduler": "direct"}}})


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """What is configured.

    Attributes:
        default_machine: the one meant when none is named; None is this computer.
        origins: where each value was written, by dotted key such as ``machines.narval.host``; what came
            through ``extends`` has the origin it has there, what is in no layer has none.
        environment: settings that override those of whichever machine is used.
    """

    machines: Mapping[str, Machine] = field(
        default_factory=lambda: {LOCAL: Machine(name=LOCAL, scheduler="direct")}
    )
    default_machine: str | None = None
    origins: Mapping[str, Origin] = field(default_factory=dict)
    environment: Settings = field(default_factory=dict)
    readers: Mapping[str, Reader] = field(
        default_factory=lambda: machine_readers(KNOWN_SCHEDULERS, KNOWN_TRANSPORTS), repr=False
    )

    def machine(self, name: str | None = None, **overrides: object) -> Machine:
        """Return a machine, or the default one, with what the environment and the caller set over it.

        Raises:
            UnknownMachine: there is none of that name.
            ConfigError: an override that is not known or cannot be read.
        """
        name = name or self.default_machine or LOCAL
        if name not in self.machines:
            raise self._unknown(name)
        problems: list[str] = []
        given = {key: value for key, value in overrides.items() if value is not None}
        own = read_settings(
            given, _overriding(self.readers), lambda key, words: problems.append(f"{key}: {words}")
        )
        if problems:
            raise ConfigError("\n".join(problems), machine=name)
        settings = lay_over(lay_over(own, self.environment), settings_of(self.machines[name]))
        try:
            return build_machine(name, settings)
        except SpecError as exc:
            raise ConfigError(exc.message, hint=exc.hint, machine=name) from exc

    def _unknown(self, name: str) -> UnknownMachine:
        where = ""
        if name == self.default_machine and "default_machine" in self.origins:
            where = f"{self.origins['default_machine']}: default_machine: "
        known = ", ".join(sorted(self.machines))
        return UnknownMachine(
            f"{where}no machine {name!r}{did_you_mean(name, self.machines)}",
            hint=f"known: {known}; or add it: jobferry machine add {name} HOST",
            machine=name,
        )


def load_config(
    cwd: Path,
    environ: Mapping[str, str],
    *,
    known_schedulers: frozenset[str] = KNOWN_SCHEDULERS,
    known_transports: frozenset[str] = KNOWN_TRANSPORTS,
) -> Config:
    """Read the user's file, the project's and the environment.

    Raises:
        ConfigError: with a line for every problem found in any of them.
    """
    layers = _Layers(readers=machine_readers(known_schedulers, known_transports))
    layers.add_source(_BUILT_IN)
    for path in config_paths(cwd, environ):
        try:
            layers.add_source(read_source(path))
        except BadSource as exc:
            layers.problems.append(str(exc))
    layers.add_environment(environ)
    config = layers.build()
    if layers.problems:
        raise ConfigError("\n".join(layers.problems))
    return config


@dataclass(slots=True, kw_only=True)
class _Layers:
    """What has been read so far, low to high, and what was wrong with it."""

    readers: Mapping[str, Reader]
    machines: dict[str, dict[str, object]] = field(default_factory=dict)
    default_machine: str | None = None
    origins: dict[str, Origin] = field(default_factory=dict)
    environment: dict[str, object] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    broken: set[str] = field(default_factory=set)

    def add_source(self, source: Source) -> None:
        for key, value in source.data.items():
            if key == "default_machine":
                self._set_default(value, source.origin(key), key)
            elif key == "machines" and isinstance(value, Mapping):
                for name, table in value.items():
                    self._add_machine(source, name, table)
            elif key == "machines":
                self._problem(source.origin(key), key, f"must be a table, not {value!r}")
            else:
                words = explain_unknown(key, ("default_machine", "machines"))
                self._problem(source.origin(key), key, words)

    def _add_machine(self, source: Source, name: str, table: object) -> None:
        def report(key: str, words: str) -> None:
            self.broken.add(name)
            path = ("machines", name, *(key.split(".", 1) if key else ()))
            self._problem(source.origin(*path), ".".join(path), words)

        if not check_name(name, report):
            return
        settings = read_settings(table, self.readers, report)
        self.machines[name] = lay_over(settings, self.machines.get(name, {}))
        self.origins |= table_origins(name, settings, source.origin)

    def add_environment(self, environ: Mapping[str, str]) -> None:
        if default := environ.get(_DEFAULT_VARIABLE):
            self._set_default(default, Origin(f"${_DEFAULT_VARIABLE}"), "default_machine")
        readers = _overriding(self.readers)
        for variable, value in environ.items():
            key = variable.removeprefix(_FIELD_VARIABLE).lower()
            if not variable.startswith(_FIELD_VARIABLE) or not value:
                continue
            origin = Origin(f"${variable}")
            self.environment |= read_settings({key: value}, readers, partial(self._problem, origin))
            self.origins[f"machines.*.{key}"] = origin

    def _set_default(self, value: object, origin: Origin, key: str) -> None:
        try:
            self.default_machine = read_name(value)
        except ValueError as exc:
            self._problem(origin, key, words_of(exc))
        self.origins[key] = origin

    def build(self) -> Config:
        def extends_problem(name: str, words: str) -> None:
            key = f"machines.{name}.extends"
            self._problem(self.origins[key], key, words)

        built = {}
        extended = extend_all(self.machines, extends_problem)
        for name, settings in extended.items():
            try:
                built[name] = build_machine(name, settings)
            except SpecError as exc:
                # what does not go together may do so once the problems told already are mended
                if self.broken.isdisjoint(chain_of(name, self.machines)):
                    key = f"machines.{name}"
                    self._problem(self.origins[key], f"{key}.defaults", words_of(exc))
        self._inherit_origins(extended)
        return Config(
            machines=MappingProxyType(built),
            default_machine=self.default_machine,
            origins=MappingProxyType(self.origins),
            environment=MappingProxyType(self.environment),
            readers=self.readers,
        )

    def _inherit_origins(self, extended: Mapping[str, Settings]) -> None:
        for name, settings in extended.items():
            for key in settings:
                above: object = name
                while f"machines.{above}.{key}" not in self.origins and above in self.machines:
                    above = self.machines[str(above)].get("extends")
                self.origins[f"machines.{name}.{key}"] = self.origins[f"machines.{above}.{key}"]

    def _problem(self, origin: Origin, key: str, words: str) -> None:
        self.problems.append(f"{origin}: {key}: {words}")


def _overriding(readers: Mapping[str, Reader]) -> dict[str, Reader]:
    # by then all machines are whole
    return {key: read for key, read in readers.items() if key != "extends"}
