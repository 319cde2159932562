"""Documents for a caller bound by rules: trimmed to what is visible, then cut to the caller's projection."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from shared.documents import replies
from shared.documents.ejson import Document
from shared.documents.elements import decoded_all
from shared.documents.rendered import values as stored_values
from shared.errors import InvalidParameterError, NoRoleError
from shared.rules import field_paths
from shared.rules.masks import WHOLE, Mask, cut
from shared.rules.projections import Projection, Slice, chosen_part, slice_of
from shared.rules.ruleset import Rights
from shared.rules.values import Path

_ROOT = "dozen_root"  # the whole document beside what a projection makes of it

type _Checked = tuple[list[dict[str, Any]], Iterable[Mask | None]]
"""Documents by which masks can be cut to a projection, and the mask of each."""


class Trimming:
    """Trims documents to what is visible, and cuts them to a projection.

    A projection that computes is MongoDB's to apply; the whole document comes along, so that the rules can decide.
    """

    def __init__(
        self, rights: Rights, plain: Projection | None, computed: Document, sent: Document, slices: Sequence[Slice] = ()
    ) -> None:
        """Take the parts of the projection that name fields and slice arrays, and the part that MongoDB computes."""
        self._rights = rights
        self._plain = plain
        self._computed = computed
        self._slices = slices
        self.sent = sent
        self.hidden = 0  # documents that no role shows, so far

    @classmethod
    def of(cls, projection: Document, rights: Rights) -> "Trimming":
        """Raise NoRoleError for a computed projection that could rename what the caller may not read."""
        if any(name.partition(".")[0] == _ROOT for name in projection):
            raise InvalidParameterError(f"projection: the name '{_ROOT}' is taken")
        computed = {name: value for name, value in projection.items() if isinstance(value, dict | list | str)}
        plain = {name: value for name, value in projection.items() if name not in computed}
        slices = {name: found for name, value in computed.items() if (found := slice_of(name, value)) is not None}
        matched = {name: value for name, value in computed.items() if name not in slices}
        if all(_is_element_match(name, value) for name, value in matched.items()):
            for value in matched.values():
                field_paths.of_filter({"part": value})
            sent = {_ROOT: "$$ROOT", **matched} if matched else {}
            if computed:
                return cls(rights, chosen_part(plain, slices, matched), matched, sent, tuple(slices.values()))
            return cls(rights, Projection(plain) if plain else None, {}, {})
        if not rights.shows_everything:
            raise NoRoleError("a projection that computes cannot be used with the rules of this collection")
        return cls(rights, None, {}, {_ROOT: "$$ROOT", **projection})

    @property
    def parts(self) -> set[Path]:
        """The arrays of which elements are matched: all of each must be readable."""
        return {(name,) for name in self._computed}

    @property
    def sliced(self) -> set[Path]:
        """The arrays of which some elements are returned, counted among those that are visible."""
        return {each.parts for each in self._slices}

    def visible(self, batch: bytes, used: Iterable[Path], form: replies.Format) -> Iterator[dict[str, Any]]:
        """Give what is visible of a batch of documents."""
        rendered = replies.rendered(batch, form)
        documents, masks = self._seen(batch, rendered, used, form) or self._decoded(batch, used)
        is_cut = self.sent or self._slices or self._plain is not None or self._rights.projection is not None
        for document, made, mask in zip(documents, rendered, masks, strict=True):
            if mask is WHOLE and not is_cut:
                yield made
            elif mask is not None:
                yield self._cut(document, made, mask)
            else:
                self.hidden += 1

    def _seen(
        self, batch: bytes, rendered: list[dict[str, Any]], used: Iterable[Path], form: replies.Format
    ) -> _Checked | None:
        """Let the rules decide on rendered documents, None if these do not tell them what the stored ones do."""
        projections = [each for each in (self._rights.projection, self._plain) if each is not None]
        if self.sent or self._slices or not all(each.part.is_by_name for each in projections):
            return None
        names = self._rights.names(used)
        values = None if names is None else stored_values(batch, rendered, names, form)
        return None if values is None else (rendered, self._rights.masks(rendered, values=values))

    def _decoded(self, batch: bytes, used: Iterable[Path]) -> _Checked:
        """Let the rules decide on the stored documents."""
        documents = decoded_all(batch)
        return documents, self._rights.masks([each[_ROOT] for each in documents] if self.sent else documents, used)

    def _cut(self, document: dict[str, Any], made: dict[str, Any], mask: Mask) -> dict[str, Any]:
        if self.sent:
            document, made = self._composed(document), self._composed(made)
            if isinstance(mask, dict):  # a mask for all elements of an array does not fit some of them
                mask = {name: WHOLE if name in self._computed else part for name, part in mask.items()}
        for projection in (self._rights.projection, self._plain, *self._slices):
            if projection is not None:
                document, made = cut(document, mask), cut(made, mask)
                mask = projection.mask(document)
        return made if mask is WHOLE else cut(made, mask)

    def _composed(self, sent: dict[str, Any]) -> dict[str, Any]:
        """Return the whole document with the requested parts of arrays, or what was computed of it."""
        members = dict(sent.items())
        root = members.pop(_ROOT)
        if not self._computed:
            return members
        return {name: members[name] if name in self._computed else value for name, value in root.items()
                if name not in self._computed or name in members}  # fmt: skip


def _is_element_match(name: str, value: Any) -> bool:
    if not isinstance(value, Mapping) or value.keys() != {"$elemMatch"}:
        return False
    if "." in name:
        raise InvalidParameterError("projection: $elemMatch cannot be used on a nested field")
    return True
