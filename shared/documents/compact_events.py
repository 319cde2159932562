"""Events of a change stream in the short form that Stitch had for mobile devices (pure)."""

from shared.documents.elements import document_of, elements, named

_NAMES = {"operationType": "ot", "documentKey": "dk", "fullDocument": "fd", "updateDescription": "ud"}


def compact(event: bytes) -> bytes:
    """Return an event with short names and nothing but what happened to which document.

    Of an update it tells what changed, without the document.
    """
    members = elements(event)
    is_update = "updateDescription" in members
    left_out = {"fullDocument"} if is_update else set()
    found = ((short, members[name]) for name, short in _NAMES.items() if name in members and name not in left_out)
    return document_of(b"".join(named(each.kind, short) + each.value for short, each in found))
