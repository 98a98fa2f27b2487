import os
import shutil

import pytest

import mlids.seals
from mlids.errors import MLIDSError
from mlids.proofs import Link
from mlids.seals import FILE, KEY, VERIFY, Seal, Seals, following, keys, stored_key

LINK = Link(7, "a" * 32)


@pytest.fixture
def seals(tmp_path):
    made = Seals(tmp_path / "seals")
    made.open()
    return made


def entries(seals):
    return list(Seals(seals.folder).read())


def test_each_seal_has_a_key_of_its_own(seals):
    (first,) = keys(seals.folder / VERIFY).values()
    for n in range(3):
        seals.add(Link(n, "a" * 32), f"2025-01-13T10:30:4{n}Z")
    for n, seal in enumerate(entries(seals)):
        assert seal.number == n
        assert seal.signature(following(first, n)) == seal.mac
        assert seal.signature(following(first, n + 1)) != seal.mac
    assert stored_key(seals.folder) == (3, following(first, 3))


def test_no_key_of_the_past_stays_on_the_disk(seals):
    (first,) = keys(seals.folder / VERIFY).values()
    (seals.folder / VERIFY).unlink()
    for n in range(3):
        seals.add(LINK, "now")
        used = following(first, n).hex().encode()
        assert not any(used in path.read_bytes() for path in seals.folder.iterdir())


def test_it_goes_on_where_it_was_left(seals):
    seals.add(LINK, "one")
    seals.add(LINK, "two", kind="thinned", segment="mlids-x-1", first=3, keep="HIGH", digest="d")
    again = Seals(seals.folder)
    again.open()
    assert again.last.time == "one"
    assert again.thinned["mlids-x-1"].first == 3
    again.add(LINK, "three")
    assert [seal.number for seal in entries(seals)] == [0, 1, 2]
    assert len(keys(seals.folder / VERIFY)) == 1


def test_keys_are_for_their_owner_alone(seals):
    assert (seals.folder / KEY).stat().st_mode & 0o777 == 0o600
    assert (seals.folder / VERIFY).stat().st_mode & 0o777 == 0o400
    assert seals.folder.stat().st_mode & 0o777 == 0o700


def test_a_signature_covers_every_field():
    seal = Seal(1, "now", 7, "a" * 32, "thinned", "s", 3, "HIGH", "d").signed(b"k")
    for field in Seal.__struct_fields__[:-1]:
        value = getattr(seal, field)
        changed = value + (1 if isinstance(value, int) else "x")
        other = Seal(**{**{f: getattr(seal, f) for f in Seal.__struct_fields__}, field: changed})
        assert other.signature(b"k") != seal.mac, field


@pytest.mark.parametrize("garbage", [b"", b"\xff\xfe", b"x y\n", b"1 abc\n", b"1 " + b"g" * 64])
def test_what_is_no_key_is_none(seals, garbage):
    (seals.folder / KEY).write_bytes(garbage)
    assert stored_key(seals.folder) is None
    assert keys(seals.folder / "absent") == {}


def test_lines_that_are_no_seals_are_passed_by(seals):
    seals.add(LINK, "one")
    with (seals.folder / FILE).open("ab") as file:
        file.write(b'{"half": tr')
    again = Seals(seals.folder)
    again.open()
    again.add(LINK, "two")
    assert [seal and seal.time for seal in entries(seals)] == ["one", None, "two"]


@pytest.mark.parametrize("room", [0, 100])
def test_a_full_disk_leaves_neither_a_torn_seal_nor_one_too_many(seals, monkeypatch, room):
    seals.add(LINK, "2025-01-13T10:30:45Z")

    def full(file, data):
        os.write(file.fileno(), data[:room])
        raise OSError(28, "No space left on device")

    def no_key(*args, **options):
        raise MLIDSError("E106", "No space left on device")

    for name, broken in (("_write_all", full), ("write_atomically", no_key)):
        with monkeypatch.context() as context:
            context.setattr(mlids.seals, name, broken)
            with pytest.raises((OSError, MLIDSError)):
                seals.add(LINK, "2025-01-13T10:30:46Z")
        assert len(entries(seals)) == 1
        assert stored_key(seals.folder)[0] == 1
    seals.add(LINK, "2025-01-13T10:30:47Z")
    assert [seal.number for seal in entries(seals)] == [0, 1]


def test_a_seal_of_no_time_has_none(seals):
    assert Seal(0, "yesterday", 1, "").time_ns == 0
    assert Seal(0, "1970-01-01T00:00:01Z", 1, "").time_ns == 10**9


def test_a_file_in_place_of_the_folder_holds_no_seals(tmp_path):
    (tmp_path / "file").touch()
    assert list(Seals(tmp_path / "file").read()) == []
    assert keys(tmp_path / "file" / VERIFY) == {}


def test_seals_that_were_removed_stay_missing_and_new_ones_are_made(seals):
    seals.add(LINK, "2025-01-13T10:30:45Z")
    shutil.rmtree(seals.folder)
    seals.add(LINK, "2025-01-13T10:30:46Z")
    assert [seal.number for seal in entries(seals)] == [1]
    assert stored_key(seals.folder)[0] == 2
