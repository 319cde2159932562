"""One run at a time in a data directory."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from local.errors import LocalError


@contextmanager
def exclusive(data_dir: Path, address: str) -> Iterator[None]:
    """Hold the data directory; the system releases it when this process ends, however it ends."""
    data_dir.mkdir(parents=True, exist_ok=True)
    with (data_dir / "lock").open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            holder, _, serving = file.read().strip().partition(" ")
            where = f"Another run uses {data_dir}, process {holder or 'unknown'} for {serving or 'an unknown address'}"
            raise LocalError(f"{where}: stop it first with Ctrl-C, or with `kill {holder}`.") from None
        file.truncate(0)
        file.write(f"{os.getpid()} {address}")
        file.flush()
        yield
