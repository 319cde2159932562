"""The permissions of single fields as they are written: `fields` and `additional_fields` of a role."""

from collections.abc import Mapping

from shared.rules.expressions import Expression


class FieldRule:
    """Who may read and write a field; its own permission covers all that is inside, else its inner fields count."""

    __slots__ = ("fields", "read", "write")

    def __init__(
        self, read: Expression | None, write: Expression | None, fields: "Mapping[str, FieldRule] | None" = None
    ) -> None:
        """Keep what is compiled; None stands for a permission that is not set."""
        self.read = read
        self.write = write
        self.fields = fields or {}

    @property
    def is_own(self) -> bool:
        """Whether the field has a permission of its own."""
        return self.read is not None or self.write is not None

    @property
    def is_constant(self) -> bool:
        """Whether it is the same for every caller and document who may read the field."""
        if not self.is_own:
            return not self.fields
        given = [each.constant for each in (self.read, self.write) if each is not None]
        return True in given or None not in given
