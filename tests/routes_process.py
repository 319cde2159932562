"""The server's table of routes in a process of its own: an import of `server` sets up the log of its process.

Lines of JSON come, each a method and a path as it was sent; the name of a function and its parameters go back.
"""

import json
import sys
from urllib.parse import unquote

import server


def main() -> None:
    """Answer until standard input ends."""
    print(flush=True)  # noqa: T201  after the lines of the log
    for line in sys.stdin:
        method, path = json.loads(line)
        function, parameters = server.app.routes.find(method, unquote(path))  # as Uvicorn decodes it
        print(json.dumps([function.__name__, parameters]), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
