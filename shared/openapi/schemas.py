"""Schemas as people and generators read them best: what msgspec says in more words than it takes (pure)."""

from collections.abc import Mapping
from typing import Any

REFERENCE = "#/components/schemas/{name}"
ANY_OBJECT: Mapping[str, Any] = {"type": "object", "additionalProperties": True}


def tidied(schema: Any) -> Any:
    """Return a schema that accepts the same: of one type where there were alternatives, arrays
    with their items, objects with their members.

    No default is said: it is what a member that is left out means, and generators take a member that has one for
    required.
    """
    if isinstance(schema, list):
        return [tidied(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    made = {name: tidied(value) for name, value in schema.items()}
    if "type" in made or "anyOf" in made:  # a schema, not the members of one
        made.pop("default", None)
    if made.get("type") == "array":
        made.setdefault("items", {})
    if made.get("type") == "object" and "properties" not in made:
        made.setdefault("additionalProperties", True)  # else generators take it for an object without members
    alternatives = made.get("anyOf")
    if not isinstance(alternatives, list):
        return made
    if {} in alternatives:  # anything
        del made["anyOf"]
    elif all(each.keys() == {"type"} for each in alternatives):
        del made["anyOf"]
        kinds = [each["type"] for each in alternatives]
        kinds = [each for each in kinds if each != "integer" or "number" not in kinds]
        made["type"] = kinds if len(kinds) > 1 else kinds[0]
    return made
