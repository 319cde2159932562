// The same call in the languages of those who send it: each takes {url, body, type} and returns a text.

const KEY = "<your key>";

const quotedForShell = (text) => `'${text.replaceAll("'", "'\\''")}'`;

function curl({ url, body, type }) {
  return [
    `curl -s ${quotedForShell(url)} \\`,
    `  -H ${quotedForShell(`apiKey: ${KEY}`)} \\`,
    `  -H 'Content-Type: ${type}' -H 'Accept: ${type}' \\`,
    `  -d ${quotedForShell(body)}`,
  ].join("\n");
}

function javascript({ url, body, type }) {
  return `const response = await fetch(${JSON.stringify(url)}, {
  method: "POST",
  headers: {
    apiKey: ${JSON.stringify(KEY)},
    "Content-Type": ${JSON.stringify(type)},
    Accept: ${JSON.stringify(type)},
  },
  body: ${JSON.stringify(body)},
});
console.log(response.status, await response.json());
`;
}

const quotedForPython = (text) => JSON.stringify(text).replaceAll("\u007f", "\\x7f");

function python({ url, body, type }) {
  return `import json
from urllib.request import Request, urlopen

request = Request(
    ${quotedForPython(url)},
    data=${quotedForPython(body)}.encode(),
    headers={
        "apiKey": ${quotedForPython(KEY)},
        "Content-Type": ${quotedForPython(type)},
        "Accept": ${quotedForPython(type)},
    },
)
with urlopen(request) as response:
    print(response.status, json.load(response))
`;
}

function quotedForC(text) {
  const bytes = [...new TextEncoder().encode(text)];
  const written = bytes.map((byte) => {
    const letter = String.fromCharCode(byte);
    if (letter === '"' || letter === "\\") return `\\${letter}`;
    return byte < 32 || byte > 126 || letter === "?" ? `\\${byte.toString(8).padStart(3, "0")}` : letter;
  });
  return `"${written.join("")}"`;
}

function arduino({ url, body, type }) {
  const isSecure = url.startsWith("https:");
  const [include, client] = isSecure ? ["WiFiClientSecure.h", "WiFiClientSecure"] : ["WiFiClient.h", "WiFiClient"];
  const trust = isSecure ? "  client.setCACert(ROOT_CA);  // the certificate of the host's authority, as PEM\n" : "";
  return `#include <HTTPClient.h>
#include <${include}>

int callDozen(String &reply) {
  ${client} client;
${trust}  HTTPClient http;
  http.begin(client, ${quotedForC(url)});
  http.addHeader("apiKey", ${quotedForC(KEY)});
  http.addHeader("Content-Type", ${quotedForC(type)});
  http.addHeader("Accept", ${quotedForC(type)});
  int status = http.POST(${quotedForC(body)});
  reply = http.getString();
  http.end();
  return status;
}
`;
}

function powerAutomate({ url, body, type }) {
  const escaped = body.replaceAll("@", "@@"); // else an expression would begin there
  return JSON.stringify({
    type: "Http",
    inputs: {
      uri: url,
      method: "POST",
      headers: { apiKey: KEY, "Content-Type": type, Accept: "application/json" },
      body: escaped,
    },
  }, null, 2);
}

export const LANGUAGES = [
  ["curl", curl],
  ["JavaScript", javascript],
  ["Python", python],
  ["C++ for Arduino", arduino],
  ["Power Automate", powerAutomate],
];
