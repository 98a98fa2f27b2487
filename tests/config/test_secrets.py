import pytest

from mlids.config.secrets import is_reference, resolve_secret
from mlids.errors import ConfigError


def test_references_are_resolved_and_other_texts_stay():
    assert resolve_secret("${TOKEN}", {"TOKEN": "abc"}) == "abc"
    assert resolve_secret("plain $TOKEN", {"TOKEN": "abc"}) == "plain $TOKEN"
    assert is_reference("${X}")
    assert not is_reference(5)


def test_a_missing_name_is_an_error_without_the_value():
    with pytest.raises(ConfigError, match="TOKEN"):
        resolve_secret("${TOKEN}", {})
