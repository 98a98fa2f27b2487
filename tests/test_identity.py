import os
import uuid

from mlids.identity import detection_id, host_name, random_id


def test_a_detection_has_the_same_id_at_every_replay():
    assert detection_id("a", 1) == detection_id("a", 1)
    assert detection_id("a", 1) != detection_id("a1")
    assert detection_id("a", 1) == str(uuid.uuid5(uuid.NAMESPACE_OID, "a\x1f1"))


def test_random_ids_are_random_uuids():
    ids = {random_id() for _ in range(1000)}
    assert len(ids) == 1000
    for text in ids:
        made = uuid.UUID(text)
        assert (made.version, made.variant, str(made)) == (4, uuid.RFC_4122, text)


def test_the_machine_has_a_name():
    assert host_name()


def test_a_forked_process_draws_ids_of_its_own():
    random_id()  # some are drawn ahead
    read, write = os.pipe()
    child = os.fork()
    if not child:
        os.write(write, random_id().encode())
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(read, 36).decode() != random_id()
    os.close(read)
    os.close(write)
