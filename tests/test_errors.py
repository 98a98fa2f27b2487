import re
from pathlib import Path

import mlids
from mlids.errors import ERRORS, ConfigError, MLIDSError, SinkError
from mlids.query.errors import QueryError

REFERENCE = [
    "E001",
    "E002",
    "E003",
    "E004",
    "E005",
    "E101",
    "E102",
    "E103",
    "E104",
    "E105",
]


def test_the_codes_of_the_reference_exist():
    assert set(REFERENCE) <= set(ERRORS)
    assert ERRORS["E003"].title == "Network interface not available"


def test_each_code_has_one_line_of_what_and_one_of_what_to_do():
    for code, info in ERRORS.items():
        assert re.fullmatch(r"E\d{3}", code)
        assert info.title and "\n" not in info.title
        assert info.hint and "\n" not in info.hint


def test_an_error_carries_code_message_and_hint():
    error = MLIDSError("E003")
    assert (error.code, error.message) == ("E003", "Network interface not available")
    assert str(MLIDSError("E003", "no eth9")) == "E003: no eth9"
    assert isinstance(ConfigError("E002", problems=["x"]), MLIDSError)
    assert SinkError("x", refused=[1]).refused == [1]


def test_every_code_that_is_raised_is_in_the_table():
    sources = Path(mlids.__file__).parent.rglob("*.py")
    used = {code for path in sources for code in re.findall(r"\"(E\d{3})\"", path.read_text())}
    assert used <= set(ERRORS)
    assert set(ERRORS) <= used | set(re.findall(r"E\d{3}", str(ERRORS)))


def test_the_code_says_how_a_command_ends():
    assert MLIDSError("E003").exit_status == SinkError().exit_status == 3
    again = {code for code in ERRORS if MLIDSError(code).exit_status == 75}
    assert again == {"E206", "E207", "E210"}  # cron may try these again: EX_TEMPFAIL
    assert MLIDSError("E208").exit_status == 1
    assert QueryError("x", 0, "y").exit_status == 2
