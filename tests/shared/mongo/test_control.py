"""The control database: its indexes are there before this process first inserts."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from pymongo.errors import DuplicateKeyError
from pymongo.monitoring import CommandListener, CommandStartedEvent

from local.mongod import Mongod
from shared.mongo.clients import Clients
from shared.mongo.control import API_KEYS, SESSIONS, USERS, Control
from shared.service import Service
from shared.settings import Settings
from shared.telemetry.reporting import Reporting


@pytest.fixture
async def service(mongod: Mongod, driver: Any) -> AsyncIterator[Service]:
    """A service whose control database does not exist yet."""
    made = Service(Settings.from_environ({"MONGO_DB_URI": mongod.uri, "DOZEN_DATABASE": "indexed"}), {}, Reporting())
    yield made
    await made.close()
    await driver.drop_database("indexed")


async def test_a_collection_gets_its_indexes_once(service: Service, driver: Any) -> None:
    await service.control.ensure_indexes(SESSIONS)
    made = set(await driver.indexed[SESSIONS].index_information())
    others = await driver.indexed.list_collection_names()
    await driver.drop_database("indexed")
    await service.control.ensure_indexes(SESSIONS)

    assert made == {"_id_", "expires_1", "hash_1", "user_id_1", "key_id_1"}
    assert others == [SESSIONS]
    assert await driver.indexed.list_collection_names() == []


async def test_an_index_that_cannot_be_keeps_only_its_collection_from_growing(service: Service, driver: Any) -> None:
    twins = [{"_id": number, "identities": [{"provider_type": "x", "id": "same"}]} for number in range(2)]
    await driver.indexed[USERS].insert_many(twins)

    with pytest.raises(DuplicateKeyError):
        await service.control.ensure_indexes(USERS)
    with pytest.raises(DuplicateKeyError):
        await service.users.create("x", "another", {})
    await service.keys.create("a key", system=True)

    assert await driver.indexed[USERS].count_documents({}) == 2
    assert "hash_1" in await driver.indexed[API_KEYS].index_information()


class _Heard(CommandListener):
    """The commands that were sent."""

    def __init__(self) -> None:
        self.commands: list[dict[str, Any]] = []

    def started(self, event: CommandStartedEvent) -> None:
        self.commands.append(dict(event.command))

    def succeeded(self, event: Any) -> None:
        """Not of interest."""

    def failed(self, event: Any) -> None:
        """Not of interest."""


@pytest.mark.parametrize("weaker", ["", "&w=1&journal=false&readPreference=secondary&readConcernLevel=available"])
async def test_what_is_stored_of_a_deployment_is_in_the_journal_of_a_majority_whatever_the_connection_string_says(
    mongod: Mongod, driver: Any, weaker: str
) -> None:
    """A replica set may have a majority acknowledge what is in memory: writeConcernMajorityJournalDefault."""
    heard = _Heard()
    settings = Settings.from_environ({"MONGO_DB_URI": mongod.uri + weaker, "DOZEN_DATABASE": "indexed"})
    clients = Clients(settings, lambda: [heard])
    control = Control(clients, settings)

    async def stored(session: Any) -> None:
        await control.sessions.insert_one({}, session=session)

    await control.ensure_indexes(USERS)
    await control.users.insert_one({"_id": 1})
    await control.transaction(stored)
    await clients.close()
    await driver.drop_database("indexed")

    concerns = [each["writeConcern"] for each in heard.commands if "writeConcern" in each]
    assert concerns == [{"w": "majority", "j": True}] * 4
