import os

import pytest

from mlids.errors import MLIDSError
from mlids.sigma import documents


def test_folders_are_walked_and_examples_left_out(tmp_path):
    (tmp_path / "b").mkdir()
    for name in ("b/z.yml", "a.yaml", "a.examples.yaml", "readme.md"):
        (tmp_path / name).write_text("x: 1")
    found = documents.files([str(tmp_path), str(tmp_path / "a.yaml")])
    assert [one.name for one in found] == ["a.yaml", "z.yml"]


def test_a_path_that_does_not_exist_is_e007():
    with pytest.raises(MLIDSError) as caught:
        documents.files(["/nowhere/rules"])
    assert caught.value.code == "E007"


def test_each_document_knows_the_lines_of_its_keys():
    found, problems = documents.parse(b"a: 1\nb:\n  c: 2\n---\nd:\n  - e: 3\n")
    assert not problems
    assert [one.line for one in found] == [1, 5]
    assert found[0].line_of("b", "c") == 3
    assert found[0].line_of("b", "nothing") == 2
    assert found[1].line_of("d", "-", "e") == 6


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        (b"a: [1", 2, "no readable YAML"),
        (b"a: 1\nb: 2\na: 3\n", 3, "twice"),
        (b"- a\n- b\n", 1, "no mapping"),
        (b"\xff\xfe\x00", 0, "no readable YAML"),
        (b"a: !!python/object:os.system x", 1, "no readable YAML"),
        (b"{" * 5000, 0, ""),
        (b"a: " + b"{b: " * 60 + b"1" + b"}" * 60, 0, "deep"),
    ],
)
def test_what_is_no_yaml_is_told_with_its_line(text, line, reason):
    found, problems = documents.parse(text, "x.yml")
    assert not found
    assert reason in problems[0].reason
    assert not line or problems[0].line == line
    assert str(problems[0]).startswith("x.yml")


def test_what_was_good_before_a_broken_document_counts():
    found, problems = documents.parse(b"a: 1\n---\nb: [\n")
    assert len(found) == len(problems) == 1


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_told(tmp_path):
    path = tmp_path / "x.yml"
    path.write_text("a: 1")
    path.chmod(0)
    assert documents.read(path)[1]


def test_a_huge_file_is_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr(documents, "MOST_BYTES", 10)
    path = tmp_path / "x.yml"
    path.write_text("a: 1\n" * 10)
    assert "MiB" in documents.read(path)[1][0].reason


@pytest.mark.parametrize(
    "text",
    [
        b"title: !!timestamp x",  # PyYAML raises an AttributeError
        b"title: " + b"[" * 5000,
        b"a: &a\n  b: *a\n",
        b"".join(
            b"k%d: &k%d [%s]\n" % (n, n, b", ".join([b"*k%d" % (n - 1)] * 9 if n else [b"x"] * 9))
            for n in range(12)
        ),
    ],
    ids=["a time that is none", "too deep", "itself", "its own parts, again and again"],
)
def test_what_cannot_be_read_is_told(text):
    found, problems = documents.parse(text)
    assert not found
    assert "no readable YAML" in str(problems[0])
