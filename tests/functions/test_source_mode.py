"""Functions as text for another Python: the very function, with what it had, or a refusal in words."""

from __future__ import annotations

import contextlib
import dataclasses
import enum
import functools
import importlib
import io
import re
import sys
import textwrap
import xml.etree.ElementTree
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import jobferry as jf
from jobferry.functions.capture import Captured, capture
from jobferry.machine_handle import Machine
from tests.functions.pythons import need_python

OTHERS = ("3.8", "3.12")


@pytest.fixture
def other(request: pytest.FixtureRequest, here: Machine) -> Machine:
    """This computer, with the Python of another version for its functions."""
    return dataclasses.replace(here, python=need_python(request.param))


others = pytest.mark.parametrize("other", OTHERS, indirect=True)


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str, str], Path]]:
    """Writes a module of the user's, to be imported; it is forgotten afterwards."""
    monkeypatch.syspath_prepend(tmp_path)
    before = set(sys.modules)

    def write(name: str, text: str) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))
        importlib.invalidate_caches()
        return path

    yield write
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(tmp_path)):
            del sys.modules[name]


def run(found: Captured) -> Any:
    """Make it again as the other side does."""
    assert [] == found.problems
    module = ModuleType("made_again")
    sys.modules[module.__name__] = module
    vars(module).update(found.values)
    exec(compile(found.text(), "<made again>", "exec", dont_inherit=True), vars(module))
    owner: Any = module
    for word in found.name.split("."):
        owner = getattr(owner, word)
    return owner


# 1


def test_function_whose_file_has_changed_is_refused(write: Any) -> None:
    path = write("changing.py", "def f(x):\n    return x + 1\n")
    f = importlib.import_module("changing").f
    path.write_text("def g(x):\n    return x\n\ndef f(x):\n    return x - 1\n")

    found = capture(f)

    assert ["`f`: its file has changed since it was imported; import it again"] == found.problems


def test_function_that_only_moved_is_found(write: Any) -> None:
    path = write("moving.py", "def f(x):\n    return x + 1\n")
    f = importlib.import_module("moving").f
    path.write_text("def g(x):\n    return x\n\ndef f(x):\n    return x + 1\n")

    assert 3 == run(capture(f))(2)


def test_class_whose_method_has_changed_is_refused(write: Any) -> None:
    path = write("changing_too.py", "class C:\n    def m(self):\n        return 1\n")
    kind = importlib.import_module("changing_too").C
    path.write_text("class C:\n    def m(self):\n        return 2\n")

    assert ["`C`: its file has changed since it was imported; import it again"] == capture(kind).problems


# 2


def test_defaults_are_those_the_function_has() -> None:
    functions = []
    for i in range(3):

        def g(x: int, i: int = i) -> int:
            return x * i

        functions.append(g)
    lambdas = [lambda x, q=q: x * q for q in range(3)]

    assert [0, 5, 10] == [run(capture(g))(5) for g in functions]
    assert [0, 5, 10] == [run(capture(each))(5) for each in lambdas]


def test_lambda_within_a_lambda_is_told_from_it() -> None:
    assert 1 == run(capture((lambda: lambda: 1)()))()
    assert 2 == run(capture(lambda x=(lambda: 2): x()))()


LIMIT = 3


def ordinary(x: int, a: int = 60 * 60, b: tuple[int, ...] = (1, -2), *, c: int = LIMIT) -> int:
    return x + a + c


def test_ordinary_defaults_stay_in_the_text() -> None:
    found = capture(ordinary)

    assert {"LIMIT": 3} == found.values
    assert "a: int=60 * 60, b: tuple[int, ...]=(1, -2), *, c: int=LIMIT" in found.text()


def test_default_that_is_no_data_is_refused() -> None:
    def f(x: object = io.StringIO()) -> object:
        return x

    assert "`default_x_of_f`, a _io.StringIO" in capture(f).problems[0]


def test_defaults_of_methods_are_those_they_have() -> None:
    q = 4

    class C:
        K = 2

        def m(self, k: int = K, j: int = q) -> tuple[int, int]:
            return k, j

    q = 5

    assert (2, 4) == run(capture(C))().m()


# 3


def deco(f: Any) -> Any:
    @functools.wraps(f)
    def w(*args: Any) -> Any:
        return ("d", f(*args))

    return w


def same(f: Any) -> Any:
    f.seen = 1
    return f


def bare(x: int) -> int:
    return x


@deco
@same
@deco
def stacked(x: int) -> int:
    return x


@deco
def down(n: int) -> Any:
    return down(n - 1) if n else 0


@contextlib.contextmanager
def managed() -> Iterator[int]:
    yield 3


wrapped = deco(bare)


def uses_all(x: int) -> Any:
    with managed() as three:
        return stacked(x), down(1), wrapped(x), bare(x), three


@others
def test_wrappers_travel_once_each(other: Machine) -> None:
    expected = ("d", ("d", 2)), ("d", ("d", 0)), ("d", 2), 2, 3

    assert expected == other.call(uses_all, 2).result(60)
    assert ("d", 3) == other.call(wrapped, 3).result(60)
    assert ("d", ("d", 3)) == other.call(stacked, 3).result(60)


