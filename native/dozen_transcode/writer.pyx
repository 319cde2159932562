# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""BSON -> the text of a reply, byte for byte as shared.documents.replies writes it, or None."""


def batch(bytes documents, str form):
    """Return concatenated documents as texts with commas between and their number, or None."""
    return None


def document(bytes content, str form):
    """Return a document as text, or None."""
    return None
