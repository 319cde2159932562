"""What an app says, compiled."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from shared.javascript.messages import Texts
from shared.settings import OAUTH2, folded

if TYPE_CHECKING:  # who only asks for a provider loads no rules
    from shared.app.cron import Schedule
    from shared.app.files import FileFinding
    from shared.rules.expressions import Expression
    from shared.rules.ruleset import Ruleset
    from shared.rules.schema import Schema
    from shared.rules.values import Path

type Validation = Literal["NO_VALIDATION", "SECRET_AS_QUERY_PARAM", "VERIFY_PAYLOAD"]
type Algorithm = Literal["HS256", "RS256", "ES256"]
type Namespace = tuple[str, str]
type AuthenticationOperation = Literal["LOGIN", "CREATE", "DELETE"]

GOOGLE, APPLE, FACEBOOK = OAUTH2


class EmailPassword(msgspec.Struct, frozen=True, kw_only=True):
    """The provider `local-userpass`."""

    auto_confirm: bool = False
    confirmation_url: str = ""
    confirmation_subject: str = ""
    reset_url: str = ""
    reset_subject: str = ""
    confirmation_function: str | None = None
    """The function that confirms addresses; None if none is asked, "" if the app does not name the one to ask."""
    reset_function: str | None = None
    """The function that resets passwords, in the same way."""


class MetadataField(msgspec.Struct, frozen=True):
    """A member of a token that is copied to `user.data`."""

    required: bool
    path: "Path"
    target: str


class CustomToken(msgspec.Struct, frozen=True, kw_only=True):
    """The provider `custom-token`: whose JWTs are taken. `signing_keys` are the secrets' values."""

    audience: tuple[str, ...] = ()
    require_any_audience: bool = False
    issuers: tuple[str, ...] = ()
    """Who may have issued them; none if whoever has the keys may."""
    algorithm: Algorithm = "HS256"
    signing_keys: tuple[str, ...] = ()
    jwk_uri: str | None = None
    metadata_fields: tuple[MetadataField, ...] = ()

    def __repr__(self) -> str:
        """Name the algorithm, never the keys."""
        return f"CustomToken(algorithm={self.algorithm!r})"


class OpenID(msgspec.Struct, frozen=True, kw_only=True):
    """A provider `oauth2-…`: for which clients its id tokens are issued, and of which domains users have to be."""

    client_ids: frozenset[str]
    domains: frozenset[str] = frozenset()
    metadata_fields: tuple[MetadataField, ...] = ()


class Providers(msgspec.Struct, frozen=True, kw_only=True):
    """The authentication providers; one that is None or false is disabled."""

    anonymous: bool = False
    api_key: bool = False
    email_password: EmailPassword | None = None
    custom_token: CustomToken | None = None
    custom_function: str | None = None
    """The function that says who logs in with `custom-function`."""
    openid: Mapping[str, OpenID] = {}


class CustomUserData(msgspec.Struct, frozen=True, kw_only=True):
    """The collection whose document with the user's id, a string, in `user_id_field` is `%%user.custom_data`."""

    service: str
    database: str
    collection: str
    user_id_field: str
    on_user_creation: str = ""
    """The function that is called before a user is stored, "" for none."""


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """On which terms calls are taken; `return_type` and `can_evaluate` are None where no file says."""

    return_type: Literal["JSON", "EJSON"] | None = None
    create_user_on_auth: bool = False
    fetch_custom_user_data: bool = False
    can_evaluate: "Expression | None" = None
    run_as_user_id: str | None = None
    run_as_system: bool = False
    validation: Validation = "NO_VALIDATION"
    secret: str | None = None

    def __repr__(self) -> str:
        """Name what validates calls, never the secret."""
        return f"{type(self).__name__}(validation={self.validation!r})"


class DataAPI(Terms, frozen=True, kw_only=True):
    """`data_api_config.json`; `versions` is None where the file does not say."""

    disabled: bool = False
    versions: frozenset[str] | None = None


class DataSource(msgspec.Struct, frozen=True, kw_only=True):
    """A data source with its rules and schemas."""

    name: str
    cluster_name: str = ""
    default: "Ruleset | None" = None
    rules: "Mapping[Namespace, Ruleset]" = {}
    schemas: "Mapping[Namespace, Schema]" = {}
    written_schemas: Mapping[Namespace, Mapping[str, Any]] = {}
    """The schemas as the files have them."""

    def ruleset(self, database: str, collection: str) -> "Ruleset | None":
        """Return the collection's own rules, else the default ones; None if nobody may touch it."""
        return self.rules.get((database, collection), self.default)

    def schema(self, database: str, collection: str) -> "Schema | None":
        """Return the collection's schema, if it has one."""
        return self.schemas.get((database, collection))


class Function(msgspec.Struct, frozen=True, kw_only=True):
    """A function: who may call it from outside, and whose rights it has; without any, those of who calls it."""

    name: str
    private: bool = False
    can_evaluate: "Expression | None" = None
    run_as_system: bool = False
    run_as_user_id: str = ""
    script: str = ""
    """The source of a function that chooses the user for each call, as the system."""


