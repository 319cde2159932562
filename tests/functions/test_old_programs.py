"""docs/coming-from-atlas.md: what it tells those whose programs are bound to Atlas's hosts works, step by step."""

import asyncio
import datetime
import json
import re
import ssl
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
import quickjs
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.hosts import ROOT, Answer, Host, Server

PAGE = (ROOT / "docs" / "coming-from-atlas.md").read_text()
HOST = "dozen.shop.example"
APP = "/app/shop-abcde/endpoint/data/v1/action/"
HOSTS = [
    "https://data.mongodb-api.com",
    "https://eu-central-1.aws.data.mongodb-api.com",
    "https://westeurope.azure.data.mongodb-api.com",
    "https://us-east1.gcp.services.cloud.mongodb.com",
    "https://services.cloud.mongodb.com",
    "https://eu-west-1.aws.realm.mongodb.com",
    "https://stitch.mongodb.com",
]


def section(title: str) -> str:
    return PAGE.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def blocks(title: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", section(title), re.DOTALL)


REGIONAL, PINNED, SCRIPT = (
    "Programs with a regional host", "Microcontrollers with a pinned certificate", "Google Apps Script",
)  # fmt: skip


async def shell(script: str, folder: Path, **env: str) -> str:
    """Run a script as somebody who follows the page, and return what it prints."""
    process = await asyncio.create_subprocess_exec(
        "bash", "-c", script, cwd=folder, env={"PATH": "/usr/bin:/bin", **env},
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    printed, _ = await asyncio.wait_for(process.communicate(), 30)
    return printed.decode()


async def test_all_hosts_of_a_program_are_changed_and_nothing_else(tmp_path: Path) -> None:
    programs = {f"{n}.js": f"fetch('{host}{APP}find?a=1')" for n, host in enumerate(HOSTS)}
    other = "fetch('https://www.mongodb.com/docs')"
    (tmp_path / "src").mkdir()
    for name, text in {**programs, "other.js": other}.items():
        (tmp_path / "src" / name).write_text(text)

    printed = await shell(blocks(REGIONAL, "sh")[0], tmp_path)

    assert {*printed.split()} == {f"src/{name}" for name in programs}
    assert {(tmp_path / "src" / name).read_text() for name in programs} == {f"fetch('https://{HOST}{APP}find?a=1')"}
    assert (tmp_path / "src" / "other.js").read_text() == other
    assert (tmp_path / "src" / "1.js.old").read_text() == programs["1.js"]


async def test_a_program_that_asks_where_the_app_is_gets_the_reply_of_the_page(server: Server) -> None:
    path = re.findall(rf"curl -sS https://{HOST}(\S+)", section(REGIONAL))[0]

    answer = await server.request("GET", path, {"Host": HOST, "X-Forwarded-Proto": "https"})

    assert (answer.status, answer.body.decode()) == (200, blocks(REGIONAL, "json")[0].strip())


class Authority:
    """Signs certificates by an intermediate one, as authorities do; the root is not sent along."""

    def __init__(self) -> None:
        self.root_key, self.middle_key, self.key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(3))
        self.root = self._signed("The root", self.root_key, "The root", self.root_key)
        self.middle = self._signed("The intermediate", self.middle_key, "The root", self.root_key)

    def write(self, folder: Path, host: str) -> ssl.SSLContext:
        """Trust the root in a folder as systems do; return what a server of this host name uses."""
        leaf = self._signed("A host", self.key, "The intermediate", self.middle_key, host)
        chain, key = folder / "chain.pem", folder / "key.pem"
        chain.write_bytes(pem(leaf) + pem(self.middle))
        key.write_bytes(
            self.key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        (folder / "trusted").mkdir()
        (folder / "trusted" / "root.pem").write_bytes(pem(self.root))
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(chain, key)
        return context

    @staticmethod
    def _signed(
        name: str, key: ec.EllipticCurvePrivateKey, by: str, by_key: ec.EllipticCurvePrivateKey, host: str = ""
    ) -> x509.Certificate:
        now = datetime.datetime.now(datetime.UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
            .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, by)]))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=not host, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(host or "none")]), critical=False)
            .sign(by_key, hashes.SHA256())
        )


def pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


@pytest.mark.parametrize(
    ("host", "code"),
    [
        pytest.param("localhost", "Verify return code: 0 (ok)", id="right"),
        pytest.param("elsewhere.example", "Verify return code: 62 (hostname mismatch)", id="of another host"),
    ],
)
async def test_the_root_that_a_microcontroller_pins_is_found(tmp_path: Path, host: str, code: str) -> None:
    authority = Authority()
    context = authority.write(tmp_path, host)
    trusted = tmp_path / "trusted"
    listening = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", ssl=context)
    first, script = blocks(PINNED, "sh")[0].split("\n", 1)
    port = listening.sockets[0].getsockname()[1]

    await shell("openssl rehash .", trusted)
    printed = await shell(f"HOST=localhost PORT={port}\n{script}", tmp_path, SSL_CERT_DIR=str(trusted))
    listening.close()

    assert first == f"HOST={HOST} PORT=443"
    assert "`Verify return code: 0 (ok)`" in section(PINNED)
    assert printed.splitlines()[-1].strip() == code
    assert (tmp_path / "root.pem").read_bytes() == pem(authority.root)


