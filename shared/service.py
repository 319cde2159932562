"""Everything that one process holds: made at first use, passed down from the edge, closed once."""

import asyncio
import logging
from collections.abc import Mapping
from typing import Any

from shared import environment
from shared.admission import Places
from shared.app.exported import ExportedApp
from shared.app.files import AppError
from shared.app.model import App
from shared.auth.confirmations import Confirmations
from shared.auth.credentials import Credentials, Holders
from shared.auth.custom_data import CustomData
from shared.auth.custom_jwt import CustomJWT
from shared.auth.id_tokens import IdTokens
from shared.auth.key_sets import KeySets
from shared.auth.key_uses import KeyUses
from shared.auth.keys import Keys
from shared.auth.limits import LoginLimits
from shared.auth.links import Links
from shared.auth.logins import Logins, Verifiers
from shared.auth.mail import Mail
from shared.auth.passwords import Passwords
from shared.auth.seals import Seals
from shared.auth.sessions import Accounts, Sessions
from shared.auth.tokens import Tokens
from shared.auth.usage import Usage
from shared.auth.user_events import UserEvents
from shared.auth.users import Users
from shared.budget import Budget, bytes_of
from shared.cache.entries import Entries
from shared.cache.generations import Generations
from shared.cache.store import LazyStore
from shared.documents import transcoder
from shared.explorer import Files
from shared.guard.complexity import Complexity
from shared.guard.refusals import Guard
from shared.http_client import HttpClient
from shared.javascript.engine import Engine
from shared.mongo.clients import Clients
from shared.mongo.control import Control
from shared.mongo.deadlines import driver_call
from shared.mongo.hubs import Hubs
from shared.mongo.readiness import Readiness, ping
from shared.mongo.replies import Replies
from shared.settings import VERSION, Settings, SettingsError, shown
from shared.telemetry.log import LOGGER, event, is_standalone
from shared.telemetry.reporting import Reporting
from shared.turns import FullCollections


class Service:
    """What answers calls under one set of settings. It belongs to the event loop in which it is first used.

    Its parts are cheap to make: a client connects, and a package that only some settings need is imported, when the
    part is first used.
    """

    def __init__(self, settings: Settings, secrets: Mapping[str, str], reporting: Reporting) -> None:
        """Take the settings, the values of the exported app's secrets by folded name, and who reports commands."""
        self.settings = settings
        self.exported = ExportedApp(settings, secrets)
        self.clients = Clients(settings, reporting.listeners)
        self.control = Control(self.clients, settings)
        self.replies = Replies(self.clients, settings)
        self.lazy_store = LazyStore(settings.redis_url)
        self.entries = Entries(self.lazy_store, settings)
        self.generations = Generations(self.entries, settings)
        self.guard = Guard(settings.dozen_database, settings.allowed_stages)
        self.complexity = Complexity(settings)
        self.admission = Places.for_calls(settings.calls_at_once)
        self.change_streams = Places.for_streams(settings.max_change_streams)
        self.hubs = Hubs(self.clients, self.change_streams)
        self.ending = asyncio.Event()
        """Set once the process is asked to end: what waits for changes ends then."""
        self.budget = Budget(bytes_of(settings))
        self.full_collections = FullCollections()
        self.transcoder = transcoder.load(settings.native)
        self.engine = Engine(settings)
        self.explorer = Files()
        self.http_client = HttpClient(settings.http_hosts)
        self.seals = Seals(self.control, settings)
        # who calls
        self.passwords = Passwords()
        self.limits = LoginLimits(self.lazy_store, self.control, settings)
        self.tokens = Tokens(settings, self.exported)
        self.user_events = UserEvents(self.control, self.exported, settings)
        self.users = Users(self.control, self.passwords, self.user_events)
        self.links = Links(self.control, self.user_events)
        self.key_uses = KeyUses(self.control, settings)
        self.usage = Usage(self.lazy_store)
        self.keys = Keys(self.control, self.entries, self.key_uses, settings)
        self.custom_data = CustomData(self.clients, self.exported)
        self.confirmations = Confirmations(self.control)
        self.mail = Mail(settings, self.exported)
        accounts = Accounts(self.users, self.keys, self.custom_data)
        self.sessions = Sessions(self.control, settings, self.tokens, self.user_events, accounts)
        key_sets = KeySets()
        custom_jwt, id_tokens = CustomJWT(settings, key_sets), IdTokens(settings, key_sets)
        verifiers = Verifiers(self.passwords, custom_jwt, id_tokens, self.limits)
        self.logins = Logins(self.exported, self.users, self.keys, verifiers)
        holders = Holders(self.keys, self.users, self.sessions, self.logins, self.custom_data)
        self.credentials = Credentials(settings, self.exported, holders, self.entries)

    @classmethod
    def from_environ(cls, reporting: Reporting) -> "Service":
        """Return one with the settings in the environment as it is now; raise SettingsError if they are wrong."""
        return cls(environment.read(), environment.app_secrets(), reporting)

    @property
    def app(self) -> App | None:
        """The exported app, None without one; raise AppError if there is a mistake in it."""
        return self.exported.app

    async def ping(self) -> None:
        """Ask every data source whether it answers us; raise UnavailableError at the first that does not."""
        for uri in self.settings.data_sources.values():
            with driver_call(self.settings.mongo_db_timeout_ms):
                await ping(self.clients.client(uri))

    async def close(self) -> None:
        """Close all connections, for good."""
        self.engine.close()
        await self.hubs.close()
        await self.key_uses.close()
        await self.lazy_store.close()
        await self.clients.close()


class Process:
    """What this process holds: one service, what it reports, and whether it is ready."""

    def __init__(self) -> None:
        """Hold no service yet."""
        self.reporting = Reporting()
        self.readiness = Readiness()
        self.held: Service | None = None
        self.actions: Mapping[str, Any] = {}
        """The actions that functions of the app come to, by their names: of the edge, which has them."""

    def service(self) -> Service:
        """Return the service of this process, made at the first use; raise SettingsError if its settings are wrong."""
        if self.held is None:
            self.held = Service.from_environ(self.reporting)
            self.reporting.count(self.held.settings)
        return self.held

    def start(self) -> None:
        """Say in the log which version starts, and whether a setting or the app is wrong."""
        try:
            service = self.service()
            settings = service.settings
            LOGGER.setLevel(settings.log_level)
            event(
                logging.INFO,
                "started",
                version=VERSION,
                host="server" if is_standalone() else "Azure Functions",
                telemetry=self.reporting.start(settings),
                native=service.transcoder.state,
                settings=environment.named(),
                data_sources=sorted(map(shown, settings.data_sources)),
            )
            service.app  # noqa: B018  raises if it cannot be used
            service.mail.check()
        except (SettingsError, AppError) as error:
            event(logging.ERROR, "not configured", version=VERSION, reason=str(error))

    def end(self) -> None:
        """Have what waits for changes come to its end: the process is asked to end."""
        if self.held is not None:
            self.held.ending.set()
            self.held.hubs.end()

    async def close(self) -> None:
        """Close the service, if there is one; the next use makes another."""
        held, self.held = self.held, None
        if held is not None:
            await held.close()


process = Process()
"""The one record of this process."""
