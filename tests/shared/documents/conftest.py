"""What the tests of documents share: replies are the same with native code and without."""

import pytest

from shared.documents.transcoder import Writer
from tests.native import built


@pytest.fixture(scope="session", params=["python", "native"])
def native(request: pytest.FixtureRequest) -> Writer | None:
    """Native code where it is installed, and none of it, in turn."""
    return built() if request.param == "native" else None
