"""How often somebody may fail to log in, or make accounts: counted by account and address, in Redis if there is one."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from ipaddress import AddressValueError, IPv6Address
from typing import TYPE_CHECKING, NamedTuple

from bson.objectid import ObjectId

from shared.cache.store import AwayError, LazyStore
from shared.errors import TooManyLoginsError
from shared.mail_server import mailbox
from shared.mongo.control import UNLOCKS, Control
from shared.settings import Settings
from shared.ttl_cache import Cache

if TYPE_CHECKING:
    from redis.asyncio import Redis

UNLOCK_SECONDS = 5.0
"""How long a process goes on to refuse who was unlocked."""

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

    def __init__(self, lazy_store: LazyStore, control: Control, settings: Settings) -> None:
        """Take where all processes count together, where operators unlock, and how much is allowed."""
        self._lazy_store = lazy_store
        self._control = control
        self._settings = settings
        self._counts: Cache[str, int] = Cache(_MOST_COUNTED)
        self._asked: Cache[str, bool] = Cache(_MOST_COUNTED)
        self._unlocked: Cache[str, ObjectId] = Cache(_MOST_COUNTED)  # the marks that were followed

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
        return [self._counter(noun, _of(address), self._settings.anonymous_logins)]

    async def attempt(self, counters: Sequence[Counter]) -> None:
        """Count an attempt, before it is verified; raise TooManyLoginsError if there were too many in this window."""
        for counter in counters:
            count, seconds = await self._add(counter, 1)
            if count > counter.most and await self._is_unlocked(counter.key):
                await self._add(counter, -1)
                count, seconds = await self._add(counter, 1)
            if count > counter.most:
                raise TooManyLoginsError(counter.noun, max(1, round(seconds)))

    async def succeeded(self, counters: Sequence[Counter]) -> None:
        """Take back an attempt that was right."""
        for counter in counters:
            await self._add(counter, -1)

    def locks(self, account: str, address: str) -> list[Counter]:
        """Return the counters of failures that lock out an account, or an address; "" for either if not asked for."""
        whose = [f"account {account}"] * bool(account) + [_of(address)] * bool(address)
        return [self._counter(noun, each) for each in whose for noun in ("failed logins", "failed resets")]

    async def unlock(self, counters: Sequence[Counter]) -> None:
        """Have all processes count anew, within UNLOCK_SECONDS; raise AwayError if the store cannot be reached."""
        await self._control.ensure_indexes(UNLOCKS)
        store = self._lazy_store.store
        if store is not None:
            await store.ask(lambda client: client.delete(*(each.key for each in counters)))
        for counter in counters:
            expires = datetime.now(UTC) + timedelta(seconds=counter.seconds)
            mark = {"mark": ObjectId(), "expires": expires}
            await self._control.unlocks.replace_one({"_id": counter.key}, mark, upsert=True)

    async def _is_unlocked(self, key: str) -> bool:
        """Tell whether an operator has unlocked a counter since this process last asked; forget its count then.

        Only who is refused makes it ask, and once in UNLOCK_SECONDS.
        """
        if self._asked.get(key):
            return False
        self._asked.put(key, True, UNLOCK_SECONDS)
        stored = await self._control.unlocks.find_one({"_id": key, "expires": {"$gt": datetime.now(UTC)}})
        if stored is None or stored["mark"] == self._unlocked.get(key):
            return False
        self._unlocked.put(key, stored["mark"])
        self._counts.pop(key)
        return True

    def _of_address(self, noun: str, address: str, most: int | None = None) -> list[Counter]:
        """Return no counter where the address is unknown: it would be everybody's."""
        return [self._counter(noun, _of(address), most)] if address else []

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


def _of(address: str) -> str:
    """Return whose an address is: of IPv6 one has all that share their first 64 bits, and an IPv4 one is itself."""
    try:
        found = IPv6Address(address)
    except AddressValueError:
        return f"address {address}"
    return f"address {found.ipv4_mapped or IPv6Address(int(found) >> 64 << 64)}"
