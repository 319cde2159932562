"""The server, whose telemetry is sent ten times as often, so that a test waits half a second for it and not five."""

import os
import runpy

from shared.telemetry import backend


def send_telemetry_soon() -> None:
    """Shorten what the exporters of this process wait for; a deep run sees them as they are in production."""
    if os.environ.get("DEPTH") != "deep":
        backend.EXPORT_SECONDS, backend.NETWORK_SECONDS = 0.5, 1.0


if __name__ == "__main__":
    send_telemetry_soon()
    runpy.run_module("server", run_name="__main__", alter_sys=True)
