from mlids.sigma.sources import Entry, Given, Service
from mlids.sigma.views import Reader, View, leaves, stem_of, text_of

ENTRY = Entry(
    formats=["x"],
    fields={
        "uri": [Given(of="target", part="path"), "url"],
        "query": Given(of="target", part="query"),
        "ext": Given(of="target", part="extension"),
        "always": Given(value="yes"),
        "last": "list.-1",
        "second": "list.1",
        "stem": "@stem",
        "action": Given(of="prefix", part="verdict"),
        "blocked": Given(of="prefix", part="blocked"),
    },
    known=["a", "list"],
    nothing="-",
    services={"s": Service(["a"], ["b"])},
)


def view(record, line=b"", entry=ENTRY):
    return View(record, Reader(entry), line, "/var/log/zeek/dns.log.gz")


def texts(record, field):
    return [text for text, _ in view(record).texts(field)]


def test_parts_of_a_request():
    record = {"target": "/a/b.PHP?x=1?2"}
    assert texts(record, "uri") == ["/a/b.PHP"]
    assert texts(record, "query") == ["x=1?2"]
    assert texts(record, "ext") == ["PHP"]
    assert view({"target": "/a.b/c"}).values("ext") == [None]
    assert view({"target": "/a"}).values("query") == [None]
    assert texts({"url": "/other"}, "uri") == ["/other"]


def test_fields_that_the_records_do_not_have():
    assert view({"CommandLine": "x"}).values("CommandLine") == ()
    assert texts({"a": "-"}, "a") == []  # how this log writes that there is nothing
    assert texts({}, "always") == ["yes"]
    assert texts({}, "stem") == ["dns"]
    assert stem_of("/x/conn.2025.log") == "conn"


def test_lists_and_their_members():
    record = {"list": ["p", "q", "r"]}
    assert texts(record, "list") == ["p", "q", "r"]
    assert texts(record, "last") == ["r"]
    assert texts(record, "second") == ["q"]
    assert texts({"list": []}, "last") == []
    assert texts({"list": [["p", ["q"]]]}, "list") == ["p", "q"]


def test_values_are_texts():
    assert [text_of(one) for one in (1, 1.5, True, False, b"x\xff", {"a": [1]})] == [
        "1", "1.5", "true", "false", "x\\xff", '{"a":[1]}',
    ]  # fmt: skip
    assert list(leaves({"a": [1, None, {"b": "x"}]})) == [1, "x"]


def test_deep_records_do_not_end_the_process():
    deep = record = {}
    for _ in range(2000):
        record["a"] = {}
        record = record["a"]
    assert list(leaves(deep)) == []
    assert view(deep).texts("a")


def test_what_a_firewall_did():
    assert texts({"prefix": "[UFW BLOCK]"}, "action") == ["block"]
    assert texts({"prefix": "fw-accept:"}, "action") == ["accept"]
    assert texts({"prefix": "fw-accept:"}, "blocked") == ["false"]
    assert texts({"prefix": "fw:"}, "action") == []


def test_keywords_see_the_line_and_what_it_spells_oddly():
    plain = view({"a": "value"}, b"the line")
    assert [text for text, _ in plain.keywords()] == ["the line"]
    odd = view({"a": "va/lue"}, b"va\\/lue")
    assert [text for text, _ in odd.keywords()] == ["va\\/lue", "va/lue"]


def test_lists_in_lists_do_not_end_the_process():
    value = "x"
    for _ in range(3000):
        value = [value]
    assert view({"a": value}).texts("a") == []
