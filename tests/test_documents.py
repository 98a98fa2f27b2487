import msgspec

from mlids.documents import Document, Figure, Section, Table


def test_a_document_can_be_kept_and_read_again():
    table = Table("Top addresses", ["address", "events"], [["192.0.2.7", 3]], "of 10")
    figure = Figure("Rate", "a line that rises", b"\x89PNG")
    made = Document("Summary", "host a", "2025-01-13", [Section("All", ["x"], [table], [figure])])
    assert msgspec.json.decode(msgspec.json.encode(made), type=Document) == made
