"""What other processes do to a store: `python store_worker.py add|count|endless PATH N`."""

from __future__ import annotations

import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from jobferry.conformance.stores import make_records
from jobferry.model.record import JobRecord
from jobferry.store import Store


def main(what: str, path: str, number: str) -> None:
    """Do it, and print ids as they are safe."""
    store = Store(Path(path))
    if what == "add":
        for _ in range(int(number)):
            _add(store, 1)
    elif what == "count":
        (id,) = store.find_ids()
        for _ in range(int(number)):
            store.update(id, _one_more)
    elif what == "endless":
        while True:
            _add(store, int(number))
    store.close()


def _add(store: Store, count: int) -> None:
    records = make_records(count, datetime.now(UTC))
    store.add(records)
    print(*(record.id for record in records), flush=True)


def _one_more(record: JobRecord) -> JobRecord:
    return replace(record, root=f"{record.root}+")


if __name__ == "__main__":
    main(*sys.argv[1:])
