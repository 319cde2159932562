"""The machine's cores: which one the measured server has, and how busy it was."""

import os
import platform
import shutil
from pathlib import Path

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


def server_cores() -> list[str]:
    """Return the words that put a command on the first core, or none where that cannot be."""
    return ["taskset", "-c", str(_cores()[0])] if _can_pin() else []


def leave_server_core() -> str:
    """Move this process, and so its wrk and mongod, off the servers' core; say what was done."""
    if not _can_pin():
        return "not pinned: there is one core only, or no taskset, so server, wrk and mongod compete"
    first, *others = _cores()
    os.sched_setaffinity(0, others)
    return f"pinned: the servers on core {first}, wrk and mongod on {', '.join(map(str, others))}"


def describe() -> str:
    """Name the processor and the versions that matter."""
    model = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    processor = model[0].partition(":")[2].strip() if model else platform.processor()
    return f"{processor}, {os.cpu_count()} cores, {platform.system()} {platform.release()}"


def cpu_seconds(pids: list[int]) -> float:
    """Return the processor time that these processes have used."""
    return sum(_ticks(pid) for pid in pids) / _TICKS_PER_S


def resident_mb(pid: int) -> float:
    """Return the resident memory of a process in MB (of a million bytes)."""
    return _memory_mb(pid, "VmRSS")


def peak_mb(pid: int) -> float:
    """Return the most that it has been."""
    return _memory_mb(pid, "VmHWM")


def _memory_mb(pid: int, name: str) -> float:
    status = Path(f"/proc/{pid}/status").read_text().splitlines()
    kib = next(int(line.split()[1]) for line in status if line.startswith(f"{name}:"))
    return kib * 1024 / 1e6


def family(pid: int) -> list[int]:
    """Return a process and its descendants: Gunicorn's worker does the work, its parent only waits."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(member for child in children for member in family(int(child)))]


_ALL_CORES = sorted(os.sched_getaffinity(0))


def _cores() -> list[int]:
    return _ALL_CORES


def _can_pin() -> bool:
    return len(_cores()) > 1 and shutil.which("taskset") is not None


def _ticks(pid: int) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])  # utime and stime