class Functions(msgspec.Struct, frozen=True, kw_only=True):
    """The functions of an app by name; their sources, and what all see of the app, as Extended JSON."""

    by_name: Mapping[str, Function] = {}
    sources: Texts = Texts()
    packages: Mapping[str, Texts] = {}
    """The files of npm packages that a function may require, or one that it calls, by its name."""

    seen: str = "{}"
    scripts: "Mapping[str, Functions]" = {}
    """By name of a function what its script sees: itself in the place of the function."""

    def __repr__(self) -> str:
        """Name them, never what they see, which may be secrets."""
        return f"Functions({sorted(self.by_name)!r})"


class Endpoint(Terms, frozen=True, kw_only=True):
    """An HTTPS endpoint, or a webhook, which older apps have: which function answers a route, and on which terms."""

    function: str
    needs_credentials: bool = True
    """Whether its function has no rights of its own, but those of who calls."""
    respond_result: bool = False
    is_webhook: bool = False


ANY_METHOD = "*"
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
"""What an endpoint of any method answers."""


def methods_of(endpoints: Mapping[str, Endpoint]) -> Sequence[str]:
    """Return the methods that a route answers, by its endpoints."""
    return METHODS if ANY_METHOD in endpoints else [each for each in METHODS if each in endpoints]


ANSWERING = "endpoint.js"
"""The function that calls that of an endpoint; no other has a point in its name."""


class Endpoints(msgspec.Struct, frozen=True, kw_only=True):
    """The endpoints of an app by route and method, and the functions of a call: the app's and what calls them."""

    by_route: Mapping[str, Mapping[str, Endpoint]] = {}
    functions: Functions = Functions()


class AuthenticationTrigger(msgspec.Struct, frozen=True):
    """Which function runs when a user of one of these providers logs in, comes or goes."""

    name: str
    function: str
    operations: "frozenset[AuthenticationOperation]"
    providers: frozenset[str]


class DatabaseTrigger(msgspec.Struct, frozen=True, kw_only=True):
    """Which function runs when documents change: in a collection, a database, or wherever it is."""

    name: str
    function: str
    service: str
    database: str = ""
    collection: str = ""
    pipeline: Sequence[Mapping[str, Any]] = ()
    """The stages that choose events and make them what the function is given."""
    full_document: bool = False
    full_document_before_change: bool = False
    is_expanded: bool = False
    """Whether it asks for events that MongoDB tells of on demand alone, such as that of an index."""
    at_once: int = 1
    """How many events are handled at a time; one by one they are in their order."""
    skip_catchup_events: bool = False
    tolerate_resume_errors: bool = False

    @property
    def watches(self) -> str:
        """What it watches, in which its resume tokens mean something."""
        return "/".join((self.service, self.database, self.collection))


class ScheduledTrigger(msgspec.Struct, frozen=True, kw_only=True):
    """Which function runs at the times of a schedule."""

    name: str
    function: str
    schedule: "Schedule"
    text: str = ""
    """The schedule as it was written."""
    skip_catchup_events: bool = False


class App(msgspec.Struct, frozen=True, kw_only=True):
    """An exported app."""

    app_id: str = ""
    name: str = ""
    environment: str = ""
    values: Mapping[str, Any] = {}
    providers: Providers = Providers()
    custom_user_data: CustomUserData | None = None
    data_api: DataAPI = DataAPI()
    data_sources: Mapping[str, DataSource] = {}
    functions: Functions = Functions()
    endpoints: Endpoints = Endpoints()
    authentication_triggers: tuple[AuthenticationTrigger, ...] = ()
    database_triggers: tuple[DatabaseTrigger, ...] = ()
    scheduled_triggers: tuple[ScheduledTrigger, ...] = ()
    administer: "Expression | None" = None
    """`dozen.json`: which callers to whom rules apply may administer collections; None for none of them."""
    allowed_request_origins: frozenset[str] = frozenset()
    findings: "tuple[FileFinding, ...]" = ()
    fingerprint: str = ""

    def __repr__(self) -> str:
        """Name the app, never its values, which may be secrets."""
        return f"App(app_id={self.app_id!r}, data_sources={sorted(self.data_sources)!r})"

    def data_source(self, name: str, *, is_only: bool) -> DataSource | None:
        """Return the data source of a name or a cluster's name; any name while there is only one.

        `is_only` says that the deployment has one connection.
        With several connections a name must be the data source's own: its rules are not those of another's data.
        """
        if is_only and len(self.data_sources) == 1:
            return next(iter(self.data_sources.values()))
        wanted = folded(name)
        for member in ("name", "cluster_name"):  # a cluster may have the name of another data source
            for each in self.data_sources.values():
                if folded(getattr(each, member)) == wanted:
                    return each
        return None
