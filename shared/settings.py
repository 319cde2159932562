"""Everything that a deployment may set, read from the variables of an environment (pure)."""

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Literal, Self

import msgspec
from msgspec import Meta

from shared import connection_strings as connections
from shared.bounds import Bounds, Positive
from shared.connection_strings import Auth, ConnectionStringError, Scheme
from shared.http_hosts import Hosts, HostsError, read_hosts
from shared.mail_server import MailServer, MailServerError
from shared.mail_server import mail_server as read_mail_server
from shared.operators import NAMED_STAGES

VERSION = "0.1.0"
DEFAULT_DATA_SOURCE = "mongodb-atlas"

_URI = "MONGO_DB_URI"
URI_PREFIX = "MONGO_DB_URI__"
_AZURE_DOCUMENTDB_AUDIENCE = "https://ossrdbms-aad.database.windows.net"
SECRET_PREFIX = "APP_SECRET_"  # noqa: S105
_MOST_CACHED_SECONDS = 86_400
_LEAST_CALLS, _MOST_CALLS = 16, 200
TELEMETRY_PREFIX = "APPLICATIONINSIGHTS_"
OAUTH2 = ("oauth2-google", "oauth2-apple", "oauth2-facebook")
TRUSTED_URL = re.compile(r"(https://|http://(localhost|127\.0\.0\.1)(:\d+)?/)\S+")
_TYPES = {"integer": "a whole number", "number": "a number", "boolean": "true or false"}  # those of a JSON schema
_UNRESOLVED_REFERENCE = "@microsoft.keyvault("

Port = Annotated[int, Meta(ge=1, le=65535)]
Seconds = Annotated[float, Meta(ge=0, le=3600)]


class SettingsError(Exception):
    """A setting is missing or wrong; the text is one sentence that names it and never its value."""


