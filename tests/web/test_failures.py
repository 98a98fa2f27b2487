from __future__ import annotations

import random

import pytest

from mlids.formats.nginx import Nginx
from mlids.testing import cut, lines
from mlids.web.failures import FAILING, Failures


def line(src, status, path="/x", vhost=""):
    front = f"{vhost} " if vhost else ""
    return f'{front}{src} - - [13/Jan/2025:10:30:45 +0000] "GET {path} HTTP/1.1" {status} 5 "-" "-"'


def told(*text, most=100, pieces=1):
    failures = Failures(most)
    batch = lines(*text, format=Nginx())
    return [(f.source, f.path, f.well) for part in cut(batch, pieces) for f in failures.of(part)]


def plain(text):
    """The same, a line at a time."""
    well, found = {}, []
    for one in text:
        words = one.split()
        src = words[0] if words[1] == "-" else words[1]
        if int(one.split('" ')[1].split()[0]) in FAILING:
            found.append((src, words[-6].encode(), well.get(src, 0)))
            well[src] = 0
        elif src in well:
            well[src] += 1
    return found


def test_what_went_well_in_between_is_counted():
    text = [line("1.2.3.4", status) for status in (200, 404, 200, 304, 403, 404, 200)]
    assert [well for _, _, well in told(*text)] == [0, 2, 0]


@pytest.mark.parametrize("pieces", [1, 2, 7, 60, 300])
def test_the_fast_way_and_the_plain_one_say_the_same(pieces):
    chance = random.Random(pieces)
    text = [
        line(
            chance.choice(["1.2.3.4", "1.2.3.40", "::1", "2001:db8:1:2:3:4:5:6", "host.example"]),
            chance.choice([200, 200, 301, 401, 404, 403, 500, 501]),
            f"/{chance.randint(0, 9)}",
            chance.choice(["", "", "a.example", "much.longer.name.example:443"]),
        )
        for _ in range(300)
    ]
    mine = [(source, well) for source, _, well in told(*text, pieces=pieces)]
    assert mine == [(source, well) for source, _, well in plain(text)]


def test_quiet_sources_make_room():
    failures = Failures(10)
    text = [line(f"10.0.0.{n}", 404).replace("10:30:45", f"10:30:{n % 60:02}") for n in range(50)]
    assert len(list(failures.of(lines(*text, format=Nginx())))) == 50
    assert failures.evicted == 40
    assert len(failures.save()[0]) == 10
    again = Failures(10)
    again.restore(failures.save())
    text = [line("10.0.0.49", 200), line("10.0.0.49", 404), line("10.0.0.1", 404)]
    assert [f.well for f in again.of(lines(*text, format=Nginx()))] == [1, 0]


def test_missing_pictures_do_not_count():
    failures = Failures(10)
    paths = ("/a.png", "/b.CSS", "/c.php", "/d")
    batch = lines(*[line("1.2.3.4", 404, path) for path in paths], format=Nginx())
    assert [f.counts for f in failures.of(batch)] == [False, False, True, True]


def test_custom_formats_serve_as_well():
    known = Nginx(log_format='$status $remote_addr "$request"')
    text = [f'{status} 1.2.3.4 "GET /x HTTP/1.1"' for status in (404, 200, 200, 404)]
    found = list(Failures(10).of(lines(*text, format=known)))
    assert [(f.source, f.well) for f in found] == [("1.2.3.4", 0), ("1.2.3.4", 2)]


def test_lines_behind_a_header_of_syslog():
    text = [line(src, status) for src, status in (("1.2.3.4", 404), ("5.6.7.8", 404), ("1.2.3.4", 200),
                                                 ("1.2.3.4", 404))]  # fmt: skip
    header = "Jan 13 10:30:45 gate nginx[12]: "
    assert told(*(header + one for one in text)) == told(*text)
