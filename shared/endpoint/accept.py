"""What a reply is: what the Accept header prefers, else an object as RETURN_TYPE says, or the app's return_type."""

from typing import Literal, NamedTuple

from shared.app.model import App
from shared.documents.replies import Format
from shared.errors import NotAcceptableError
from shared.settings import Settings

type Shape = Literal["object", "lines", "rows"]


class Media(NamedTuple):
    """One object, or documents as lines or as rows of a table; with values in one of two forms."""

    form: Format
    shape: Shape = "object"

    @property
    def type(self) -> str:
        """The media type."""
        return _TYPES[self]


_JSON, _EJSON = Media("JSON"), Media("EJSON")
_OBJECTS: dict[Format, Media] = {"JSON": _JSON, "EJSON": _EJSON}
_TYPES: dict[Media, str] = {
    _JSON: "application/json",
    _EJSON: "application/ejson",
    Media("JSON", "lines"): "application/x-ndjson",
    Media("EJSON", "lines"): "application/x-ndjson; format=ejson",
    Media("JSON", "rows"): "text/csv",
    Media("EJSON", "rows"): "text/csv; format=ejson",
}
_SHAPES: dict[str, Shape] = {"application/x-ndjson": "lines", "text/csv": "rows"}
_FORMATS: dict[str, Format] = {"json": "JSON", "ejson": "EJSON"}
_ANYTHING = frozenset({"*/*", "application/*"})


class _Range(NamedTuple):
    """A part of Accept: its type with how much it is preferred, and what that is here."""

    name: str
    quality: float
    media: Media | None


def reply_media(accept: str | None, settings: Settings, app: App | None, *, lists: bool) -> Media:
    """Return the first of what Accept prefers, else the default; only lists of documents are lines or rows.

    Raise NotAcceptableError for a caller who takes nothing but lines or rows where there are none. Any other type is
    tolerated: some clients fill the header from a template.
    """
    default: Format = settings.return_type or (app.data_api.return_type if app else None) or "JSON"
    if accept is None or accept == "*/*":
        return _OBJECTS[default]
    if accept == "application/json":
        return _JSON
    ranges = [each for part in accept.lower().split(",") if (each := _range(part, default)).quality > 0]
    usable = [each for each in ranges if each.media is not None and (lists or each.media.shape == "object")]
    if usable:
        return max(usable, key=lambda each: each.quality).media or _OBJECTS[default]
    names = {each.name for each in ranges}
    if names & _SHAPES.keys() and not names & _ANYTHING:
        also = "; application/x-ndjson and text/csv, of format=json or format=ejson" if lists else ""
        raise NotAcceptableError(f"this action returns application/json and application/ejson{also}")
    return _OBJECTS[default]


def reply_form(accept: str | None, default: Format) -> Format:
    """Return the form of an object that Accept prefers, else the default, whatever it names."""
    ranges = [_range(part, default) for part in (accept or "").lower().split(",")]
    usable = [each for each in ranges if each.quality > 0 and each.media in (_JSON, _EJSON)]
    best = max(usable, key=lambda each: each.quality, default=None)
    return default if best is None or best.media is None else best.media.form


def quality(accept: str, name: str) -> float:
    """Return how much Accept prefers a type that it names; one that it does not name is not asked for."""
    ranges = (_range(part, "JSON") for part in accept.lower().split(","))
    return max((each.quality for each in ranges if each.name == name), default=0.0)


def _range(part: str, default: Format) -> _Range:
    name, *pieces = (piece.strip() for piece in part.split(";"))
    parameters = {key: value.strip('"') for key, _, value in (piece.partition("=") for piece in pieces)}
    try:
        quality = float(parameters.get("q", "1"))
    except ValueError:
        quality = 1.0
    if name not in _SHAPES:
        return _Range(name, quality, {"application/json": _JSON, "application/ejson": _EJSON}.get(name))
    shape = _SHAPES[name]
    form = _FORMATS.get(parameters["format"]) if "format" in parameters else default if shape == "lines" else "JSON"
    return _Range(name, quality, None if form is None else Media(form, shape))