class Settings(Bounds, frozen=True, kw_only=True, rename="upper"):
    """The deployment's settings; every field is the environment variable of its upper-case name."""

    mongo_db_uri: str = ""
    mongo_db_host: str = ""
    mongo_db_port: Port = 27017
    mongo_db_user: str = ""
    mongo_db_password: str = ""
    mongo_db_scheme: Scheme = "mongodb"
    mongo_db_auth: Auth = "password"
    mongo_db_token_audience: Annotated[str, Meta(pattern=r"^[a-z]+://\S+\Z", description="a URI")] = (
        _AZURE_DOCUMENTDB_AUDIENCE
    )
    azure_client_id: str = ""
    mongo_db_timeout_ms: Annotated[int, Meta(ge=1, le=2**31 - 1)] = 30_000
    mongo_db_max_pool_size: Positive | None = None
    mongo_db_max_connections: Positive | None = None
    expected_processes: Positive | None = None
    health_port: Port | None = None
    web_concurrency: Annotated[int, Meta(ge=1, le=1_000)] = 1
    listen_host: str = "0.0.0.0"  # noqa: S104  a container is reached from outside itself
    listen_port: Port = 7071
    dozen_database: Annotated[
        str,
        Meta(
            pattern=r"^(?!(admin|local|config)\Z)[A-Za-z0-9_-]{1,63}\Z",
            description="up to 63 letters, digits, _ and -, and no database of MongoDB's own",
        ),
    ] = "dozen"
    app_id: str = ""
    return_type: Literal["JSON", "EJSON"] | None = None
    auth_cache_seconds: Seconds = 30.0
    key_uses: Literal["off", "on"] = "on"
    cors_allowed_origins: str = ""
    cors_allow_credential_headers: bool = False
    functions_http_hosts: str = ""
    schedules_by_timer: Literal["off", "on"] = "off"
    app_config_dir: str = ""
    session_secret: Annotated[str, Meta(pattern=r"^(.{32,})?\Z", description="32 characters or more, in one line")] = ""
    redis_url: Annotated[
        str,
        Meta(
            pattern=r"^((rediss?|valkeys?)://.+)?\Z",
            description="redis://, rediss://, valkey:// or valkeys://, in one line",
        ),
    ] = ""
    cached_collections: str = ""
    mail_webhook_url: Annotated[str, Meta(pattern=r"^(https?://.+)?\Z", description="https://, in one line")] = ""
    mail_smtp_url: str = ""
    mail_from: str = ""
    mail_templates_dir: str = ""
    trusted_proxies: Annotated[int, Meta(ge=0, le=10)] = 0
    oauth2_jwks_urls: str = ""
    jwt_leeway_seconds: Annotated[int, Meta(ge=0, le=300)] = 5
    guard_allowed_stages: str = ""
    rules_allow_hidden_field_queries: bool = False
    schema_null_type_validation: bool = False
    explorer: Literal["off", "on"] = "off"
    mcp: Literal["off", "read", "write"] = "off"
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    slow_ms: Annotated[int, Meta(ge=0)] = 0
    native: Literal["auto", "off"] = "auto"
    applicationinsights_connection_string: str = ""
    applicationinsights_authentication_string: str = ""
    telemetry_backend: Literal["none", "opencensus", "opentelemetry"] | None = None
    telemetry_logs_to_appinsights: Literal["auto", "on", "off"] = "auto"
    functions_worker_runtime: str = ""
    functions_worker_process_count: Positive | None = None
    identity_endpoint: str = ""
    azure_federated_token_file: str = ""
    data_sources: dict[str, str] = msgspec.field(default_factory=dict)
    cached: dict[str, int] = msgspec.field(default_factory=dict)  # CACHED_COLLECTIONS: seconds by namespace

    def __repr__(self) -> str:
        """Name the deployment, never its connection strings or its password."""
        return f"Settings(app_id={self.app_id!r}, data_sources={sorted(map(shown, self.data_sources))!r})"

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> Self:
        """Raise SettingsError at the first setting that is missing or wrong. An empty value counts as not set."""
        values = {name: value for name, value in environ.items() if value.strip()}
        refuse_unresolved_references(values)
        parsed = converted({name: values[name] for name in (NAMES | PLATFORM_NAMES) & values.keys()}, cls)
        read = msgspec.structs.replace(parsed, data_sources=_data_sources(parsed, values), cached=_cached(parsed))
        read.pool_size  # noqa: B018  raises if the budget of connections is too small
        read.allowed_stages  # noqa: B018  raises if a stage cannot be opened
        read.mail_server  # noqa: B018  raises if mail could not be sent, or a password be read on its way
        read.http_hosts  # noqa: B018  raises if an entry is no host
        read.jwks_urls  # noqa: B018  raises if keys would come from nowhere, or from anybody
        return read

    def data_source_uri(self, name: str) -> str | None:
        """Return the connection string behind a dataSource name: any name while there is only one source."""
        if len(self.data_sources) == 1:
            return self.control_uri
        return self.data_sources.get(folded(name))

    @property
    def control_uri(self) -> str:
        """The connection string of the control database: of the first source."""
        return next(iter(self.data_sources.values()))

    @property
    def pool_size(self) -> int:
        """How many connections this process opens at most to each server of a data source, beside its monitors."""
        if self.mongo_db_max_pool_size is not None:
            return self.mongo_db_max_pool_size
        if self.mongo_db_max_connections is None:
            return connections.DEFAULT_POOL_SIZE
        here = self.processes_here
        expected = self.expected_processes or here
        if expected < here:
            raise SettingsError(f"EXPECTED_PROCESSES must count all processes: one instance alone has {here}")
        monitors = connections.monitors(polling=bool(self.functions_worker_runtime))
        size = connections.pool_size(self.mongo_db_max_connections, expected, monitors)
        if size < 1:
            least = expected * (monitors + 1)
            raise SettingsError(f"MONGO_DB_MAX_CONNECTIONS is too small: {expected} processes need at least {least}")
        return size

    @property
    def processes_here(self) -> int:
        """How many processes this instance has."""
        return max(self.web_concurrency, self.functions_worker_process_count or 1)

    @property
    def calls_at_once(self) -> int:
        """How many calls a process works on at a time: not all of them hold a connection all the time."""
        return self.max_calls or min(max(self.pool_size * 5 // 4, _LEAST_CALLS), _MOST_CALLS)

    @property
    def allowed_origins(self) -> frozenset[str]:
        """The origins that pages may call from; empty means all."""
        origins = (origin.strip().rstrip("/") for origin in self.cors_allowed_origins.split(","))
        allowed = frozenset(origin for origin in origins if origin)
        return frozenset() if "*" in allowed else allowed

    @property
    def allowed_stages(self) -> frozenset[str]:
        """The stages that are opened to system keys; a `$` may be left out, which some shells take for their own."""
        names = (name.strip().removeprefix("$") for name in self.guard_allowed_stages.split(","))
        allowed = frozenset(f"${name}" for name in names if name)
        if not allowed <= NAMED_STAGES:
            raise SettingsError(f"GUARD_ALLOWED_STAGES must be a list of any of {', '.join(sorted(NAMED_STAGES))}")
        return allowed

    @property
    def mail_server(self) -> MailServer | None:
        """The server of MAIL_SMTP_URL, with the sender of MAIL_FROM."""
        if self.mail_smtp_url and self.mail_webhook_url:
            raise SettingsError("MAIL_SMTP_URL and MAIL_WEBHOOK_URL are both set: mail goes one way")
        try:
            return read_mail_server(self.mail_smtp_url, self.mail_from)
        except MailServerError as error:
            raise SettingsError(str(error)) from None

    @property
    def jwks_urls(self) -> dict[str, str]:
        """Where the keys of a provider `oauth2-…` are fetched instead of at its owner's: these are believed."""
        urls: dict[str, str] = {}
        for each in filter(None, (part.strip() for part in self.oauth2_jwks_urls.split(","))):
            provider, _, url = (part.strip() for part in each.partition("="))
            if provider not in OAUTH2 or not TRUSTED_URL.fullmatch(url) or provider in urls:
                raise SettingsError("OAUTH2_JWKS_URLS must be a list such as oauth2-google=https://proxy.example/keys")
            urls[provider] = url
        return urls

    @property
    def http_hosts(self) -> Hosts:
        """Which hosts functions of the app may ask."""
        return _hosts(self.functions_http_hosts)

    @property
    def telemetry(self) -> Literal["none", "opencensus", "opentelemetry"]:
        """The backend that telemetry goes to: without an Application Insights there is none."""
        if not self.applicationinsights_connection_string:
            return "none"
        return self.telemetry_backend or "opencensus"


PLATFORM_NAMES = frozenset(
    {"FUNCTIONS_WORKER_RUNTIME", "FUNCTIONS_WORKER_PROCESS_COUNT", "IDENTITY_ENDPOINT", "AZURE_FEDERATED_TOKEN_FILE"}
)
"""The environment variables in which Azure says what it runs, and what it offers."""

NAMES = (
    frozenset(field.encode_name for field in msgspec.structs.fields(Settings))
    - {"DATA_SOURCES", "CACHED"}
    - PLATFORM_NAMES
)
"""The environment variables that are read, beside MONGO_DB_URI__<NAME>."""


def converted[S: Settings](values: Mapping[str, str], kind: type[S]) -> S:
    """Return the settings that these variables set; raise SettingsError if one of them is wrong by itself."""
    try:
        return msgspec.convert(values, kind, strict=False)
    except msgspec.ValidationError as error:
        raise SettingsError(_sentence(error)) from None  # the cause may show a password


def refuse_unresolved_references(values: Mapping[str, str]) -> None:
    """Raise SettingsError if the platform has left the name of a secret where the secret should be."""
    for name, value in sorted(values.items()):
        if name.startswith(TELEMETRY_PREFIX):  # calls go on without telemetry
            continue
        if value.strip().lower().startswith(_UNRESOLVED_REFERENCE) and (
            name in NAMES or name.startswith((URI_PREFIX, SECRET_PREFIX))
        ):
            raise SettingsError(f"{name} is a Key Vault reference that the platform could not resolve")


def _sentence(error: msgspec.ValidationError) -> str:
    reason, _, path = str(error).partition(" - at `$.")
    reason = re.sub(r", got .*| '.*'", "", reason)  # what was given may be a secret in the wrong place
    name = path.rstrip("`")
    return f"{name} is not usable: {_expected(name, reason) or f'{reason[0].lower()}{reason[1:]}'}"


def _expected(name: str, reason: str) -> str:
    """Say in words what a setting takes; msgspec speaks of types of Python and of regular expressions."""
    field = msgspec.json.schema(Settings)["$defs"]["Settings"]["properties"].get(name, {})
    field |= field.get("anyOf", [{}])[0]  # of one that may be unset
    if "regex" in reason and "description" in field:
        return f"expected {field['description']}"
    if "enum" in reason and "enum" in field:
        return f"expected {' or '.join(field['enum'])}"
    return f"expected {_in_words(field)}" if field.get("type") in _TYPES else ""


def _in_words(field: Mapping[str, object]) -> str:
    words, least, most = _TYPES[str(field["type"])], field.get("minimum"), field.get("maximum")
    if most is not None:
        return f"{words} from {least} to {most}"
    return words if least is None else f"{words}, {least} or more"


def _hosts(text: str) -> Hosts:
    try:
        return read_hosts(text)
    except HostsError:
        example = "api.example.com, *.example.org, intranet.example:8443, 10.0.0.0/8"
        raise SettingsError(f"FUNCTIONS_HTTP_HOSTS must be a list such as {example}") from None


def _data_sources(settings: Settings, values: Mapping[str, str]) -> dict[str, str]:
    sources: dict[str, str] = {}
    for name, uri in _connection_strings(settings, values):
        source = folded(name.removeprefix(URI_PREFIX)) if name.startswith(URI_PREFIX) else folded(DEFAULT_DATA_SOURCE)
        if source in sources:
            raise SettingsError(f"{name} names the same data source as another setting")
        try:
            connections.check(name, uri, settings.mongo_db_auth)
        except ConnectionStringError as error:
            raise SettingsError(str(error)) from None
        sources[source] = uri
    if not sources:
        raise SettingsError(f"no MongoDB is configured: set {_URI}, or MONGO_DB_HOST")
    return sources


def _connection_strings(settings: Settings, values: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Give each connection string with the setting that is to blame for it, the one of the control database first."""
    if primary := settings.mongo_db_uri or _made_of_parts(settings):
        yield _URI, primary
    for name in sorted(values):
        if name.startswith(URI_PREFIX):
            yield name, values[name]


def _made_of_parts(settings: Settings) -> str:
    if not settings.mongo_db_host:
        return ""
    parts = connections.Parts(
        host=settings.mongo_db_host,
        port=settings.mongo_db_port,
        user=settings.mongo_db_user,
        password=settings.mongo_db_password,
        scheme=settings.mongo_db_scheme,
        auth=settings.mongo_db_auth,
    )
    try:
        return connections.made_of(parts)
    except ConnectionStringError as error:
        raise SettingsError(str(error)) from None


def _cached(settings: Settings) -> dict[str, int]:
    cached: dict[str, int] = {}
    for each in filter(None, (part.strip() for part in settings.cached_collections.split(","))):
        namespace, _, seconds = (part.strip() for part in each.rpartition("="))
        if not re.fullmatch(r"[^.=;]+\.[^=;]+", namespace) or not re.fullmatch(r"\d{1,5}", seconds, re.ASCII):
            raise SettingsError("CACHED_COLLECTIONS must be a list such as shop.products=60, films.films=300")
        if not 1 <= int(seconds) <= _MOST_CACHED_SECONDS:
            raise SettingsError(f"CACHED_COLLECTIONS must give each collection 1 to {_MOST_CACHED_SECONDS} seconds")
        if namespace in cached:
            raise SettingsError("CACHED_COLLECTIONS names a collection twice")
        cached[namespace] = int(seconds)
    if cached and not (settings.redis_url and settings.session_secret):
        raise SettingsError("CACHED_COLLECTIONS needs REDIS_URL and SESSION_SECRET")
    return cached


def folded(name: str) -> str:
    """Fold a dataSource name as far as an environment variable's name can carry it: Cluster-0 is CLUSTER_0."""
    return re.sub(r"[^0-9a-z]", "_", name.lower())


def shown(data_source: str) -> str:
    """Return a folded dataSource name as people write it; of others than the first, no more is known."""
    return DEFAULT_DATA_SOURCE if data_source == folded(DEFAULT_DATA_SOURCE) else data_source
