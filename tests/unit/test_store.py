from __future__ import annotations

import multiprocessing
import os
import resource
import shutil
import sqlite3
import stat
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from jobferry.conformance import StoreSuite
from jobferry.conformance.stores import NOW, in_state, make_records, with_tasks
from jobferry.errors import JobferryError, StoreError
from jobferry.model.identity import mint_ids
from jobferry.model.spec import JobSpec
from jobferry.model.status import JobState
from jobferry.store import Store, database, default_store_path
from jobferry.store.place import file_system

# children are forked before any thread of these tests starts, or after it has ended
pytestmark = pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
WORKER = Path(__file__).with_name("store_worker.py")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "jobs.db"


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    store = Store(path)
    yield store
    store.close()


class TestSqliteStore(StoreSuite):
    @pytest.fixture
    def store(self, tmp_path: Path) -> Iterator[Store]:
        store = Store(tmp_path / "jobs.db")
        yield store
        store.close()


class TestSqliteStoreOnNetworkDisk(StoreSuite):
    @pytest.fixture
    def store(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
        monkeypatch.setattr(database, "journal_mode", lambda path: "delete")
        store = Store(tmp_path / "jobs.db")
        yield store
        assert not (tmp_path / "jobs.db-wal").exists()
        store.close()


def start_worker(what: str, path: Path, number: int) -> subprocess.Popen[str]:
    argv = [sys.executable, str(WORKER), what, str(path), str(number)]
    return subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_nothing_happens_before_the_first_use(path: Path) -> None:
    Store(path).close()

    assert not path.parent.exists()


def test_only_the_owner_can_read_the_store(store: Store, path: Path) -> None:
    store.add(make_records(1))

    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()} == {0o600}


