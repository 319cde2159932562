"""Documents for a caller bound by rules, trimmed to what is visible and cut to the caller's projection."""

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from shared.documents import replies
from shared.documents.ejson import Document
from shared.documents.elements import decoded_all, elements
from shared.documents.rendered import values as stored_values
from shared.errors import InvalidParameterError
from shared.rules import field_paths
from shared.rules.masks import WHOLE, Mask, cut
from shared.rules.projections import Projection, Slice, Slices, chosen_part, slice_of
from shared.rules.values import Path

if TYPE_CHECKING:
    from shared.rules.ruleset import Rights

_ROOT = "dozen_root"  # the whole document beside what a projection makes of it

type _Checked = tuple[list[dict[str, Any]], Iterable[Mask | None]]
"""Documents by which masks can be cut to a projection, and the mask of each."""


class Trimming:
    """Trims documents to what is visible, and cuts them to a projection of the caller's.

    Elements of arrays are matched by MongoDB; the whole document comes along, so that the rules can decide.
    """

    def __init__(
        self, rights: "Rights", plain: Projection | None, matched: Document, slices: Mapping[str, Slice]
    ) -> None:
        """Take the parts of the projection that name fields, that match elements of arrays and that slice arrays."""
        self._rights = rights
        self._plain = plain
        self._matched = matched
        self._slices = Slices(slices) if slices else None
        self.sent: Document = {_ROOT: "$$ROOT", **matched} if matched else {}
        self.hidden = 0  # documents that no role shows, so far

    @classmethod
    def of(cls, projection: Document, rights: "Rights") -> "Trimming | None":
        """Return how a projection cuts documents; None for one that computes, which is MongoDB's."""
        if any(name.partition(".")[0] == _ROOT for name in projection):
            raise InvalidParameterError(f"projection: the name '{_ROOT}' is taken")
        others = {name: value for name, value in projection.items() if isinstance(value, dict | list | str)}
        plain = {name: value for name, value in projection.items() if name not in others}
        if not others:
            return cls(rights, Projection(plain) if plain else None, {}, {})
        slices = {name: found for name, value in others.items() if (found := slice_of(value)) is not None}
        matched = {name: value for name, value in others.items() if _is_element_match(name, value)}
        if len(slices) + len(matched) == len(others):
            for value in matched.values():
                field_paths.of_filter({"part": value})
            return cls(rights, chosen_part(plain, slices, matched), matched, slices)
        if slices or matched:
            raise InvalidParameterError(
                "projection: where rules apply, $slice and $elemMatch cannot stand beside what is computed"
            )
        return None

    @property
    def is_by_name(self) -> bool:
        """Whether the projection, if there is one, names fields and nothing else."""
        return not self.sent and self._slices is None

    @property
    def parts(self) -> set[Path]:
        """The arrays of which elements are matched: all of each must be readable."""
        return {(name,) for name in self._matched}

    @property
    def sliced(self) -> set[Path]:
        """The arrays of which some elements are returned, counted among those that are visible."""
        return set() if self._slices is None else self._slices.paths

    def visible(self, batch: bytes, used: Iterable[Path], form: replies.Format) -> Iterator[bytes | None]:
        """Give what is visible of each document of a batch, as text, which is less than objects."""
        rendered = replies.rendered(batch, form)
        documents, masks = self._seen(batch, rendered, used, form) or self._decoded(batch, used)
        is_cut = self.sent or self._slices or self._plain is not None or self._rights.projection is not None
        for document, made, mask in zip(documents, rendered, masks, strict=True):
            if mask is WHOLE and not is_cut:
                yield replies.text(made)
            elif mask is not None:
                yield replies.text(self._cut(document, made, mask))
            else:
                self.hidden += 1
                yield None

    @staticmethod
    def root(sent: bytes) -> bytes:
        """Return the whole document of one that was sent by `sent`."""
        return elements(sent)[_ROOT].value

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
                mask = {name: WHOLE if name in self._matched else part for name, part in mask.items()}
        for projection in (self._rights.projection, self._plain, self._slices):
            if projection is not None:
                document, made = cut(document, mask), cut(made, mask)
                mask = projection.mask(document)
        return made if mask is WHOLE else cut(made, mask)

    def _composed(self, sent: dict[str, Any]) -> dict[str, Any]:
        """Return the whole document with the requested parts of arrays."""
        root: dict[str, Any] = sent.get(_ROOT, {})  # what is rendered may hide its keys from []
        return {name: sent.get(name) if name in self._matched else value for name, value in root.items()
                if name not in self._matched or name in sent}  # fmt: skip

    def projected(self, batch: bytes, form: replies.Format) -> list[bytes]:
        """Return what is visible already of a batch of documents, cut to the caller's projection, each as text."""
        rendered = replies.rendered(batch, form)
        cuts = [each for each in (self._plain, self._slices) if each is not None]
        if not cuts:
            return [replies.text(made) for made in rendered]
        found = []
        for document, made in zip(decoded_all(batch), rendered, strict=True):
            for each in cuts:
                mask = each.mask(document)
                document, made = cut(document, mask), cut(made, mask)  # noqa: PLW2901
            found.append(replies.text(made))
        return found


def _is_element_match(name: str, value: Any) -> bool:
    if not isinstance(value, Mapping) or value.keys() != {"$elemMatch"}:
        return False
    if "." in name:
        raise InvalidParameterError("projection: $elemMatch cannot be used on a nested field")
    return True
