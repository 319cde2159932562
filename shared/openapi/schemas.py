"""Schemas as people and generators read them best: what msgspec says in more words than it takes (pure)."""

from typing import Any


def tidied(schema: Any) -> Any:
    """Return a schema that accepts the same: of one type where there were alternatives, arrays
    with their items, objects with their members.

    A member that may be null may be left out as well, so that null is no default worth saying.
    """
    if isinstance(schema, list):
        return [tidied(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    made = {name: tidied(value) for name, value in schema.items()}
    if made.get("default", ...) is None and isinstance(made.get("anyOf"), list):
        del made["default"]
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