def test_a_folder_that_is_there_keeps_its_mode(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    store = Store(tmp_path / "jobs.db")
    store.find()
    store.close()

    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o755


def test_eight_processes_add_at_once(store: Store, path: Path) -> None:
    workers = [start_worker("add", path, 25) for _ in range(8)]
    outputs = [worker.communicate() for worker in workers]

    assert [errors for _, errors in outputs] == [""] * 8
    assert sorted(id for ids, _ in outputs for id in ids.split()) == sorted(store.find_ids())
    assert len(store.find()) == 200


def test_no_update_of_four_processes_is_lost(store: Store, path: Path) -> None:
    (record,) = make_records(1)
    store.add([record])

    workers = [start_worker("count", path, 20) for _ in range(4)]
    errors = [worker.communicate()[1] for worker in workers]

    assert errors == [""] * 4
    assert len(store.get(record.id).root) == 80
    assert store.get(record.id).revision == 80


def test_what_was_added_survives_a_kill(store: Store, path: Path) -> None:
    worker = start_worker("endless", path, 20)
    assert worker.stdout
    batches = [worker.stdout.readline().split() for _ in range(15)]
    worker.kill()
    batches += [
        line.split() for line in worker.communicate()[0].splitlines(keepends=True) if line[-1] == "\n"
    ]

    stored = store.find_ids()

    assert {id for batch in batches for id in batch} <= set(stored)
    assert len(stored) % 20 == 0
    with sqlite3.connect(path) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    connection.close()


def test_threads_share_a_store(store: Store) -> None:
    (record,) = make_records(1)
    store.add([record])

    def count() -> None:
        for _ in range(20):
            store.update(record.id, lambda found: replace(found, root=f"{found.root}+"))

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(store.get(record.id).root) == 80


def in_child(check: Callable[[], object]) -> str:
    """Run a check in a forked process; tell the class and message of what it raised, or ``fine``."""
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe()

    def run() -> None:
        try:
            check()
            theirs.send("fine")
        except JobferryError as exc:
            theirs.send(f"{type(exc).__name__}: {exc} ({exc.hint})")

    child = context.Process(target=run)
    child.start()
    theirs.close()
    answer: str = ours.recv() if ours.poll(60) else "silence"
    child.join()
    return answer


def test_a_forked_process_opens_the_store_for_itself(store: Store) -> None:
    first, second, third = make_records(3)
    store.add([first])

    assert in_child(lambda: store.add([second])) == "fine"

    store.add([third])
    assert [first, second, third] == store.find()


def as_nobody() -> None:
    if os.geteuid() == 0:
        os.setgid(65534)
        os.setuid(65534)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    # pytest's own folders are closed to others, and root writes everywhere: another user needs a place
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    folder.chmod(0o755)
    shutil.rmtree(folder)


def test_a_folder_that_cannot_be_written_is_an_error_of_the_store(open_folder: Path) -> None:
    open_folder.chmod(0o555)

    def use() -> None:
        as_nobody()
        Store(open_folder / "jobs.db").find()

    answer = in_child(use)

    assert answer.startswith(
        f"StoreError: the store {open_folder}/jobs.db cannot be created: Permission denied"
    )
    assert "JOBFERRY_STORE" in answer


def test_a_file_that_cannot_be_written_is_an_error_of_the_store(open_folder: Path) -> None:
    file = open_folder / "jobs.db"
    store = Store(file)
    store.add(make_records(1))
    store.close()
    file.chmod(0o444)
    open_folder.chmod(0o555)

    def use() -> None:
        as_nobody()
        Store(file).add(make_records(1, datetime.now(UTC)))

    answer = in_child(use)

    assert answer.startswith(f"StoreError: the store {file} cannot be used: ")
    assert "can be written" in answer


def test_a_full_disk_leaves_what_was_there(store: Store, path: Path) -> None:
    (record,) = make_records(1)
    store.add([record])
    store.close()

    def fill() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
        spec = JobSpec(command=("x" * 500_000,))
        store.add([replace(record, id=mint_ids(NOW)[0], spec=spec)])

    answer = in_child(fill)

    assert answer.startswith(f"StoreError: the store {path} cannot be used: ")
    assert [record] == store.find()


def test_a_folder_below_a_file_is_an_error_of_the_store(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(StoreError, match="cannot be created"):
        Store(tmp_path / "file" / "jobs.db").find()


@pytest.mark.parametrize("damage", [b"this is no database at all" * 100, b"SQLite format 3\0" + b"\7" * 5000])
def test_a_damaged_file_is_named_and_left_alone(path: Path, damage: bytes) -> None:
    path.parent.mkdir()
    path.write_bytes(damage)

    with pytest.raises(StoreError) as caught:
        Store(path).find()

    assert str(path) in caught.value.message
    assert caught.value.hint
    assert damage == path.read_bytes()
    assert [path] == list(path.parent.iterdir())


def test_damage_inside_is_found_when_it_is_met(path: Path) -> None:
    store = Store(path)
    store.add([replace(record, root="/x" * 500) for record in make_records(200)])
    store.close()
    whole = path.read_bytes()
    path.write_bytes(whole[:8192] + b"\xff" * (len(whole) - 8192))

    with pytest.raises(StoreError, match="is damaged") as caught:
        store.find()

    store.close()
    assert "mv " in (caught.value.hint or "")


def test_a_store_of_a_newer_release_is_left_alone(store: Store, path: Path) -> None:
    store.add(make_records(1))
    store.close()
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version=99")
    connection.close()
    before = path.read_bytes()

    with pytest.raises(StoreError, match="newer Jobferry") as caught:
        store.find()

    assert "upgrade" in (caught.value.hint or "")
    assert before == path.read_bytes()


def test_a_database_of_something_else_is_left_alone(path: Path) -> None:
    path.parent.mkdir()
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE theirs (a)")
    connection.close()
    before = path.read_bytes()

    with pytest.raises(StoreError, match="something else"):
        Store(path).find()

    assert before == path.read_bytes()


def test_a_record_that_cannot_be_read_is_named(store: Store, path: Path) -> None:
    (record,) = make_records(1)
    store.add([record])
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE jobs SET record = '{'")
    connection.close()

    with pytest.raises(StoreError, match=record.id):
        store.get(record.id)


def test_an_older_store_is_brought_up(store: Store, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    records = make_records(2)
    store.add(records)
    store.close()
    later = (*database.MIGRATIONS, ("ALTER TABLE jobs ADD COLUMN mood TEXT",))
    monkeypatch.setattr(database, "MIGRATIONS", later)

    assert records == store.find()

    with sqlite3.connect(path) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (len(later),)
    connection.close()


def test_a_locked_store_can_be_tried_again(store: Store, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "BUSY_SECONDS", 0.01)
    store.add(make_records(1))
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    with pytest.raises(StoreError) as caught:
        store.machines.note_room("narval", 3, NOW)

    other.close()
    assert caught.value.transient
    store.machines.note_room("narval", 3, NOW)


def test_a_commit_waits_for_the_disk(store: Store) -> None:
    store.find()
    with store._database.reading() as connection:
        assert connection.execute("PRAGMA synchronous").fetchone() == (2,)


def test_only_changed_tasks_are_written(store: Store) -> None:
    (plain,) = make_records(1)
    record = with_tasks(plain, *[JobState.QUEUED] * 50)
    store.add([record])
    with store._database.reading() as connection:
        before = connection.total_changes

    running = in_state(record, JobState.RUNNING).status
    changed = store.replace(replace(record, tasks={**record.tasks, 7: running}))

    with store._database.reading() as connection:
        # the job itself and one task
        assert connection.total_changes - before == 2
    assert changed == store.get(record.id)


def test_two_queries_read_any_number_of_jobs(store: Store) -> None:
    store.add([with_tasks(record, JobState.QUEUED) for record in make_records(20)])
    seen: list[str] = []
    with store._database.reading() as connection:
        connection.set_trace_callback(seen.append)

    store.find()

    assert sum(statement.startswith("SELECT") for statement in seen) == 2


def test_names_and_labels_that_are_not_text_are_found(store: Store) -> None:
    odd = b"caf\xe9".decode("utf-8", "surrogateescape")
    (record,) = make_records(1)
    record = replace(record, spec=replace(record.spec, name=odd, labels={odd: odd}))
    store.add([record])

    assert [record] == store.find(name_glob="caf*", labels={odd: odd})


def test_ended_threads_leave_no_open_files(store: Store) -> None:
    store.find()
    for _ in range(5):
        thread = threading.Thread(target=store.find)
        thread.start()
        thread.join()

    assert len(store._database._connections.by_thread) <= 2


MOUNTS = r"""/dev/sda1 / ext4 rw 0 0
server:/home /home nfs4 rw 0 0
/dev/sdb /home/me/local\040disk xfs rw 0 0
me@there: /home/me/there fuse.sshfs rw 0 0
scratch /scratch lustre rw 0 0
server:/x /opt nfs rw 0 0
/dev/sdc /opt ext4 rw 0 0
"""


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/var/jobs.db", "ext4"),
        ("/home/me/jobs.db", "nfs4"),
        ("/homes/jobs.db", "ext4"),
        ("/home/me/local disk/jobs.db", "xfs"),
        ("/home/me/there/jobs.db", "fuse.sshfs"),
        ("/scratch/me/jobs.db", "lustre"),
        ("/opt/jobs.db", "ext4"),
    ],
)
def test_the_file_system_of_a_path_is_found(path: str, expected: str) -> None:
    assert expected == file_system(Path(path), MOUNTS)


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"JOBFERRY_STORE": "/x/y.db", "XDG_DATA_HOME": "/data", "HOME": "/h"}, "/x/y.db"),
        ({"XDG_DATA_HOME": "/data", "HOME": "/h"}, "/data/jobferry/jobs.db"),
        ({"XDG_DATA_HOME": "relative", "HOME": "/h"}, "/h/.local/share/jobferry/jobs.db"),
        ({"HOME": "/h"}, "/h/.local/share/jobferry/jobs.db"),
    ],
)
def test_the_default_path_follows_the_environment(environ: dict[str, str], expected: str) -> None:
    assert Path(expected) == default_store_path(environ)
