"""The format of a reply: what the Accept header prefers, else RETURN_TYPE, else what the app returns."""

from shared.app.model import App
from shared.documents.replies import Format
from shared.settings import Settings


def reply_format(accept: str | None, settings: Settings, app: App | None) -> Format:
    """Return the first of the two formats that Accept prefers, else the default."""
    default: Format = settings.return_type or (app.data_api.return_type if app else None) or "JSON"
    if accept is None or accept == "*/*":
        return default
    if accept == "application/json":
        return "JSON"
    ranges = [_media_range(part) for part in accept.lower().split(",")]
    acceptable = [(quality, form) for quality, form in ranges if form is not None and quality > 0]
    return max(acceptable, key=lambda each: each[0])[1] if acceptable else default


def _media_range(part: str) -> tuple[float, Format | None]:
    media, *parameters = (piece.strip() for piece in part.split(";"))
    quality = next((piece[2:] for piece in parameters if piece.startswith("q=")), "1")
    form: Format | None = _MEDIA.get(media)
    try:
        return float(quality), form
    except ValueError:  # nonsense is tolerated: some clients fill the header from a template
        return 1.0, form


_MEDIA: dict[str, Format] = {"application/json": "JSON", "application/ejson": "EJSON"}
