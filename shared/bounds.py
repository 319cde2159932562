"""The settings that say how much there may be of something: of calls, bytes, parts of a call, work, attempts."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

Positive = Annotated[int, Meta(ge=1)]


class Bounds(msgspec.Struct, frozen=True, kw_only=True, rename="upper"):
    """What a process, a call, a function of the app and a caller may take at most; read as part of `Settings`."""

    request_head_seconds: Annotated[int, Meta(ge=1, le=3600)] = 10
    keep_alive_seconds: Annotated[int, Meta(ge=1, le=3600)] = 75
    max_client_connections: Positive | None = None
    max_calls: Positive | None = None
    max_change_streams: Positive = 200
    memory_budget_bytes: Positive | None = None
    max_body_bytes: Positive = 32 * 1024 * 1024
    max_read_bytes: Positive = 350_000_000
    max_body_values: Positive = 4_000_000
    max_nesting: Annotated[int, Meta(ge=1, le=100)] = 100
    max_members: Positive = 100_000
    max_conditions: Positive = 10_000
    max_path_parts: Annotated[int, Meta(ge=1, le=200)] = 200
    max_stages: Positive = 1_000
    max_operands: Positive = 100_000
    max_pattern_length: Positive = 32_764
    scan_guard: Literal["off", "warn", "refuse"] = "off"
    scan_guard_documents: Annotated[int, Meta(ge=0)] = 1_000
    max_transaction_operations: Positive = 1_000
    max_transaction_bytes: Positive = 16 * 1024 * 1024
    transaction_timeout_ms: Positive = 25_000
    idempotency_seconds: Positive = 86_400
    function_timeout_ms: Positive = 10_000
    function_memory_bytes: Annotated[int, Meta(ge=2 * 1024 * 1024)] = 64 * 1024 * 1024
    function_operations: Annotated[int, Meta(ge=1, le=5_000)] = 1_000
    function_rule_calls: Annotated[int, Meta(ge=1, le=100_000)] = 1_000
    mails_per_address: Positive = 20
    login_attempts: Positive = 10
    anonymous_logins: Positive = 1_000
    login_window_seconds: Positive = 300
    metrics_key: Annotated[
        str, Meta(pattern=r"^([!-~]{16,})?\Z", description="16 characters or more, of ASCII and without spaces")
    ] = ""  # who may read how much there is
