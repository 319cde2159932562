"""A program of Dozen, or this process, that waits long for a Valkey: on a busy machine it is slow, and not away.

A call of such a program waits as long for a place or a connection, so that a test can see who waits.

`python -m tests.patient server`, or `admin` with its arguments.
"""

import runpy
import sys

from shared import admission
from shared.cache import store
from shared.mongo import clients

SECONDS = 60.0


def be_patient() -> None:
    """Wait for a Valkey that is there; one that is killed is still known at once."""
    store._SECONDS = admission.WAIT_SECONDS = clients._WAIT_SECONDS = SECONDS


if __name__ == "__main__":
    be_patient()
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
