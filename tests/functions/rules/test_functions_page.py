"""What docs/functions.md shows and promises is what is served."""

import json
import re
from typing import Any

import pytest

from shared.app import package_files
from shared.endpoint import function_calls
from shared.javascript import engine, run
from shared.javascript.prelude import NODE_MODULES
from tests.functions.rules.conftest import Known, Scripts
from tests.functions.rules.test_app_functions import call
from tests.hosts import ROOT, Worker
from tests.javascript import ENGINE

PAGE = (ROOT / "docs" / "functions.md").read_text()
EXAMPLES = re.findall(
    r"```js\n// functions/(\w+)\.js\n(.*?)```.*?```json\n(.*?)\n```.*?```json\n(.*?)\n```", PAGE, re.DOTALL
)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example[0])
async def test_each_example_is_served(
    worker: Worker, known: Known, scripts: Scripts, database: Any, example: tuple[str, str, str, str]
) -> None:
    name, source, body, reply = example
    scripts(**{name: source})
    await database.public.insert_one({"_id": "ann", "balance": 10})
    ann = await known(worker, "ann@shop.example")

    answer = await call(ann, body)

    assert (answer.status, answer.body.decode()) == (200, reply)


def test_each_example_is_found() -> None:
    assert [name for name, *_ in EXAMPLES] == ["greeting", "transfer"]
    assert json.loads(EXAMPLES[0][2])["name"] == "greeting"


def test_the_numbers_of_the_page_are_those_of_the_code() -> None:
    prelude = ENGINE.prelude.text + ENGINE.prelude.parts.text
    for number, name in ((25, "MOST_LOGGED"), (512, "LONGEST_LOGGED"), (20, "MOST_DEPTH")):
        assert f"const {name} = {number};" in prelude
        assert re.search(rf"\b{number}\b", PAGE)
    for power, name in ((25, "MOST_ELEMENTS"), (32, "MOST_COMPARED")):
        assert f"const {name} = 2 ** {power};" in prelude
        assert f"{2**power:,}" in PAGE
    assert f"at most {package_files.LARGEST_ARCHIVE >> 20} MB" in PAGE
    assert ", ".join(f"`{name}`" for name in NODE_MODULES) in PAGE
    assert run._MOST_LOGGED == 25
    assert engine.THREADS == 2
    assert function_calls._TRANSACTIONS == 2
