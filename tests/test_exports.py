from mlids.exports import flat, rows, text
from mlids.testing import event


def test_rows_have_a_heading_and_no_formulas():
    made = list(
        rows([event(details={"ip": "192.0.2.1", "user": "@SUM(A1)", "description": "a\nb"})])
    )
    assert made[0].startswith(b"timestamp,severity,type")
    assert b"'@SUM(A1)" in made[1]
    assert made[1].count(b"\n") == 1


def test_text_is_safe_for_terminals_and_draws_bars():
    summary = {
        "total": 2,
        "since": "2025-01-13T10:30:45.000000Z",
        "until": "2025-01-14T10:30:45.000000Z",
        "by_type": {"\x1b[31mX": 2},
        "by_severity": {},
        "by_source": {},
        "top_addresses": {},
        "by_hour": {10: 2},
    }
    lines = list(text(summary))
    assert lines[0] == "2 events from 2025-01-13 10:30 to 2025-01-14 10:30 UTC"
    assert "\x1b" not in "".join(lines)
    assert any("█" in line for line in lines)


def test_flat_moves_details_up():
    assert flat(event())["details.user"] == "admin"
