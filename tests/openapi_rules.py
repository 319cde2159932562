"""Whether a document is one of OpenAPI.

What tells it takes seconds to import, for grammars that nobody needs here, so it is imported by who asks: else each
worker would, to collect its tests.
"""

from typing import Any, Literal


def mistakes(document: dict[str, Any], version: Literal["2.0", "3.1"] = "3.1") -> list[str]:
    """Return what is wrong with a document of OpenAPI."""
    import openapi_spec_validator as rules  # noqa: PLC0415

    validator = {"2.0": rules.OpenAPIV2SpecValidator, "3.1": rules.OpenAPIV31SpecValidator}[version]
    return [each.message for each in validator(document).iter_errors()]
