"""Cold start: the imports of a fresh process, and the time until a server has answered."""

import importlib.util
import subprocess
import sys
from dataclasses import dataclass
from statistics import median

from bench import machine
from bench.errors import BenchError
from bench.rivals import ROOT, Rival, Stable, environ

APP = "function_app"
BASE = "azure.functions, pymongo"

NATIVE = "dozen_transcode.writer, dozen_transcode.reader"

_TIMED = "import time; {}start = time.perf_counter(); import {}; print(time.perf_counter() - start)"


@dataclass(frozen=True)
class Imports:
    """Seconds that the imports took, in each round."""

    app: list[float]
    base: list[float]
    native: list[float]

    @property
    def app_ms(self) -> float:
        return median(self.app) * 1e3

    @property
    def native_ms(self) -> float | None:
        return median(self.native) * 1e3 if self.native else None

    @property
    def ratio(self) -> float:
        return median(mine / theirs for mine, theirs in zip(self.app, self.base, strict=True))


def measure_imports(rounds: int) -> Imports:
    """Import function_app, what it cannot do without and the native modules, each in fresh processes, in turns."""
    for modules in (APP, BASE):
        _import(modules)  # compiles, and warms the disk
    imports = Imports([], [], [])
    for _ in range(rounds):
        imports.app.append(_import(APP))
        imports.base.append(_import(BASE))
        if has_native():
            imports.native.append(_import(NATIVE, after=BASE))
    return imports


def has_native() -> bool:
    """Tell whether the native modules are installed, without which Dozen is measured as it is without them."""
    return importlib.util.find_spec("dozen_transcode") is not None


def measure_first_answers(stable: Stable, rivals: list[Rival], rounds: int) -> dict[str, list[float]]:
    """Return seconds from the start of the process to its first answered findOne, in turns.

    The few milliseconds that local.child needs before it becomes the server are in all of them.
    """
    seconds: dict[str, list[float]] = {rival.name: [] for rival in rivals}
    for _ in range(rounds):
        for rival in rivals:
            server = stable.start(rival)
            server.stop()
            seconds[rival.name].append(server.first_answer_s)
    return seconds


def _import(modules: str, after: str = "") -> float:
    # without PYTHONPATH: `-c` finds function_app in the working directory, as Azure's worker finds it in its own
    variables = environ("mongodb://127.0.0.1:1") | {"PYTHONPATH": ""}
    timed = _TIMED.format(after and f"import {after}; ", modules)
    command = [*machine.server_cores(), sys.executable, "-c", timed]
    ran = subprocess.run(command, env=variables, cwd=ROOT, capture_output=True, text=True, check=False)
    if ran.returncode:
        raise BenchError(f"import {modules} fails: {ran.stderr}")
    return float(ran.stdout)