def test_wrapper_keeps_the_name_of_what_it_wraps() -> None:
    assert "stacked" == run(capture(stacked)).__name__


def test_two_closures_of_one_function_are_two() -> None:
    def make(n: int) -> Callable[[int], int]:
        def inner(x: int) -> int:
            return x + n

        return inner

    one, two = make(1), make(2)

    assert (4, 5) == run(capture(lambda x: (one(x), two(x))))(3)


# 4


def test_builtin_of_one_module_and_function_of_another(write: Any) -> None:
    write("adding.py", "def total(values):\n    return sum(values)\n")
    write(
        "summing.py",
        "from adding import total\ndef sum(x):\n    return 0\ndef f(v):\n    return total(v), sum(v)\n",
    )

    problems = capture(importlib.import_module("summing").f).problems

    assert 1 == len(problems)
    assert problems[0].startswith("two different things are called `sum`, ")
    assert "one of summing" in problems[0]
    assert "Python's own" in problems[0]
    assert problems[0].endswith("rename one of them")


# 5


class Config:
    LR = 0.1
    NAMES = ("a",)
    MODE: str = "slow"


def counted() -> int:
    return counted.n + Config.LR  # type: ignore[attr-defined, no-any-return]


def test_state_set_after_definition_goes_along(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Config, "LR", 0.5)
    monkeypatch.setattr(Config, "extra", [1], raising=False)
    monkeypatch.setattr(counted, "n", 5, raising=False)

    found = run(capture(counted))

    assert 5.5 == found()
    assert [1] == found.__globals__["Config"].extra


def test_state_that_is_no_data_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Config, "LR", io.StringIO())

    assert "cannot travel as data" in capture(Config).problems[0]


class Colour(enum.Enum):
    RED = 1


@dataclasses.dataclass
class Point:
    x: int
    y: int = 2
    tags: list[str] = dataclasses.field(default_factory=list)

    @property
    def both(self) -> int:
        return self.x + self.y

    @functools.cached_property
    def twice(self) -> int:
        return 2 * self.x

    @jf.remote(machine="nowhere")
    def far(self) -> int:
        return self.x


class Slots:
    __slots__ = ("a",)
    __private = 3

    def get(self) -> int:
        return self.__private


@pytest.mark.parametrize("kind", [Config, Colour, Point, Slots])
def test_ordinary_classes_have_no_state(kind: type) -> None:
    found = capture(kind)

    assert [] == found.problems
    assert {} == found.values
    assert f"{kind.__name__}." not in found.texts[kind.__name__]


# 6, 9


def use_point() -> tuple[int, int, int]:
    return Point(1).both, Point(2).twice, Point(3).far()


@others
def test_dataclasses_and_remote_methods_travel(other: Machine) -> None:
    assert (3, 4, 3) == other.call(use_point).result(60)


def use_builtins() -> int:
    import builtins
    import json

    return builtins.len(json.loads("[1]"))


@others
def test_modules_over_there_stay_what_they_are(other: Machine) -> None:
    import json

    assert [1, 2] == other.call(sorted, [2, 1]).result(60)
    assert "[1]" == other.call(json.dumps, [1]).result(60)
    assert 1 == other.call(use_builtins).result(60)


def test_method_that_was_replaced_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Slots, "get", lambda self: 1)

    assert ["`Slots`: its `get` was set after it was defined"] == capture(Slots).problems


# 7, 8


def use_submodules() -> str:
    return xml.etree.ElementTree.fromstring("<a/>").tag


@others
def test_submodules_are_imported(other: Machine, write: Any) -> None:
    write("mypkg/__init__.py", "")
    write("mypkg/sub/__init__.py", "")
    write("mypkg/sub/deep.py", "def mk():\n    return 7\n")
    write(
        "using.py",
        """
        import mypkg.sub.deep

        def by_chain():
            return mypkg.sub.deep.mk()

        def within():
            from mypkg.sub.deep import mk
            return mk()

        class C:
            @staticmethod
            def within():
                import mypkg.sub.deep as deep
                return deep.mk()
        """,
    )
    using = importlib.import_module("using")

    assert "a" == other.call(use_submodules).result(60)
    assert 7 == other.call(using.by_chain).result(60)
    assert 7 == other.call(using.within).result(60)
    assert 7 == other.call(using.C.within).result(60)


# 10


def test_rebinding_is_refused_in_words() -> None:
    count = 0

    def inc() -> int:
        nonlocal count
        count += 1
        return count

    assert ["`inc`: it rebinds `count` of the function around it"] == capture(inc).problems


_MARK = object()


def test_default_that_is_made_from_constants_stays_in_the_text() -> None:
    def find(
        text: str,
        pattern: re.Pattern[str] = re.compile("a+"),
        where: Path = Path("x"),
        mark: object = object(),
        known: object = _MARK,
    ) -> bool:
        return mark is not known and bool(pattern.match(text))

    found = capture(find)

    assert "re.compile('a+')" in found.text()
    assert "Path('x')" in found.text()
    assert "mark: object=object()" in found.text()
    assert "known: object=_MARK" in found.text()
    assert "_MARK = object()" in found.text()
    assert not found.problems
