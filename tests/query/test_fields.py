from mlids.query.fields import Field, address_key, find, nearest, number_of, text_of, texts

NESTED = {"details": {"metadata": {"ports": [22, [80, {"no": 1}]]}}, "evidence": [{"path": "/a"}]}


def test_names_and_paths():
    assert find("ip") == find("details.ip") == Field(("details", "ip"), "ip", "address")
    assert find("techniques") == find("technique")
    assert find("details.metadata.ports") == Field(("details", "metadata", "ports"))
    assert [find(name) for name in ("nothing", "details", "details.", "type.x", "")] == [None] * 5


def test_the_nearest_name():
    assert nearest("sevrity") == "severity"
    assert nearest("detail.ip") == "details.ip"
    assert nearest("qqqqqqqqq") == ""


def test_values_of_lists_and_objects():
    assert list(find("details.metadata.ports").values(NESTED)) == [22, 80]
    assert list(find("evidence.path").values(NESTED)) == ["/a"]
    assert list(find("details.metadata.ports.no").values(NESTED)) == [1]
    assert list(find("details.metadata").values(NESTED)) == []
    assert list(find("user").values({"details": "text"})) == []


def test_texts_are_those_of_all_values():
    assert sorted(texts({"a": "X", "b": [None, True, 1.5, {"c": 10**30}]})) == sorted(
        ["x", "null", "true", "1.5", str(10**30)]
    )
    deep = "end"
    for _ in range(5000):
        deep = [deep]
    assert list(texts({"a": deep})) == ["end"]


def test_numbers():
    assert [number_of(value) for value in (1, 1.5, True, "1", None)] == [1, 1.5, None, None, None]
    assert text_of(1e16) == "1e16"


def test_keys_of_addresses_sort_as_addresses():
    assert address_key("10.1.2.3") == address_key("::ffff:10.1.2.3") == "40a010203"
    assert address_key("9.255.0.1") < address_key("10.0.0.0") < address_key("2001:db8::1")
    assert address_key("host") == address_key("1" * 500) == ""
