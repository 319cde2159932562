"""The connection strings of a deployment: made of their parts, checked, and how many connections each may open."""

import re
from typing import Literal, NamedTuple
from urllib.parse import quote_plus, unquote_plus

DEFAULT_POOL_SIZE = 50
_POLLING_MONITORS = 1  # asks a server every ten seconds how it is: in Azure's Functions host
_STREAMING_MONITORS = 2  # one gets the server's changes, one measures the round trip
_DEFAULT_PORT = 27017
_W = re.compile(r"[?&;\s]w=\s*([^&;\s]*)", re.IGNORECASE)  # the driver splits at spaces where there is no & and ;
_AZURE_DOCUMENTDB = ".mongocluster.cosmos.azure.com"

type Scheme = Literal["mongodb", "mongodb+srv"]
type Auth = Literal["password", "entra"]


class ConnectionStringError(Exception):
    """A connection string or a part cannot be used; the text is one sentence that names the setting, not its value."""


class Parts(NamedTuple):
    """What MONGO_DB_HOST, MONGO_DB_PORT and so on say."""

    host: str
    port: int = _DEFAULT_PORT
    user: str = ""
    password: str = ""
    scheme: Scheme = "mongodb"
    auth: Auth = "password"

    def __repr__(self) -> str:
        """Name the host, never the password."""
        return f"Parts(host={self.host!r})"


def made_of(parts: Parts) -> str:
    """Return the connection string of parts; raise ConnectionStringError if they do not go together."""
    hosts = _srv_host(parts) if parts.scheme == "mongodb+srv" else _hosts(parts)
    # its connection strings say so: it does not take the numbers that a retry needs
    options = "?retryWrites=false" if hosts.lower().endswith(_AZURE_DOCUMENTDB) else ""
    return f"{parts.scheme}://{_user_information(parts)}{hosts}/{options}"


def check(name: str, uri: str, auth: Auth) -> None:
    """Raise ConnectionStringError for one that this service must not or cannot use; `name` is the setting to blame."""
    if not uri.startswith(("mongodb://", "mongodb+srv://")):
        raise ConnectionStringError(f"{name} must start with mongodb:// or mongodb+srv://")
    if any(map(_is_zero, _W.findall(uri))):
        raise ConnectionStringError(f"{name} asks for writes that nobody acknowledges (w=0)")
    _refuse_unescaped(name, uri.partition("://")[2])
    if auth == "entra":
        _refuse_password(name, uri)


def _is_zero(value: str) -> bool:
    """Read a number as the driver does: int() takes digits of every script, spaces around them and _ between them."""
    try:
        return int(unquote_plus(value)) == 0
    except ValueError:  # the name of a write concern
        return False


def monitors(*, polling: bool) -> int:
    """Return how many connections to each server the driver keeps to watch it, beside the pool."""
    return _POLLING_MONITORS if polling else _STREAMING_MONITORS


def pool_size(budget: int, processes: int, monitors: int) -> int:
    """Return the connections of a pool to one server; less than one if the budget is too small."""
    return budget // processes - monitors


def _refuse_unescaped(name: str, rest: str) -> None:
    """Raise if a user or password holds what ends it there: the driver would take a part of it for the host."""
    authority = re.split("[/?]", rest, maxsplit=1)[0]
    written = authority.rpartition("@")[0]
    if re.search(r"<\w+>", written):
        raise ConnectionStringError(f"{name} has a placeholder, such as <password>, where a user or password belongs")
    # an @ behind the slash is not in the user or password, if it is in the value of an option
    cut_short = re.match(r"/[^?]*@|\?.*@|/\?[^=]*@", rest.removeprefix(authority))
    if cut_short or re.search(r"@|:.*:|%(?![0-9A-Fa-f]{2})", written):
        raise ConnectionStringError(
            f"{name} has a user or password that is not percent-encoded: write @ as %40, : as %3A, / as %2F, % as %25,"
            " or set MONGO_DB_HOST, MONGO_DB_USER and MONGO_DB_PASSWORD instead, which take them as they are"
        )


def _refuse_password(name: str, uri: str) -> None:
    authority, _, query = uri.partition("://")[2].partition("?")
    mechanism = re.search(r"(?:^|[&;])authMechanism=([^&;]*)", query, re.IGNORECASE)
    if ":" in authority.rpartition("@")[0] or (mechanism and mechanism[1] != "MONGODB-OIDC"):
        raise ConnectionStringError(
            f"{name} must bring neither a password nor another authMechanism where MONGO_DB_AUTH is entra"
        )


def _user_information(parts: Parts) -> str:
    if parts.auth == "entra":
        if parts.password:
            raise ConnectionStringError("MONGO_DB_PASSWORD must not be set where MONGO_DB_AUTH is entra")
        return f"{quote_plus(parts.user)}@" if parts.user else ""
    if bool(parts.user) != bool(parts.password):
        raise ConnectionStringError("MONGO_DB_USER and MONGO_DB_PASSWORD must be set together")
    if not parts.user:
        return ""
    return f"{quote_plus(parts.user)}:{quote_plus(parts.password)}@"


def _srv_host(parts: Parts) -> str:
    host = parts.host.strip()
    if not re.fullmatch(r"[\w-]+(\.[\w-]+)+", host):
        raise ConnectionStringError(
            "MONGO_DB_HOST must be one host name without a port where MONGO_DB_SCHEME is mongodb+srv"
        )
    if parts.port != _DEFAULT_PORT:
        raise ConnectionStringError(
            "MONGO_DB_PORT must not be set where MONGO_DB_SCHEME is mongodb+srv: the DNS names the ports"
        )
    return host


def _hosts(parts: Parts) -> str:
    return ",".join(_with_port(host.strip(), parts.port) for host in parts.host.split(","))


def _with_port(host: str, port: int) -> str:
    if not re.fullmatch(r"[\w.-]+(:\d+)?|\[[0-9a-fA-F:.]+\](:\d+)?|[0-9a-fA-F:]+", host):
        raise ConnectionStringError("MONGO_DB_HOST must be a host name, or several separated by commas")
    if host.count(":") > 1 and not host.startswith("["):
        host = f"[{host}]"
    return host if re.search(r"[^:]:\d+\Z", host) else f"{host}:{port}"
