"""How often somebody may fail to log in, or make accounts: counted by account and address, in Redis if there is one."""

from collections.abc import Sequence
from hashlib import sha256
from typing import TYPE_CHECKING, NamedTuple

from shared.cache.store import AwayError, LazyStore
from shared.errors import TooManyLoginsError
from shared.mail_server import mailbox
from shared.settings import Settings
from shared.ttl_cache import Cache

if TYPE_CHECKING:
    from redis.asyncio import Redis

_MOST_COUNTED = 100_000
_PREFIX = "dozen:logins:"
_DAY = 86_400


class Counter(NamedTuple):
    """What is counted of somebody: under which key, how many are accepted in so many seconds, what they are called."""

    key: str
    most: int
    noun: str
    seconds: int


class LoginLimits:
    """Counters, each for LOGIN_WINDOW_SECONDS from its first attempt, or for a day.

    Nothing that is counted for one noun keeps another out: who registers often can still log in.
    """

    def __init__(self, lazy_store: LazyStore, settings: Settings) -> None:
        """Take where all processes count together, and how much is allowed."""
        self._lazy_store = lazy_store
        self._settings = settings
        self._counts: Cache[str, int] = Cache(_MOST_COUNTED)

    def logins(self, account: str, address: str) -> list[Counter]:
        """Return the counters of logins: the address comes first, so that one that is refused locks out no account."""
        return [*self._of_address("failed logins", address), self._counter("failed logins", f"account {account}")]

    def unnamed_logins(self, address: str) -> list[Counter]:
        """Return the counters of logins that name no account."""
        return self._of_address("failed logins", address)

    def resets(self, address: str) -> list[Counter]:
        """Return the counters of tokens that reset a password."""
        return self._of_address("failed resets", address)

    def resets_of(self, account: str, address: str) -> list[Counter]:
        """Return the counters of what resets the password of an account without a token."""
        return [*self.resets(address), self._counter("failed resets", f"account {account}")]

    def mails(self, account: str, address: str) -> list[Counter]:
        """Return the counters of mails: to one account few, from one address as many as a school may need."""
        many = self._of_address("mails", address, self._settings.anonymous_logins)
        return [*many, self._counter("mails", f"account {account}"), *self.mailbox(account)]

    def mailbox(self, email: str) -> list[Counter]:
        """Return the counter of a day's mails to a mailbox: other names that reach it are the same."""
        return [self._counter("mails", f"mailbox {mailbox(email)}", self._settings.mails_per_address, _DAY)]

    def accounts(self, noun: str, address: str) -> list[Counter]:
        """Return the counter of what makes an account for anybody: it may come from all of a school at once."""
        return [self._counter(noun, f"address {address}", self._settings.anonymous_logins)]

    async def attempt(self, counters: Sequence[Counter]) -> None:
        """Count an attempt, before it is verified; raise TooManyLoginsError if there were too many in this window."""
        for counter in counters:
            count, seconds = await self._add(counter, 1)
            if count > counter.most:
                raise TooManyLoginsError(counter.noun, max(1, round(seconds)))

    async def succeeded(self, counters: Sequence[Counter]) -> None:
        """Take back an attempt that was right."""
        for counter in counters:
            await self._add(counter, -1)

    def _of_address(self, noun: str, address: str, most: int | None = None) -> list[Counter]:
        """Return no counter where the address is unknown: it would be everybody's."""
        return [self._counter(noun, f"address {address}", most)] if address else []

    def _counter(self, noun: str, whose: str, most: int | None = None, seconds: int | None = None) -> Counter:
        """Return a counter; accounts and addresses are hashed."""
        key = _PREFIX + sha256(f"{noun} {whose}".encode(errors="surrogatepass")).hexdigest()
        settings = self._settings
        return Counter(key, most or settings.login_attempts, noun, seconds or settings.login_window_seconds)

    async def _add(self, counter: Counter, by: int) -> tuple[int, float]:
        """Change a counter; return its value, and for how many seconds its window goes on."""
        count, left = self._add_here(counter, by)
        store = self._lazy_store.store
        if store is None:
            return count, left
        try:
            total, seconds = await store.ask(lambda client: self._add_there(client, counter, by))
        except AwayError:
            return count, left
        return max(count, total), max(left, seconds)

    def _add_here(self, counter: Counter, by: int) -> tuple[int, float]:
        count, left = self._counts.timed(counter.key) or (0, counter.seconds)
        count = max(0, count + by)
        self._counts.put(counter.key, count, left)
        return count, left

    async def _add_there(self, client: "Redis", counter: Counter, by: int) -> tuple[int, float]:
        key, window = counter.key, counter.seconds
        pipeline = client.pipeline(transaction=True)
        pipeline.set(key, 0, ex=window, nx=True)
        pipeline.incrby(key, by)
        pipeline.ttl(key)
        _, total, seconds = await pipeline.execute()
        if total < 0:  # the window in which the attempt was counted is over
            await client.incrby(key, -total)
        if seconds < 0:  # not set by us: it would count for ever
            await client.expire(key, window)
        return total, seconds
