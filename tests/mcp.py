"""Messages of the Model Context Protocol, as a client sends them to a host."""

import json
from typing import Any, NamedTuple

from tests.hosts import Answer, Host

STATELESS = "2026-07-28"
ENVELOPE = {
    "io.modelcontextprotocol/protocolVersion": STATELESS,
    "io.modelcontextprotocol/clientInfo": {"name": "tests", "version": "1"},
    "io.modelcontextprotocol/clientCapabilities": {},
}


class Client(NamedTuple):
    """A client of either revision: the newest says all of itself in each request."""

    host: Host
    credentials: dict[str, str]
    is_stateless: bool = True

    async def __call__(self, method: str, /, **params: Any) -> Answer:
        """Send a request."""
        headers = {"MCP-Protocol-Version": "2025-11-25"}
        if self.is_stateless:
            headers = {"MCP-Protocol-Version": STATELESS, "Mcp-Method": method}
            headers |= {"Mcp-Name": params["name"]} if "name" in params else {}
            params |= {"_meta": ENVELOPE}
        return await self.send({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}, headers)

    async def send(self, body: Any, headers: dict[str, str] | None = None) -> Answer:
        """Send a body."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        accept = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
        return await self.host.request("POST", "/mcp", accept | self.credentials | (headers or {}), content)

    async def tool(self, name: str, /, **arguments: Any) -> dict[str, Any]:
        """Call a tool, and return its result."""
        answer = await self("tools/call", name=name, arguments=arguments)
        assert answer.status == 200, answer.body
        found: dict[str, Any] = answer.json["result"]
        assert json.loads(found["content"][0]["text"]) == found["structuredContent"]
        return found

    async def names(self) -> list[str]:
        """Return the names of the tools."""
        return [each["name"] for each in (await self("tools/list")).json["result"]["tools"]]
