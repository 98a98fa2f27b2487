import pytest

from mlids.cli import files
from mlids.errors import MLIDSError


def test_a_file_is_written_with_its_folders(tmp_path):
    path = files.written(tmp_path / "a" / "b.txt", [b"one", b"two"])
    assert path.read_bytes() == b"onetwo"
    assert [one.name for one in path.parent.iterdir()] == ["b.txt"]


def test_what_is_not_whole_never_takes_the_name(tmp_path):
    def broken():
        yield b"half"
        raise ValueError("no more")

    path = tmp_path / "report.html"
    path.write_text("the old one")
    with pytest.raises(ValueError, match="no more"):
        files.written(path, broken())
    assert path.read_text() == "the old one"
    assert [one.name for one in tmp_path.iterdir()] == ["report.html"]


def test_a_folder_that_is_none_is_e106(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(MLIDSError) as error:
        files.written(tmp_path / "file" / "report.txt", [b"x"])
    assert error.value.code == "E106"


def test_where_there_is_no_browser_the_path_is_told(tmp_path, monkeypatch, capsys):
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    files.show(tmp_path / "report.html")
    assert str(tmp_path / "report.html") in capsys.readouterr().err
    opened = []
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setattr("webbrowser.open", lambda uri: opened.append(uri) or True)
    files.show(tmp_path / "report.html")
    assert opened == [(tmp_path / "report.html").as_uri()]
