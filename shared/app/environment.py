"""The values and the environment of an app: what `%%values` and `%%environment` mean."""

from collections.abc import Mapping
from typing import Any

from shared.app.files import Files, typed
from shared.app.secrets import secret
from shared.rules.compiler.operands import Constants

_NO_ENVIRONMENT = "no-environment"


def read_constants(files: Files, tag: str, secrets: Mapping[str, str]) -> tuple[str, Constants]:
    """Return the environment's name and the constants; the files that are read later have its templates filled in."""
    path = files.root / "environments" / f"{tag or _NO_ENVIRONMENT}.json"
    environment: dict[str, Any] = {"tag": tag, "values": {}}
    if tag and not path.is_file():
        files.report(path).warning(f"there is no file for the environment '{tag}', so it has no values")
    environment["values"] = typed(files.object(path), "values", dict, files.report(path), {})
    files.environment = environment
    values: dict[str, Any] = {}
    for file in files.json_files(files.root / "values"):
        source, report = files.object(file), files.report(file)
        name = typed(source, "name", str, report, file.stem)
        if typed(source, "from_secret", bool, report, False):
            values[name] = secret(typed(source, "value", str, report, name), secrets, report.at("value"))
        else:
            values[name] = source.get("value")
    return tag, Constants(values, environment)
