"""docs/performance.md shows the figures that a run of the benchmark left, and the limits that it is held to."""

import json
import re
from xml.etree import ElementTree

from bench import films, page
from bench.limits import LIMITS
from bench.report import Results
from bench.rivals import RIVALS
from bench.throughput import Run
from bench.workloads import BATCH, CURSOR, WORKLOADS
from bench.wrk import CONNECTIONS, Figures
from tests.hosts import ROOT

FIGURES = json.loads(page.FIGURES.read_text())


def test_the_tables_are_those_of_the_figures() -> None:
    assert page.PAGE.read_text() == page.with_tables(page.PAGE.read_text(), FIGURES)
    assert all(table in page.PAGE.read_text() for table in page.tables(FIGURES))


def test_the_chart_is_that_of_the_figures() -> None:
    assert page.CHART.read_text() == page.chart(FIGURES)
    assert ElementTree.parse(page.CHART).getroot().tag.endswith("svg")  # noqa: S314  our own


def test_every_limit_was_measured() -> None:
    assert FIGURES["ratios"].keys() == {each.name for each in LIMITS}


def test_a_run_of_all_workloads_fits_into_the_page() -> None:
    figures = Figures(requests=100, seconds=1.0, p50_ms=1.0, p99_ms=2.0, non_2xx=0, socket_errors=0)
    able = [(each, rival) for rival in RIVALS for each in WORKLOADS if rival.call(each, "")]
    found = page.figures(Results("", "", 1, True, [Run(each, rival.name, figures, 0.5) for each, rival in able]))
    text = page.with_tables(page.PAGE.read_text(), found)

    assert found["calls"].keys() == {*WORKLOADS}
    assert all(table in text for table in page.tables(found))
    assert "| bulkWrite of 100 | 5,000 | 5,000 |  | 5,000 | 5,000 |" in text
    assert ElementTree.fromstring(page.chart(found)).tag.endswith("svg")  # noqa: S314  our own


def test_the_page_says_what_is_measured() -> None:
    assert f"documents of {len(films.film(0))} fields" in page.PAGE.read_text()
    assert f"{CONNECTIONS} connections of callers" in page.PAGE.read_text()
    assert f"second batch of {BATCH:,} of a cursor of {CURSOR:,} documents" in page.PAGE.read_text()


def test_an_instance_has_the_memory_that_is_asked_for() -> None:
    asked = re.search(r"instanceMemoryMB: (\d+)", (ROOT / "infra/modules/functions.bicep").read_text())

    assert asked
    assert int(asked[1]) == page.GB * 1024
