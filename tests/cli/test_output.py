import csv
import io
import json

import click

from mlids.cli import output
from mlids.testing import event

HOSTILE = event(details={"ip": "192.0.2.1", "user": "=1+1", "description": "\x1b[2J\u202eevil\n,x"})


def text(name, events):
    return b"".join(output.render(name, events)).decode()


def test_jsonl_is_one_event_a_line():
    lines = text("jsonl", [event(), HOSTILE]).splitlines()
    assert [json.loads(line)["type"] for line in lines] == ["Failed Login"] * 2


def test_json_is_one_array_even_of_nothing():
    assert json.loads(text("json", [])) == []
    assert len(json.loads(text("json", [event(), event()]))) == 2


def test_csv_has_no_formulas():
    rows = list(csv.reader(io.StringIO(text("csv", [HOSTILE]))))
    assert rows[1][rows[0].index("user")] == "'=1+1"


def test_the_table_has_the_worst_first_and_counts_repeats():
    events = [event()] * 3 + [event("Port Scan", "HIGH"), event(severity="CRITICAL")]
    lines = click.unstyle(text("table", events)).splitlines()
    assert [line.split()[0] for line in lines] == ["SEVERITY", "CRITICAL", "HIGH", "MEDIUM"]
    assert lines[3].split()[4] == "3"


def test_what_is_merely_recorded_is_one_line_a_type():
    events = [event(severity="LOW", details={"ip": f"192.0.2.{n}"}) for n in range(9)]
    (_, line) = text("table", events).splitlines()
    assert "(9 of them)" in line


def test_nothing_found_is_nothing_printed():
    assert text("table", []) == ""


def test_the_table_obeys_no_attacker():
    shown = click.unstyle(text("table", [HOSTILE]))
    assert "\x1b" not in shown
    assert "\u202e" not in shown
    assert shown.count("\n") == 2
