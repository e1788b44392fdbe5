"""The local index of jobs: one SQLite file, safe against crashes, shared by any number of processes."""

from jobferry.store.database import StoreBusy
from jobferry.store.filters import Filters
from jobferry.store.jobs import Conflict, Store
from jobferry.store.machines import Trouble
from jobferry.store.place import default_store_path
from jobferry.store.sweeps import SweepRow, Swept, TakenMeanwhile, TaskRow

__all__ = ["Conflict", "Filters", "Store", "StoreBusy", "SweepRow", "Swept", "TakenMeanwhile", "TaskRow"]
__all__ += ["Trouble", "default_store_path"]
