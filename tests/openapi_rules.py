"""Whether a document is one of OpenAPI, and a value one of a schema.

What tells it takes seconds to import, for grammars that nobody needs here, so it is imported by who asks: else each
worker would, to collect its tests.
"""

import json
from typing import Any, Literal


def mistakes(document: dict[str, Any], version: Literal["2.0", "3.1"] = "3.1") -> list[str]:
    """Return what is wrong with a document of OpenAPI."""
    import openapi_spec_validator as rules  # noqa: PLC0415

    validator = {"2.0": rules.OpenAPIV2SpecValidator, "3.1": rules.OpenAPIV31SpecValidator}[version]
    return [each.message for each in validator(document).iter_errors()]


def errors(schema: dict[str, Any], value: Any, whole: dict[str, Any]) -> list[str]:
    """Return what keeps a value from following a schema of a document."""
    from jsonschema import Draft202012Validator  # type: ignore[import-untyped]  # noqa: PLC0415
    from referencing import Registry, Resource  # noqa: PLC0415
    from referencing.jsonschema import DRAFT202012  # noqa: PLC0415

    registry: Registry[Any] = Registry().with_resource("urn:api", Resource.from_contents(whole, DRAFT202012))
    absolute = json.loads(json.dumps(schema).replace('"#/', '"urn:api#/'))
    return [each.message for each in Draft202012Validator(absolute, registry=registry).iter_errors(value)]
