import time

from mlids import sealing
from mlids.proofs import Link
from mlids.sealing import Sealer
from mlids.seals import Seals

A, B = Link(1, "a" * 32), Link(2, "b" * 32)


def waited(condition):
    deadline = time.monotonic() + 5
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.01)
    return condition()


def links(folder):
    return [seal.link for seal in Seals(folder).read()]


def test_what_is_new_is_sealed_and_what_is_old_is_not_again(tmp_path):
    end = [A]
    sealer = Sealer(tmp_path, lambda: end[0], print, every_s=0.02)
    sealer.open()
    sealer.start()
    assert links(tmp_path) == [A]
    end[0] = B
    assert waited(lambda: links(tmp_path) == [A, B])
    time.sleep(0.1)
    sealer.close()
    assert links(tmp_path) == [A, B]


def test_a_seal_now_and_then_shows_that_it_runs(tmp_path, monkeypatch):
    monkeypatch.setattr(sealing, "IDLE_S", 0.05)
    sealer = Sealer(tmp_path, lambda: A, print, every_s=0.02)
    sealer.open()
    sealer.start()
    assert waited(lambda: len(links(tmp_path)) > 2)
    sealer.close()


def test_the_last_records_are_sealed_at_the_end(tmp_path):
    end = [A]
    sealer = Sealer(tmp_path, lambda: end[0], print, every_s=60)
    sealer.open()
    sealer.start()
    end[0] = B
    sealer.close()
    assert links(tmp_path) == [A, B]


def test_a_full_disk_is_told_once_and_sealing_goes_on(tmp_path, monkeypatch):
    told, full, add = [], [True], Seals.add

    def adding(self, *args, **options):
        if full[0]:
            raise OSError(28, "No space left on device")
        add(self, *args, **options)

    monkeypatch.setattr(Seals, "add", adding)
    sealer = Sealer(tmp_path, lambda: A, told.append, every_s=0.02)
    sealer.open()
    sealer.start()
    time.sleep(0.2)
    full[0] = False
    assert waited(lambda: links(tmp_path) == [A])
    sealer.close()
    assert len(told) == 1
    assert told[0].code == "E106"


def test_a_step_of_retention_is_entered_at_once(tmp_path):
    sealer = Sealer(tmp_path, lambda: None, print)
    sealer.record(A, kind="removed", segment="mlids-x-1", first=1)
    (seal,) = Seals(tmp_path).read()
    assert (seal.kind, seal.segment, seal.first, seal.link) == ("removed", "mlids-x-1", 1, A)
