"""Compares native code with Python on any number of random documents and bodies: `make fuzz-native N=1000000 SEED=3`.

The code is compiled for this alone, so that it ends at a read or write beyond its memory and at undefined behaviour.
"""

import argparse
import os
import shutil
import subprocess
import sys
import sysconfig
import time
from pathlib import Path
from random import Random

from shared.documents import transcoder
from tests import stored_bodies
from tests.hosts import ROOT
from tests.native import Documents, agree

SOURCES = ROOT / "native" / "dozen_transcode"
BUILT = ROOT / "native" / "build" / "sanitized"
COMPILER = os.environ.get("CXX", "c++")
OPTIONS = (
    "-std=c++17", "-O1", "-g", "-fno-omit-frame-pointer", "-shared", "-fPIC",
    "-fsanitize=address,undefined", "-fno-sanitize-recover=all",
)  # fmt: skip
ENVIRONMENT = {
    "PYTHONPATH": f"{BUILT}{os.pathsep}{ROOT}",
    "PYTHONMALLOC": "malloc",  # every object has ends of its own
    "ASAN_OPTIONS": "detect_leaks=0",  # the interpreter frees nothing at its end
}
CASES_AT_ONCE = 10_000


def main() -> int:
    """Compile, and compare in a process that has the sanitizers; return its exit code."""
    parser = argparse.ArgumentParser(prog="tests.native_fuzz")
    parser.add_argument("--cases", type=int, default=200_000)
    parser.add_argument("--seed", default="0")
    parser.add_argument("--compiled", action="store_true", help="compare with the code that is there")
    options = parser.parse_args()
    if options.compiled:
        return _compare(options.seed, options.cases)
    _compile()
    command = [sys.executable, "-m", "tests.native_fuzz", "--compiled", f"--seed={options.seed}"]
    runtime = subprocess.run([COMPILER, "-print-file-name=libasan.so"], capture_output=True, text=True, check=True)
    env = os.environ | ENVIRONMENT | {"LD_PRELOAD": runtime.stdout.strip()}
    return subprocess.run([*command, f"--cases={options.cases}"], env=env, cwd=ROOT, check=False).returncode


def _compile() -> None:
    package = BUILT / SOURCES.name
    shutil.rmtree(package, ignore_errors=True)
    package.mkdir(parents=True)
    shutil.copy(SOURCES / "__init__.py", package)
    for source in sorted(SOURCES.glob("*.pyx")):
        code = package / f"{source.stem}.cpp"
        module = package / f"{source.stem}{sysconfig.get_config_var('EXT_SUFFIX')}"
        subprocess.run([sys.executable, "-m", "cython", "--cplus", source, "-o", code], check=True)
        include = f"-I{sysconfig.get_path('include')}"
        subprocess.run([COMPILER, *OPTIONS, include, code, "-o", module], check=True)


def _compare(seed: str, cases: int) -> int:
    _, writer, reader = transcoder.load("auto")
    if writer is None or reader is None or not Path(getattr(writer, "__file__", "")).is_relative_to(BUILT):
        _say("the code that was compiled cannot be loaded")
        return 1
    started, whole, read, bodies = time.monotonic(), 0, 0, stored_bodies.cases(seed)
    for case in range(cases):
        made = Documents(Random(f"{seed} {case}"))
        batch = made.batch()
        damaged, cut = made.damaged(batch), made.ending_early()
        try:
            agree(writer, batch, is_usual=True)
            agree(writer, damaged)
            agree(writer, cut)
            read += stored_bodies.is_read(reader, next(bodies))
        except Exception as error:  # noqa: BLE001  that Python raises is a difference too
            _say(f"seed {seed}, case {case}: {type(error).__name__}: {error}")
            return 1
        whole += writer.batch(damaged, "JSON") is not None
        if (case + 1) % CASES_AT_ONCE == 0:
            _say(f"{case + 1} of {cases}, {(case + 1) / (time.monotonic() - started):.0f} a second")
    _say(f"{cases} batches and {cases} damaged ones, {whole} of which were still documents: no difference")
    _say(f"{cases} bodies, {read} of which were read: no difference")
    return 0


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201


if __name__ == "__main__":
    sys.exit(main())