async def test_the_request_of_a_microcontroller_is_answered(server: Server, key: str, database: Any) -> None:
    [request] = blocks(PINNED, "http")
    head, body = request.rstrip("\n").replace("<key>", key).split("\n\n")
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)

    writer.write(f"{head}\n\n".replace("\n", "\r\n").encode() + body.encode())
    replied = (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 30)).decode().lower()
    length = re.search(r"content-length: (\d+)", replied)
    reply = await asyncio.wait_for(reader.readexactly(int(length[1]) if length else 0), 30)
    writer.close()

    assert replied.startswith("http/1.1 201 ")
    assert json.loads(reply).keys() == {"insertedId"}
    assert [each["celsius"] for each in await database.items.find().to_list()] == [21.5]


def test_the_request_of_a_microcontroller_is_that_of_the_sketch() -> None:
    [sketch], [request] = blocks(PINNED, "cpp"), blocks(PINNED, "http")
    head, body = request.rstrip("\n").split("\n\n")
    url = re.findall(r'http\.begin\(client, "https://([^"/]+)([^"]+)"\)', sketch)[0]
    headers = dict(re.findall(r'http\.addHeader\("(.+?)", "?(.+?)"?\);', sketch))

    assert (f"Host: {url[0]}" in head, head.splitlines()[0]) == (True, f"POST {url[1]} HTTP/1.1")
    assert [f"{name}: {value}" in head.replace("<key>", "KEY") for name, value in headers.items()] == [True, True]
    assert f'R"({body})"' in sketch
    assert f"Content-Length: {len(body)}" in head


STAND_IN = """
const asked = [];
const PropertiesService = { getScriptProperties: () => ({ getProperty: (name) => properties[name] }) };
const UrlFetchApp = {
  fetch(url, options) {
    const { method = "get", contentType = "application/x-www-form-urlencoded", headers, payload } = options;
    asked.push({ url, method, contentType, headers, payload });
    if (status >= 400 && !options.muteHttpExceptions) throw new Error(`${url} returned code ${status}`);
    return { getContentText: () => text, getResponseCode: () => status };
  },
};
"""


def script(code: str, key: str, status: int = 200, text: str = '{"documents":[]}') -> Any:
    """Run a script where each call gets this reply; return what it asked, and what it returned or threw."""
    context = quickjs.Context()
    context.eval(f"const properties = {json.dumps({'API_KEY': key})}, status = {status}, text = {json.dumps(text)};")
    context.eval(STAND_IN + blocks(SCRIPT, "js")[0])
    said = context.eval(
        f"let said; try {{ said = {{ returned: {code} }}; }} catch (error) {{ said = {{ threw: error.message }}; }}"
        "JSON.stringify({ asked: asked[0], ...said })"
    )
    return json.loads(said)


async def sent(host: Host, asked: dict[str, Any]) -> Answer:
    headers = asked["headers"] | {"Content-Type": asked["contentType"]}
    payload = asked["payload"]
    body = payload if isinstance(payload, str) else urlencode(payload)
    return await host.request(
        asked["method"].upper(), asked["url"].removeprefix(f"https://{HOST}"), headers, body.encode()
    )


async def test_the_script_of_the_page_gets_its_documents(host: Host, key: str, database: Any) -> None:
    await database.items.insert_many([{"_id": 1, "item": "pen"}, {"_id": 2, "item": "ink"}])

    answer = await sent(host, script("pens()", key)["asked"])

    assert script("pens()", key, answer.status, answer.body.decode())["returned"] == [{"_id": 1, "item": "pen"}]


async def test_the_script_of_the_page_shows_what_is_wrong(host: Host, key: str, database: Any) -> None:
    answer = await sent(host, script('call("find", { filter: 1 })', key)["asked"])

    said = script('call("find", { filter: 1 })', key, answer.status, answer.body.decode())
    assert said["threw"] == f"InvalidJSONFieldType: {answer.json['error']}"


async def test_a_script_without_a_content_type_is_understood(host: Host, key: str, database: Any) -> None:
    asked = script("pens()", key)["asked"] | {"contentType": "application/x-www-form-urlencoded"}

    answer = await sent(host, asked)

    assert (answer.status, answer.body) == (200, b'{"documents":[]}')


async def test_a_script_that_sends_an_object_as_a_form_is_told_so(host: Host, key: str, database: Any) -> None:
    asked = script("pens()", key)["asked"] | {"payload": {"dataSource": "mongodb-atlas", "filter": "[object Object]"}}

    answer = await sent(host, asked)

    assert answer.status == 400
    assert f"`{answer.json['error']}`" in section(SCRIPT)


async def test_a_script_that_forgets_the_method_is_refused(host: Host, key: str, database: Any) -> None:
    answer = await sent(host, script("pens()", key)["asked"] | {"method": "get"})

    assert (answer.status, answer.headers["allow"]) == (405, "POST, OPTIONS")
    assert "refused with 405" in section(SCRIPT)
