"""Records to try things on, plain and arbitrary."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePosixPath

from hypothesis import strategies as st

from jobferry.model.identity import mint_ids
from jobferry.model.machine import Machine, MachineFacts
from jobferry.model.record import JobRecord
from jobferry.model.retry import CAUSES, parse_rule
from jobferry.model.spec import (
    Array,
    Dependency,
    DependencyKind,
    Input,
    JobSpec,
    Resources,
)
from jobferry.model.status import Failure, JobState, JobStatus
from jobferry.model.submission import Attempt, Submission
from jobferry.model.warning import WarningSignal

NOW = datetime(2026, 5, 4, 12, 30, 15, 250_000, tzinfo=UTC)


def plain_record(id: str, name: str = "job", machine: str = "narval", at: datetime = NOW) -> JobRecord:
    """Make a small record."""
    spec = JobSpec(command=("true",), name=name)
    return JobRecord(id=id, spec=spec, machine=Machine(name=machine), created_at=at)


def plain_records(count: int, at: datetime = NOW) -> list[JobRecord]:
    """Make many small records, in the order of their ids."""
    return [plain_record(id, at=at) for id in mint_ids(at, count)]


TEXTS = st.text(st.characters(blacklist_characters="\0", blacklist_categories=["Cs"]), max_size=12)
WORDS = st.text(st.characters(whitelist_categories=["L", "N"]), min_size=1, max_size=8)
LINES = st.lists(TEXTS, max_size=3).map(tuple)
COUNTS = st.none() | st.integers(1, 10**6)
MOMENTS = st.datetimes(datetime(1971, 1, 1), datetime(2400, 1, 1), timezones=st.just(UTC))
DURATIONS = st.timedeltas(timedelta(seconds=1), timedelta(days=36_000))
RELATIVE = st.lists(WORDS, min_size=1, max_size=3).map(lambda parts: PurePosixPath(*parts))
LABELS = st.dictionaries(WORDS, TEXTS, max_size=2)
ENVIRONMENTS = st.dictionaries(st.sampled_from(["A", "PATH", "_x9"]), TEXTS)


@st.composite
def resources(draw: st.DrawFn) -> Resources:
    """Make any resources the model accepts."""
    per_node = draw(st.none() | st.integers(1, 8))
    memory = draw(st.none() | st.integers(1, 2**50))
    by_cpu = draw(st.booleans())
    return Resources(
        nodes=draw(COUNTS),
        ntasks=draw(COUNTS),
        cpus_per_task=draw(COUNTS),
        gpus_per_node=per_node,
        gpu_type=draw(st.none() | WORDS) if per_node else None,
        mem=None if by_cpu else memory,
        mem_per_cpu=memory if by_cpu else None,
        time=draw(st.none() | DURATIONS),
        account=draw(st.none() | WORDS),
        qos=draw(st.none() | WORDS),
        exclusive=draw(st.none() | st.booleans()),
    )


INPUTS = st.builds(
    Input, source=st.lists(WORDS, max_size=3).map(lambda parts: Path("/", *parts)), destination=RELATIVE
)
ARRAYS = st.builds(
    Array,
    indices=st.lists(st.integers(0, 5000), min_size=1, max_size=20, unique=True).map(
        lambda n: tuple(sorted(n))
    ),
    limit=st.none() | st.integers(1, 99),
)


RULES = st.sampled_from(["3:same", "1:mem*2", "9:mem_per_cpu*1.25<=64G", "2:time*1.5<=2-00:00:00"])
RETRIES = st.dictionaries(st.sampled_from(CAUSES), RULES, max_size=3).map(
    lambda rules: {cause: parse_rule(cause, rule) for cause, rule in rules.items()}
)


@st.composite
def specs(draw: st.DrawFn) -> JobSpec:
    """Make any job the model accepts."""
    by_script = draw(st.booleans())
    return JobSpec(
        command=() if by_script else draw(st.lists(TEXTS, min_size=1, max_size=3).map(tuple)),
        script=draw(TEXTS) if by_script else None,
        arguments=draw(LINES) if by_script else (),
        name=draw(WORDS),
        resources=draw(resources()),
        environment=draw(ENVIRONMENTS),
        setup=draw(LINES),
        teardown=draw(LINES),
        launcher=draw(st.none() | WORDS),
        inputs=draw(st.lists(INPUTS, max_size=2).map(tuple)),
        outputs=draw(st.lists(WORDS, max_size=2).map(tuple)),
        directory=draw(st.none() | RELATIVE),
        array=draw(st.none() | ARRAYS),
        dependencies=draw(
            st.lists(st.builds(Dependency, job_id=WORDS, kind=st.sampled_from(DependencyKind))).map(tuple)
        ),
        signal=draw(st.none() | st.builds(WarningSignal, name=WORDS, before=DURATIONS)),
        retry=draw(RETRIES),
        labels=draw(LABELS),
        native=draw(st.lists(WORDS, max_size=2).map(tuple)),
    )


STATUSES = st.builds(
    JobStatus,
    state=st.sampled_from(JobState),
    native_state=st.none() | TEXTS,
    reason=st.none() | TEXTS,
    exit_code=st.none() | st.integers(0, 255),
    signal=st.none() | st.integers(1, 64),
    failure=st.none() | st.sampled_from(Failure),
    started_at=st.none() | MOMENTS,
    ended_at=st.none() | MOMENTS,
    nodes=LINES,
    restarts=st.integers(0, 9),
    observed_at=st.none() | MOMENTS,
    missing_since=st.none() | MOMENTS,
    misses=st.integers(0, 9),
)
MACHINES = st.builds(
    Machine,
    name=WORDS,
    host=st.none() | WORDS,
    scheduler=st.none() | WORDS,
    account=st.none() | WORDS,
    setup=LINES,
    poll_interval=st.none() | DURATIONS,
    defaults=resources(),
)
FACTS = st.builds(
    MachineFacts,
    scheduler=WORDS,
    root=TEXTS,
    max_array_size=st.none() | st.integers(0, 10**9),
    accounting=st.booleans(),
    partitions=LINES,
    limits=LABELS,
    probed_at=st.none() | MOMENTS,
)
SUBMISSIONS = st.builds(
    Submission,
    number=st.integers(1, 99),
    run=st.integers(1, 99),
    tasks=st.just(()) | ARRAYS.map(lambda array: array.indices),
    offset=st.integers(0, 10**6),
    resources=st.none() | resources(),
    exclude=LINES,
    native_id=st.none() | TEXTS,
    twins=LINES,
    attempt=st.integers(1, 9),
    owner=TEXTS,
    claimed_at=st.none() | MOMENTS,
    sent=st.booleans(),
    waits=st.none() | TEXTS,
    doubted_since=st.none() | MOMENTS,
    submitted_at=st.none() | MOMENTS,
)
ATTEMPTS = st.builds(
    Attempt,
    run=st.integers(1, 9),
    task=st.none() | st.integers(0, 10**6),
    native_id=st.none() | TEXTS,
    status=STATUSES,
)
RECORDS = st.builds(
    JobRecord,
    id=WORDS,
    spec=specs(),
    machine=MACHINES,
    root=TEXTS,
    status=STATUSES,
    tasks=st.dictionaries(st.integers(0, 10**6), STATUSES, max_size=3),
    submissions=st.lists(SUBMISSIONS, min_size=1, max_size=3).map(tuple),
    attempts=st.lists(ATTEMPTS, max_size=2).map(tuple),
    placed=st.booleans(),
    created_at=MOMENTS,
    cancelled_at=st.none() | MOMENTS,
    revision=st.integers(0, 99),
)
