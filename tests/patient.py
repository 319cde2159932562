"""A program of Dozen, or this process, that waits long for a Valkey: on a busy machine it is slow, and not away.

`python -m tests.patient server`, or `admin` with its arguments.
"""

import runpy
import sys

from shared.cache import store

SECONDS = 60.0


def be_patient() -> None:
    """Wait for a Valkey that is there; one that is killed is still known at once."""
    store._SECONDS = SECONDS


if __name__ == "__main__":
    be_patient()
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
