from mlids.config.values import copied, find, place, without_empty, without_slip


def test_place_and_find():
    values = {"a": 1}
    place(values, ("b", "c"), 2)
    place(values, ("a", "d"), 3)
    assert values == {"a": {"d": 3}, "b": {"c": 2}}
    assert find(values, ("b", "c")) == 2
    assert find(values, ("b", "x", "y")) is None


def test_copies_share_nothing():
    values = {"a": {"b": 1}}
    twin = copied(values)
    twin["a"]["b"] = 2
    assert values == {"a": {"b": 1}}


def test_empty_sections_vanish():
    assert without_empty({"a": None, "b": {"c": None, "d": 0}}) == {"b": {"d": 0}}


def test_a_right_splunk_key_wins_over_a_slipped_one():
    values = {"integrations": {"host": "wrong", "splunk": {"host": "right"}}}
    mended, warnings = without_slip(values)
    assert mended == {"integrations": {"splunk": {"host": "right"}}}
    assert warnings
