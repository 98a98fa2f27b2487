from mlids.reports import grouped
from mlids.testing import START_NS

ROWS = [("192.0.2.1", 7), ("192.0.2.2", 1)]


def test_data_and_document_say_the_same():
    data = grouped.data("ip", ROWS, "type:XSS", START_NS, START_NS + 10**9)
    assert data["values"][0] == {"value": "192.0.2.1", "events": 7}
    assert data["since"] == "2025-01-13T10:30:45.000000Z"
    document = grouped.document(data, "2025-01-14T00:00:00.000000Z")
    assert document.title == "Events by ip"
    assert "type:XSS" in document.sections[0].title
    assert document.sections[0].tables[0].rows == [["192.0.2.1", 7], ["192.0.2.2", 1]]
    assert "all events" in grouped.document(data | {"query": ""}, "").sections[0].title
