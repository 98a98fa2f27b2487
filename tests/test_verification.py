"""Whatever is done to a log behind MLIDS's back is found, and nothing that MLIDS does itself."""

import os
import random
import shutil
import time

import msgspec
import pytest

from mlids import segments
from mlids.proofs import Link, bare, claimed, extend
from mlids.retention import DAY_S, Policy, Retention
from mlids.seals import FILE, KEY, VERIFY, Seal, Seals, following, keys, stored_key
from mlids.store import EventStore
from mlids.testing import event
from mlids.verification import verify

SEVERITIES = ("LOW", "LOW", "MEDIUM", "HIGH")


def written(folder, count=120, runs=3, compression="none", **options):
    """A log of several segments, written in several runs."""
    for run in range(runs):
        store = EventStore(folder, max_size=8192, compression=compression, **options)
        for n in range(count // runs):
            severity = SEVERITIES[n % len(SEVERITIES)]
            store.append(event(severity=severity, seconds=run * 1000 + n).stamped().encoded())
            if n % 10 == 0:
                store.flush()
                store.sealer._guarded(store.sealer._seal)
        store.close()
    return folder


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    return written(tmp_path_factory.mktemp("original") / "logs")


@pytest.fixture
def log(original, tmp_path):
    return shutil.copytree(original, tmp_path / "logs")


def contents(log):
    return {path: path.read_bytes().splitlines(keepends=True) for path in segments.files(log)}


def test_what_mlids_wrote_is_right(log):
    found = verify(log)
    assert found.ok, found
    assert (found.records, found.first, found.last) == (120, 1, 120)
    assert (found.sealed, found.unsealed, found.unproved) == (120, 0, 0)
    assert found.authentic
    assert found.time.endswith("Z")


@pytest.mark.parametrize("compression", ["gzip", "zstd"])
def test_compressed_segments_are_read(tmp_path, compression):
    log = written(tmp_path / "logs", compression=compression)
    assert any(path.suffix != ".jsonl" for path in segments.sealed(log))
    assert verify(log).records == 120


def test_the_first_key_may_be_elsewhere(log):
    taken = keys(log / "seals" / VERIFY)
    (log / "seals" / VERIFY).unlink()
    found = verify(log)
    assert found.ok
    assert not found.authentic
    assert found.notes
    assert verify(log, keys=taken).authentic
    wrong = verify(log, keys={0: b"x" * 32})
    assert wrong.bad == "seal 0 is not signed with its key"


def place(log, rng):
    """A random record: its file, its index there, all lines of the log by file."""
    lines = contents(log)
    path = rng.choice([path for path, has in lines.items() if len(has) > 2])
    return path, rng.randrange(len(lines[path])), lines


def put(path, lines):
    path.write_bytes(b"".join(lines))


def edit(log, rng):
    path, at, lines = place(log, rng)
    line = bytearray(lines[path][at])
    spot = rng.randrange(len(line) - 1)
    line[spot] ^= 1 << rng.randrange(7)
    lines[path][at] = bytes(line)
    put(path, lines[path])
    return number(lines, path, at)


def delete(log, rng):
    path, at, lines = place(log, rng)
    due = number(lines, path, at)
    del lines[path][at]
    put(path, lines[path])
    return due


def insert(log, rng):
    path, at, lines = place(log, rng)
    due = number(lines, path, at)
    forged = event(details={"ip": "203.0.113.9"}).stamped().encoded() + b"\n"
    copied = rng.choice([forged, rng.choice(lines[path]), lines[path][at]])
    lines[path].insert(at, copied)
    put(path, lines[path])
    # A copy of the record itself in its own place is only noticed as the next one.
    return due + 1 if copied == lines[path][at + 1] else due


def reorder(log, rng):
    path, at, lines = place(log, rng)
    other = (at + 1 + rng.randrange(len(lines[path]) - 1)) % len(lines[path])
    due = number(lines, path, min(at, other))
    lines[path][at], lines[path][other] = lines[path][other], lines[path][at]
    put(path, lines[path])
    return due


def cut_tail(log, rng):
    lines = contents(log)
    path = list(lines)[-1]
    kept = rng.randrange(len(lines[path]))
    due = number(lines, path, kept)
    put(path, lines[path][:kept])
    return due


def drop_segment(log, rng):
    lines = contents(log)
    path = rng.choice(list(lines))
    path.unlink()
    return number(lines, path, 0)


def reseal(log, rng):
    """Change a record, make the chain anew behind it, and seal that with what is there."""
    path, at, lines = place(log, rng)
    due = number(lines, path, at)
    every = [line for has in lines.values() for line in has]
    every[due - 1] = event(details={"user": "nobody"}).stamped().encoded() + b"\n"
    end = claimed(every[due - 2]) if due > 1 else Link()
    new = every[: due - 1]
    for line in every[due - 1 :]:
        end, data = extend(end, [bare(line)])
        new.append(data)
    for path, has in lines.items():
        put(path, new[: len(has)])
        del new[: len(has)]
    links = {claimed(line).seq: claimed(line) for line in every_line(log)}
    forged = []
    for seal in Seals(log / "seals").read():
        if seal.seq >= due:
            chain = links[seal.seq].digest
            seal = Seal(seal.number, seal.time, seal.seq, chain).signed(rng.randbytes(32))
        forged.append(seal)
    write_seals(log, forged)
    return


def unseal(log, rng):
    """Take the last seals away, and the records they vouch for."""
    seals = list(Seals(log / "seals").read())
    kept = seals[: rng.randrange(len(seals) - 1)]
    write_seals(log, kept)
    reached = kept[-1].seq if kept else 0
    for path, has in contents(log).items():
        put(path, [line for line in has if claimed(line).seq <= reached])
    if rng.random() < 0.5:  # a thief who knows how it is made sets the number back too
        number, key = stored_key(log / "seals")
        back = f"{len(kept)} {key.hex()}\n"
        (log / "seals" / KEY).chmod(0o600)
        (log / "seals" / KEY).write_text(back)
        assert number != len(kept)
    elif rng.random() < 0.3:
        shutil.rmtree(log / "seals")
    return


def every_line(log):
    return [line for has in contents(log).values() for line in has]


def write_seals(log, seals):
    lines = (msgspec.json.encode(seal) + b"\n" for seal in seals)
    (log / "seals" / FILE).write_bytes(b"".join(lines))


def number(lines, path, at):
    """The number of a record by its place."""
    before = 0
    for one, has in lines.items():
        if one == path:
            return before + at + 1
        before += len(has)
    raise AssertionError(path)


KINDS = [edit, delete, insert, reorder, cut_tail, drop_segment, reseal, unseal]


@pytest.mark.parametrize("tamper", KINDS)
def test_every_tampering_is_found_and_the_first_bad_record_named(original, tmp_path, tamper):
    taken = keys(original / "seals" / VERIFY)  # and kept on another machine
    for seed in range(125):  # a thousand in all
        log = shutil.copytree(original, tmp_path / f"{seed}")
        due = tamper(log, random.Random(seed))
        found = verify(log, keys=taken)
        assert not found.ok, (tamper, seed)
        assert found.bad
        if due:
            assert str(due) in found.bad, (seed, due, found)
        shutil.rmtree(log)


def test_a_record_of_ones_own_behind_the_last_is_found(log):
    last = claimed(every_line(log)[-1])
    _, data = extend(last, [event().stamped().encoded()])
    with (log / segments.OPEN).open("ab") as file:
        file.write(data)
    found = verify(log)
    assert found.ok  # as after a crash within seconds: it hangs on the chain, but no seal vouches
    assert found.unsealed == 1


def test_the_store_goes_on_behind_what_was_cut(log):
    lines = every_line(log)
    (log / segments.OPEN).write_bytes(b"")
    told = []
    store = EventStore(log, tell=told.append)
    store.append(event().stamped().encoded())
    store.close()
    assert "sealed and are gone" in str(told[0])
    assert claimed(every_line(log)[-1]).seq == len(lines) + 1
    assert "missing" in verify(log).bad


def test_only_what_is_new_can_be_verified(log):
    old, *others = segments.files(log)
    day = 1_700_000_000

    def date():
        for n, path in enumerate([old, *others]):
            os.utime(path, (day + n, day + n))

    date()
    found = verify(log, since_ns=int((day + 0.5) * 1e9))
    assert found.ok
    assert found.records == 120 - len(old.read_bytes().splitlines())
    put(old, old.read_bytes().splitlines(keepends=True)[1:])
    date()
    assert verify(log, since_ns=int((day + 0.5) * 1e9)).ok
    put(others[1], others[1].read_bytes().splitlines(keepends=True)[1:])
    date()
    assert not verify(log, since_ns=int((day + 0.5) * 1e9)).ok


def aged(log, days):
    for path in segments.sealed(log):
        moment = time.time() - days * DAY_S
        os.utime(path, (moment, moment))


def apply(log, policy):
    store = EventStore(log)
    store.open()
    retention = Retention(log, policy, store.sealer)
    steps = list(retention.due(time.time()))
    for step in steps:
        retention.carry_out(step)
    store.close()
    return steps


@pytest.mark.parametrize("compression", ["none", "zstd"])
def test_what_retention_did_is_understood(tmp_path, compression):
    log = written(tmp_path / "logs", compression=compression)
    aged(log, 40)
    count = len(segments.sealed(log))
    policy = Policy(days=90, by_severity={"LOW": 30})
    assert len(apply(log, policy)) == count
    assert apply(log, policy) == []
    kept = [line for path in segments.sealed(log) for line in segments.lines(path)]
    assert kept
    assert not any(b'"LOW"' in line for line in kept)
    found = verify(log)
    assert found.ok, found
    assert found.thinned == count
    aged(log, 91)
    assert len(apply(log, policy)) == count
    assert segments.sealed(log) == []
    found = verify(log)
    assert found.ok, found
    assert found.removed == count


def test_a_thinned_segment_can_be_tampered_with_no_more_than_another(tmp_path):
    log = written(tmp_path / "logs")
    aged(log, 40)
    apply(log, Policy(by_severity={"LOW": 30}))
    path = segments.sealed(log)[0]
    put(path, path.read_bytes().splitlines(keepends=True)[1:])
    assert not verify(log).ok


def test_a_segment_removed_without_retention_is_missed(tmp_path):
    log = written(tmp_path / "logs")
    aged(log, 40)
    first = segments.sealed(log)[0]
    size = sum(path.stat().st_size for path in segments.sealed(log))
    apply(log, Policy(max_bytes=size - 1))
    assert not first.exists()
    assert verify(log).ok
    segments.sealed(log)[0].unlink()
    assert "missing" in verify(log).bad


def test_lines_from_before_the_chain_are_counted(tmp_path):
    log = tmp_path / "logs"
    log.mkdir()
    (log / segments.OPEN).write_bytes(event().stamped().encoded() + b"\n")
    written(log, runs=1)
    found = verify(log)
    assert found.ok
    assert found.unproved == 1


def test_a_seal_that_a_crash_tore_is_no_tampering(tmp_path):
    log = written(tmp_path / "logs", runs=1)
    with (log / "seals" / FILE).open("ab") as file:
        file.write(b'{"number": 99, "ti')
    written(log, runs=1)
    found = verify(log)
    assert found.ok, found
    assert any("no seal" in note for note in found.notes)


def test_a_crash_between_a_seal_and_its_next_key_is_no_tampering(tmp_path):
    log = written(tmp_path / "logs", runs=1)
    seals = Seals(log / "seals")
    before = (log / "seals" / KEY).read_text()
    seals.open()
    seals.add(claimed(every_line(log)[-1]), "2025-01-13T10:30:45Z")
    (log / "seals" / KEY).write_text(before)
    assert verify(log).ok
    written(log, runs=1)
    assert verify(log).ok


def test_a_lost_key_is_told_to_who_holds_the_first(tmp_path):
    log = written(tmp_path / "logs", runs=1)
    first = keys(log / "seals" / VERIFY)
    (log / "seals" / KEY).unlink()
    assert "gone" in verify(log).bad
    written(log, runs=1)
    assert verify(log).ok  # both keys are here
    assert not verify(log, keys=first).ok


def test_no_log_is_no_fault(tmp_path):
    found = verify(tmp_path)
    assert found.ok
    assert found.records == 0


def test_keys_only_go_forward():
    assert following(following(b"a" * 32)) == following(b"a" * 32, 2)
    assert following(b"a" * 32) != b"a" * 32


def test_a_log_whose_first_seal_is_of_no_record_is_right(tmp_path):
    store = EventStore(tmp_path)
    store.open()
    store.append(event().stamped().encoded())
    store.flush()
    found = verify(tmp_path)
    store.close()
    assert found.ok and found.unsealed == 1


def test_what_is_new_can_be_verified_behind_what_was_thinned(tmp_path):
    log = written(tmp_path / "logs")
    aged(log, 40)
    apply(log, Policy(by_severity={"LOW": 30, "MEDIUM": 30, "HIGH": 30}))
    for path in segments.sealed(log)[2:]:
        os.utime(path)
    found = verify(log, since_ns=time.time_ns() - DAY_S * 10**9)
    assert found.ok, found


def test_a_segment_is_thinned_twice_and_a_crash_comes_before_it_is_done(tmp_path):
    log = written(tmp_path / "logs")
    aged(log, 40)
    apply(log, Policy(by_severity={"LOW": 30}))
    before = {path: path.read_bytes() for path in segments.sealed(log)}
    apply(log, Policy(by_severity={"LOW": 30, "MEDIUM": 30}))
    assert verify(log).ok
    last = segments.sealed(log)[-1]
    last.write_bytes(before[last])
    assert verify(log).ok


def test_lines_from_before_the_chain_may_be_thinned(tmp_path):
    log = written(tmp_path / "logs")
    old = log / "mlids-20200101T000000Z-1.jsonl"
    old.write_bytes(b"".join(event(severity=name).encoded() + b"\n" for name in SEVERITIES))
    aged(log, 40)
    apply(log, Policy(by_severity={"LOW": 30}))
    found = verify(log)
    assert found.ok, found
    assert found.unproved == 2


@pytest.mark.parametrize("since_ns", [0, 10**18 * 4])
def test_a_damaged_segment_is_named(tmp_path, since_ns):
    log = written(tmp_path / "logs", compression="zstd")
    path = segments.sealed(log)[-1]
    path.write_bytes(path.read_bytes()[:-5])
    found = verify(log, since_ns=since_ns)
    assert not found.ok
    assert path.name in found.bad


def test_seals_that_are_made_while_it_reads_are_no_fault(log, monkeypatch):
    real, seals = Seals.read, Seals(log / "seals")
    seals.open()

    def reading(self):
        yield from real(self)
        monkeypatch.undo()
        for _ in range(3):
            seals.add(seals.last.link, "2025-01-13T10:30:45Z")

    monkeypatch.setattr(Seals, "read", reading)
    assert verify(log).ok
    assert verify(log).ok


@pytest.mark.parametrize("policy", [Policy(days=30), Policy(by_severity={"LOW": 30})])
def test_retention_that_works_while_it_reads_is_no_fault(tmp_path, monkeypatch, policy):
    log = written(tmp_path / "logs")
    aged(log, 40)
    real, store = segments.listed, EventStore(log)
    store.open()

    def listing(folder):
        found = real(folder)
        monkeypatch.undo()
        retention = Retention(log, policy, store.sealer)
        for step in list(retention.due(time.time())):
            retention.carry_out(step)
        return found

    monkeypatch.setattr(segments, "listed", listing)
    found = verify(log)
    store.close()
    assert found.ok, found
    assert found.removed + found.thinned > 3
