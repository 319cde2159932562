"""`python -m local.core_tools`: Azure Functions Core Tools' `func start`, on LISTEN_PORT.

Core Tools take `Values` of local.settings.json as settings, and the real environment wins over them; the port they take
only from `--port` or `Host.LocalHttpPort`.
"""

import json
import os
import shutil
import sys
from pathlib import Path

from shared.environment import listen_address
from shared.settings import SettingsError

_FILE = "local.settings.json"


def main() -> None:
    """Become `func start`; exit with one sentence if that is not possible."""
    func = shutil.which("func")
    if func is None:
        sys.exit("There is no `func` on the PATH: install Azure Functions Core Tools, or serve with `make run`.")
    try:
        written = json.loads(Path(_FILE).read_text())
    except FileNotFoundError:
        sys.exit(f"There is no {_FILE}: copy {_FILE}.example, and set what you change.")
    except json.JSONDecodeError as error:
        sys.exit(f"{_FILE} is not JSON: {error}")
    try:
        _, port = listen_address(_default(written) | written.get("Values", {}) | os.environ)
    except SettingsError as error:
        sys.exit(str(error))
    # the interpreter of this environment, which has the packages
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    os.execve(func, [func, "start", "--port", str(port), *sys.argv[1:]], dict(os.environ) | {"PATH": path})  # noqa: S606


def _default(written: dict[str, dict[str, object]]) -> dict[str, str]:
    port = written.get("Host", {}).get("LocalHttpPort")
    return {} if port is None else {"LISTEN_PORT": str(port)}


if __name__ == "__main__":
    main()
