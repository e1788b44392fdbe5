"""Whatever happens in whatever order: each job runs once, and nothing is called what it is not.

A state machine drives real clients, a real store and real launch scripts against a batch system that errs,
links that break, files that lag and processes that die; after each step the store is compared with what
really happened. `JOBFERRY_FAULT_DENSITY` multiplies the number of examples.
"""

from __future__ import annotations

import os
from datetime import timedelta
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, rule

from jobferry.store import Store
from jobferry.testing import Fault
from jobferry.testing.fakesched.state import ENDED, RUNNING, WAITING
from tests.faults.chances import (
    CAUSES,
    KINDS,
    MOMENTS,
    WORDS,
    Injected,
    Kill,
    Trouble,
    faults,
    kills,
    picks,
    seldom,
    submit_faults,
    troubles,
)
from tests.faults.model import key_of
from tests.faults.world import World

DENSITY = float(os.environ.get("JOBFERRY_FAULT_DENSITY", "1"))


class Everything(World):
    """The world, and what can happen in it."""

    @initialize(
        accounting=st.sampled_from(["on", "on", "off", "down"]),
        clients=st.integers(1, 2),
        first=st.lists(seldom(submit_faults, 3), min_size=1, max_size=2),
    )
    def begin(self, accounting: str, clients: int, first: list[Injected | None]) -> None:
        self.make_world(accounting, clients)
        for number, fault in enumerate(first):
            self._submit(number, "0-1" if number else None, None, fault, None, None)

    # -- what clients do

    @rule(
        pick=picks,
        tasks=st.sampled_from([None, None, "0", "0-1", "3,7"]),
        after=seldom(st.tuples(picks, st.sampled_from(KINDS)), 3),
        fault=seldom(submit_faults, 4),
        trouble=troubles,
        kill=kills,
    )
    def submit(
        self,
        pick: int,
        tasks: str | None,
        after: tuple[int, str] | None,
        fault: Injected | None,
        trouble: Trouble,
        kill: Kill,
    ) -> None:
        self._submit(pick, tasks, after, fault, trouble, kill)

    def _submit(
        self,
        pick: int,
        tasks: str | None,
        after: tuple[int, str] | None,
        fault: Injected | None,
        trouble: Trouble,
        kill: Kill,
    ) -> None:
        if len(self._records) >= 4:
            return
        # jobs of one moment would stand in the order of their ids, which is another one each time
        self.clock.advance(0.001)
        options: dict[str, Any] = {} if tasks is None else {"array": tasks}
        if after is not None and self._records:
            options["after"] = f"{self._some(after[0])[0].id}:{after[1]}"
        if fault is not None:
            self.inject(fault)
        with self._acting(pick, trouble, kill) as (_, machine):
            machine.submit(self.cluster.script, **options)

    @rule(pick=picks, force=st.booleans(), trouble=troubles, kill=kills)
    def look(self, pick: int, force: bool, trouble: Trouble, kill: Kill) -> None:
        with self._acting(pick, trouble, kill) as (client, _):
            client.refresh(self._records, force=force)

    @rule(pick=picks)
    def look_when_settled(self, pick: int) -> None:
        self.clock.advance(31)
        with self._acting(pick, None) as (client, _):
            client.refresh(self._records, force=True)

    @rule(pick=picks, which=picks, trouble=troubles, kill=kills)
    def cancel(self, pick: int, which: int, trouble: Trouble, kill: Kill) -> None:
        records = self._some(which)
        self.truth.cancelled.update(record.id for record in records)
        with self._acting(pick, trouble, kill) as (client, _):
            client.cancel(records)

    @rule(pick=picks, which=picks, trouble=troubles, seconds=st.integers(1, 60))
    def wait(self, pick: int, which: int, trouble: Trouble, seconds: int) -> None:
        with self._acting(pick, trouble) as (client, _):
            client.wait(self._some(which), timedelta(seconds=seconds), notice=lambda _: None)

    @rule(pick=picks, which=picks, verb=st.sampled_from(["hold", "release"]))
    def hold_or_release(self, pick: int, which: int, verb: str) -> None:
        with self._acting(pick, None) as (client, _):
            getattr(client, verb)(self._some(which))

    # -- what jobs do

    @rule(
        which=picks,
        word=st.sampled_from(WORDS),
        cause=seldom(st.sampled_from(CAUSES), 3),
        again=st.booleans(),
    )
    def go_on(self, which: int, word: str, cause: str | None, again: bool) -> None:
        """Let the next thing happen to a job that has not ended."""
        numbers = self._numbers(WAITING) + self._numbers(RUNNING)
        if not numbers:
            return
        number = numbers[which % len(numbers)]
        job = self.cluster.truth[number]
        if job["phase"] == WAITING and cause == "CANCELLED":
            self.cluster.end(number, cause)
        elif job["phase"] == WAITING:
            # the node sees its own files
            self.files.show(key_of(job)[0])
            self.cluster.start(number)
        elif cause is None:
            self.truth.note_end(job, word)
            self.cluster.finish(number, word)
        else:
            again = again and cause in ("NODE_FAIL", "PREEMPTED")
            self.truth.note_end(job, f"{cause} and again" if again else cause)
            self.cluster.end(number, cause, requeue=again)

    @rule(which=picks, what=st.sampled_from(["forget", "forget", "forget all", "reuse", "start again"]))
    def age(self, which: int, what: str) -> None:
        """Let the next thing happen to a job that has ended."""
        numbers = self._numbers(ENDED)
        if not numbers:
            return
        number = numbers[which % len(numbers)]
        job = self.cluster.truth[number]
        if what == "start again":
            # what an administrator starts anew after its end was told stays told
            if not self.truth.is_final(key_of(job)):
                self.cluster.start_again(number)
        elif what == "reuse" and not job["in_queue"]:
            self.cluster.reuse_id(str(job["array"] or job["native_id"]))
        elif what != "reuse":
            self.cluster.change(number, in_queue=False, in_books=what == "forget")

    @rule()
    def deliver(self) -> None:
        self._note_delivered()

    def _note_delivered(self) -> None:
        for job in self.cluster.truth:
            if job["phase"] == RUNNING and job["cause"]:
                self.truth.note_end(job, job["cause"])
        self.cluster.deliver()

    # -- what the batch system does

    @rule(fault=faults)
    def inject(self, fault: Injected) -> None:
        kind, program, times, taken = fault
        self.cluster.inject(kind, program, times=times, taken=taken)

    @rule(fault=st.sampled_from([Fault.BANNER, Fault.ACCOUNTING_LAGS, Fault.RUNNING_AFTER_END]))
    def inject_lie(self, fault: Fault) -> None:
        self.cluster.inject(fault)

    @rule()
    def clear(self) -> None:
        self.cluster.clear()

    @rule(dead=st.booleans())
    def let_go(self, dead: bool) -> None:
        self.cluster.let_go(dead=dead)

    @rule(mode=st.sampled_from(["on", "down"]))
    def switch_accounting(self, mode: str) -> None:
        if self.cluster.accounting != "off":
            self.cluster.set_accounting("on" if mode == "on" else "down")

    @rule(which=picks, word=st.sampled_from(["QUANTUM_LEAP", "", ""]))
    def say(self, which: int, word: str) -> None:
        if self.cluster.truth:
            self.cluster.change(which % len(self.cluster.truth), word=word)

    # -- what time and files do

    @rule(seconds=st.sampled_from(MOMENTS))
    def advance(self, seconds: int) -> None:
        self.clock.advance(seconds)
        self.cluster.forget_old()

    @rule(which=picks, size=seldom(st.integers(0, 120), 2))
    def hide_records(self, which: int, size: int | None) -> None:
        for record in self._some(which):
            if size is None:
                self.files.hide(record.id)
            else:
                self.files.cut(record.id, size)

    @rule()
    def show_records(self) -> None:
        self.files.show()

    # -- what must hold

    @invariant()
    def store_agrees_with_the_truth(self) -> None:
        if hasattr(self, "truth"):
            self.truth.check(self._records)

    def teardown(self) -> None:
        if not hasattr(self, "cluster"):
            return
        try:
            self._heal()
            self.truth.check_end(self._records)
        finally:
            self.unmake_world()

    def _heal(self) -> None:
        self.cluster.clear()
        self.cluster.let_go()
        self.clock.advance(timedelta(hours=1))
        self.files.show()
        self.switch_accounting("on")
        self.places.append(self._new_place(Store(self.folder / "jobs.db")))
        self._note_delivered()
        for number in range(len(self.cluster.truth)):
            self.cluster.change(number, word="", held=False)
        for _ in range(14):
            for number in self._numbers(WAITING):
                self.cluster.start(number)
            for number in self._numbers(RUNNING):
                word = WORDS[number % len(WORDS)]
                self.truth.note_end(self.cluster.truth[number], word)
                self.cluster.finish(number, word)
            self.look_when_settled(-1)
            self.store_agrees_with_the_truth()
            if all(record.state.final for record in self._records) and not self._numbers(WAITING):
                return


TestEverything = Everything.TestCase
TestEverything.settings = settings(
    max_examples=int(60 * DENSITY),
    stateful_step_count=40,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
