"""One run at a time in a data directory."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from local.errors import LocalError


@contextmanager
def exclusive(data_dir: Path) -> Iterator[None]:
    """Hold the data directory; the system releases it when this process ends, however it ends."""
    data_dir.mkdir(parents=True, exist_ok=True)
    with (data_dir / "lock").open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            holder = file.read().strip() or "unknown"
            raise LocalError(f"Another run uses {data_dir} (process {holder}); stop it first with Ctrl-C.") from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield
