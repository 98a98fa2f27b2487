import msgspec

from mlids.config.fields import fields


class Settings(msgspec.Struct):
    a: int = 1
    b: str = ""


def test_fields_are_those_of_the_struct_and_worked_out_once():
    assert [field.name for field in fields(Settings)] == ["a", "b"]
    assert fields(Settings) is fields(Settings)
