"""Names of values and functions, which must be the same in another process."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import threading
import weakref
from pathlib import Path

import pytest

from jobferry.errors import SpecError
from jobferry.functions import fingerprint
from jobferry.functions.fingerprint import of_value

PROGRAM = """
    import dataclasses, functools
    import numpy as np
    from jobferry.functions.fingerprint import of_function, of_value

    @dataclasses.dataclass
    class Point:
        x: int
        tags: set

    def f(a):
        return a

    class Scale:
        __slots__ = ("by",)
        def __init__(self, by): self.by = by
        def __call__(self, x): return x * self.by

    loop = [1]
    loop.append(loop)
    values = [Point(1, {"a", "b", "c"}), {"x", "y", "z"}, np.arange(3), np.array([{1}, None], object), f,
              functools.partial(f, 2), Scale(3), {"b": 1, "a": {2: 3}}, Point, len, loop]
    for value in values:
        print(of_value(value))
    print(of_function(f), of_function(functools.partial(f, 1)), of_function(Scale(3)))
    """


def test_names_are_the_same_in_every_process(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(textwrap.dedent(PROGRAM))

    def said(seed: str) -> list[str]:
        environment = {"PYTHONHASHSEED": seed, "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}
        words = [sys.executable, str(script)]
        done = subprocess.run(words, capture_output=True, text=True, check=True, env=environment)
        return done.stdout.split()

    first = said("1")

    assert first == said("2")
    assert 14 == len(first) == len(set(first))


def test_equal_values_have_one_name_and_others_another() -> None:
    shared = [1]

    assert of_value([shared, shared]) == of_value([[1], [1]])
    assert of_value({1: 2}) != of_value({"1": 2})
    assert of_value(["ab", "c"]) != of_value(["a", "bc"])


def test_what_belongs_to_this_process_has_no_name() -> None:
    with pytest.raises(SpecError, match="lock cannot travel"):
        of_value(threading.Lock())


CHANGING = """
    import re
    from jobferry.functions.fingerprint import of_function, of_value

    class Model:
        def run(self):
            return shared and {number}
    shared, nested, pattern = Model(), {{"k": [Model]}}, re.compile("{number}")

    def instance():
        return shared.run()
    def within():
        return nested["k"][0]().run()
    def searches():
        return pattern.pattern

    print(of_function(instance), of_function(within), of_function(searches), of_value(Model()))
"""


def test_class_or_pattern_that_changed_changes_what_uses_it(tmp_path: Path) -> None:
    names = []
    for number in (1, 1, 2):
        path = tmp_path / "program.py"
        path.write_text(textwrap.dedent(CHANGING.format(number=number)))
        said = subprocess.run([sys.executable, path], capture_output=True, text=True, check=True)
        names.append(said.stdout.split())

    assert names[0] == names[1]
    assert 4 == len({*names[0]} - {*names[2]})


class Tree:
    def grow(self) -> object:
        return SHARED["leaf"]


class Leaf:
    def fall(self) -> object:
        return SHARED["tree"]


SHARED: dict[str, object] = {}
SHARED.update(tree=Tree(), leaf=Leaf())


def test_classes_that_use_each_other_have_the_same_names_in_any_order(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    names = []
    for order in ((Tree, Leaf), (Leaf, Tree)):
        monkeypatch.setattr(fingerprint, "_kinds", weakref.WeakKeyDictionary())
        names.append({kind: of_value(kind()) for kind in order})

    assert names[0] == names[1]
    assert 2 == len({*names[0].values()})
