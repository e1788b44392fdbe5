"""The files a rigged Slurm is configured with. Pure text; nothing in /etc is read or written."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")


@dataclass(frozen=True, slots=True, kw_only=True)
class SlurmLayout:
    """Where everything of one rig is.

    Attributes:
        token: makes cluster and node names unique: with cgroups two rigs may not share a node name.
        user: who the daemons run as.
        cgroups: version 1 cgroups can be made here, so that OUT_OF_MEMORY is real.
        accounting: slurmdbd keeps accounts.
        extra: lines added to slurm.conf; a repeated key takes the later value.
    """

    directory: Path
    token: str
    host: str
    user: str
    controller_port: int
    database_port: int
    mysql_port: int
    node_ports: tuple[int, ...]
    cgroups: bool
    accounting: bool
    min_job_age: int
    max_array_size: int
    max_job_count: int
    enforce: str | None
    extra: tuple[str, ...]

    @property
    def cluster(self) -> str:
        return f"jf{self.token}"

    @property
    def nodes(self) -> tuple[str, ...]:
        return tuple(f"jf{self.token}n{number}" for number, _ in enumerate(self.node_ports, 1))

    @property
    def conf(self) -> Path:
        return self.directory / "etc" / "slurm.conf"

    @property
    def munge_socket(self) -> Path:
        return self.directory / "munge" / "munge.sock"

    @property
    def database(self) -> Path:
        """A folder that MariaDB's own user may write to, unlike the others."""
        return self.directory / "mysql"

    @property
    def mysql_socket(self) -> Path:
        return self.database / "mysql.sock"

    def pid_file(self, daemon: str) -> Path:
        """Give the pid file of munged, slurmctld, slurmdbd, mariadbd, or of a slurmd by its node's name."""
        folder = self.database if daemon == "mariadbd" else self.directory / "run"
        return folder / f"{daemon}.pid"


def slurm_conf(layout: SlurmLayout) -> str:
    sections = (
        _CLUSTER.format(
            d=layout.directory,
            cluster=layout.cluster,
            host=layout.host,
            user=layout.user,
            port=layout.controller_port,
            socket=layout.munge_socket,
            min_job_age=layout.min_job_age,
            max_job_count=layout.max_job_count,
            max_array_size=layout.max_array_size,
        ),
        _CGROUP_TASKS if layout.cgroups else _PLAIN_TASKS,
        _accounting(layout),
        *(f"{line}\n" for line in layout.extra),
        *(
            f"NodeName={node} NodeHostname={layout.host} NodeAddr=127.0.0.1 Port={port} CPUs=8"
            f" RealMemory=4000 Feature=f{number},x86 State=UNKNOWN\n"
            for number, (node, port) in enumerate(zip(layout.nodes, layout.node_ports, strict=True), 1)
        ),
        _PARTITIONS.format(all=",".join(layout.nodes), first=layout.nodes[0], last=layout.nodes[-1]),
    )
    return "".join(sections)


def _accounting(layout: SlurmLayout) -> str:
    if not layout.accounting:
        return "AccountingStorageType=accounting_storage/none\n"
    # AuthInfo is not used on the way to slurmdbd, hence the socket as password;
    # Enforce=none is fatal, so the line is left out instead
    return (
        "AccountingStorageType=accounting_storage/slurmdbd\n"
        "AccountingStorageHost=127.0.0.1\n"
        f"AccountingStoragePort={layout.database_port}\n"
        f"AccountingStoragePass={layout.munge_socket}\n"
    ) + (f"AccountingStorageEnforce={layout.enforce}\n" if layout.enforce else "")


def slurmdbd_conf(layout: SlurmLayout) -> str:
    return f"""\
AuthType=auth/munge
AuthInfo=socket={layout.munge_socket}
DbdAddr=127.0.0.1
DbdHost={layout.host}
DbdPort={layout.database_port}
SlurmUser={layout.user}
PidFile={layout.pid_file("slurmdbd")}
LogFile={layout.directory}/log/slurmdbd.log
DebugLevel=info
CommitDelay=0
StorageType=accounting_storage/mysql
StorageHost=127.0.0.1
StoragePort={layout.mysql_port}
StorageUser=slurm
StoragePass=slurm
StorageLoc=slurm
"""


CGROUP_CONF = f"""\
CgroupPlugin=cgroup/v1
CgroupMountpoint={CGROUPS}
CgroupAutomount=no
ConstrainRAMSpace=yes
ConstrainSwapSpace=no
ConstrainCores=no
AllowedRAMSpace=100
"""

# batch_sched_delay=0: the default holds every job back for 3 s
_CLUSTER = """\
ClusterName={cluster}
SlurmctldHost={host}(127.0.0.1)
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={socket}
CredType=cred/munge
SlurmctldPort={port}
SlurmctldPidFile={d}/run/slurmctld.pid
SlurmdPidFile={d}/run/%n.pid
StateSaveLocation={d}/state
SlurmdSpoolDir={d}/spool/%n
SlurmctldLogFile={d}/log/slurmctld.log
SlurmdLogFile={d}/log/%n.log
SlurmctldDebug=info
SlurmdDebug=info
SwitchType=switch/none
MpiDefault=none
ReturnToService=2
SlurmctldTimeout=10
SlurmdTimeout=5
InactiveLimit=0
MinJobAge={min_job_age}
KillWait=2
OverTimeLimit=0
BatchStartTimeout=10
CompleteWait=0
MessageTimeout=10
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
KillOnBadExit=0
EnforcePartLimits=ANY
MaxJobCount={max_job_count}
MaxArraySize={max_array_size}
SchedulerType=sched/backfill
SchedulerParameters=batch_sched_delay=0,bf_interval=5
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
SlurmdParameters=config_overrides
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
JobRequeue=1
RequeueExit=87
RequeueExitHold=88,90-91
RebootProgram=/bin/true
JobCompType=jobcomp/none
"""

_CGROUP_TASKS = """\
ProctrackType=proctrack/cgroup
TaskPlugin=task/cgroup
JobAcctGatherType=jobacct_gather/cgroup
JobAcctGatherFrequency=task=1
"""

_PLAIN_TASKS = """\
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill
"""

_PARTITIONS = """\
PartitionName=DEFAULT MaxTime=INFINITE DefMemPerCPU=100 State=UP PriorityTier=10
PartitionName=debug Nodes={all} Default=YES DefaultTime=10:00
PartitionName=short Nodes={all} MaxTime=2
PartitionName=low Nodes={last} PriorityTier=1 PreemptMode=CANCEL GraceTime=0
PartitionName=lowrq Nodes={last} PriorityTier=1 PreemptMode=REQUEUE GraceTime=0
PartitionName=high Nodes={last} PriorityTier=100 PreemptMode=OFF
PartitionName=down Nodes={first} State=DOWN
"""
