"""What is checked: STIX 2.1 (OASIS Standard), sections 2 to 6, by required properties and types."""

import ipaddress
import json
import re
import uuid

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlids.events import TYPES
from mlids.exports import stix
from mlids.exports.facts import stored
from mlids.exports.stix import render
from mlids.testing import event
from tests.exports.examples import EXAMPLES, SCANNER, SHA, example, hostile

DOMAIN = {"type", "spec_version", "id", "created", "modified"}
OBSERVABLE = {"type", "spec_version", "id"}
REQUIRED = {
    "identity": DOMAIN | {"name"},
    "attack-pattern": DOMAIN | {"name"},
    "indicator": DOMAIN | {"pattern", "pattern_type", "valid_from"},
    "observed-data": DOMAIN | {"first_observed", "last_observed", "number_observed", "object_refs"},
    "note": DOMAIN | {"content", "object_refs"},
    "sighting": DOMAIN | {"sighting_of_ref"},
    "ipv4-addr": OBSERVABLE | {"value"},
    "ipv6-addr": OBSERVABLE | {"value"},
    "user-account": OBSERVABLE | {"account_login"},
    "directory": OBSERVABLE | {"path"},
    "file": OBSERVABLE | {"name"},
    "network-traffic": OBSERVABLE | {"protocols"},
}
# ID Contributing Properties of the observables, section 6.
CONTRIBUTING = {
    "ipv4-addr": {"value"},
    "ipv6-addr": {"value"},
    "user-account": {"account_type", "user_id", "account_login"},
    "directory": {"path"},
    "file": {"hashes", "name", "parent_directory_ref", "extensions"},
    "network-traffic": {
        "start", "end", "src_ref", "dst_ref", "src_port", "dst_port", "protocols", "extensions",
    },
}  # fmt: skip
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.(\d+)Z")
TIMES = ("created", "modified", "valid_from", "first_observed", "last_observed", "first_seen")
NAMESPACE = uuid.UUID("00abedb4-aa42-466c-9c01-fed23315a9b7")


def bundle(events):
    content = b"".join(render(events))
    made = json.loads(content)
    assert set(made) == {"type", "objects", "id"}
    assert made["type"] == "bundle"
    check_id(made)
    assert len(content.decode().splitlines()) == len(made["objects"]) + 2
    return made


def check_id(one):
    kind, _, text = one["id"].rpartition("--")
    assert kind == one["type"]
    assert uuid.UUID(text).version == 5
    assert str(uuid.UUID(text)) == text


def check_observable(one):
    kind = one["type"]
    parts = {key: one[key] for key in sorted(CONTRIBUTING[kind] & set(one))}
    name = json.dumps(parts, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert one["id"] == f"{kind}--{uuid.uuid5(NAMESPACE, name)}"
    if kind in ("ipv4-addr", "ipv6-addr"):
        assert f"ipv{ipaddress.ip_address(one['value']).version}-addr" == kind
    if kind == "network-traffic":
        assert {"src_ref", "dst_ref"} & set(one)
        assert all(0 <= one.get(port, 0) <= 65535 for port in ("src_port", "dst_port"))


def check_domain(one):
    for key in TIMES:
        assert key not in one or TIME.fullmatch(one[key]), key
    assert len(TIME.fullmatch(one["created"])[1]) == len(TIME.fullmatch(one["modified"])[1]) == 3
    assert one["created"] <= one["modified"]
    assert one.get("first_observed", "") <= one.get("last_observed", "")
    assert one.get("first_seen", "") <= one.get("last_seen", "")
    assert 1 <= one.get("number_observed", 1) <= 999_999_999
    assert 0 <= one.get("count", 0) <= 999_999_999
    assert 0 <= one.get("confidence", 0) <= 100
    for reference in one.get("external_references", ()):
        assert reference["source_name"]
        assert {"description", "url", "external_id"} & set(reference)
    for phase in one.get("kill_chain_phases", ()):
        assert set(phase) == {"kill_chain_name", "phase_name"}


def check(made):
    known = {}
    for one in made["objects"]:
        assert set(one) >= REQUIRED[one["type"]]
        assert one["spec_version"] == "2.1"
        assert all(value not in ("", [], {}, None) for value in one.values())
        check_id(one)
        check_observable(one) if one["type"] in CONTRIBUTING else check_domain(one)
        for key, value in one.items():
            if key.endswith(("_ref", "_refs")):
                assert all(ref in known for ref in ([value] if key.endswith("_ref") else value))
        known[one["id"]] = one
        if one["type"] == "observed-data":
            assert all(known[ref]["type"] in CONTRIBUTING for ref in one["object_refs"])
        if one["type"] == "sighting":
            assert known[one["sighting_of_ref"]]["type"] in ("attack-pattern", "indicator")
            assert all(known[r]["type"] == "identity" for r in one["where_sighted_refs"])
            refs = one.get("observed_data_refs", ())
            assert all(known[r]["type"] == "observed-data" for r in refs)


def of(made, kind):
    return [one for one in made["objects"] if one["type"] == kind]


@pytest.mark.parametrize("name", TYPES)
def test_every_type_is_a_bundle_of_the_standard(name):
    made = bundle([example(name)])
    check(made)
    assert len(of(made, "observed-data")) + len(of(made, "note")) == 1


def test_all_of_them_share_what_they_have_in_common():
    made = bundle(EXAMPLES)
    check(made)
    shared = [one["id"] for one in made["objects"]]
    assert len(shared) == len(set(shared))
    assert [one["name"] for one in of(made, "identity")] == ["MLIDS", "station"]


def test_a_scan():
    made = bundle([example("Port Scan")])
    (observed,), sightings = of(made, "observed-data"), of(made, "sighting")
    assert (observed["number_observed"], observed["first_observed"][17:]) == (42, "32.500000Z")
    assert [one["value"] for one in of(made, "ipv4-addr")] == [SCANNER, "192.0.2.10"]
    (traffic,) = of(made, "network-traffic")
    assert (traffic["dst_port"], traffic["protocols"]) == (22, ["ipv4", "tcp"])
    scanning = of(made, "attack-pattern")[1]
    assert scanning["external_references"] == [
        {
            "source_name": "mitre-attack",
            "external_id": "T1595.001",
            "url": "https://attack.mitre.org/techniques/T1595/001",
        }
    ]
    assert scanning["kill_chain_phases"][0]["phase_name"] == "reconnaissance"
    assert [one["count"] for one in sightings] == [42, 42]
    assert sightings[1]["sighting_of_ref"] == scanning["id"]
    assert sightings[1]["observed_data_refs"] == [observed["id"]]


def test_an_alert_without_technique_is_a_sighting_of_its_rule():
    made = bundle([example("Integrity Violation")])
    (indicator,) = of(made, "indicator")
    assert (indicator["pattern"], indicator["pattern_type"]) == ("integrity", "mlids")
    assert of(made, "sighting")[0]["sighting_of_ref"] == indicator["id"]


def test_what_merely_happened_is_observed_and_not_sighted():
    made = bundle([example("Successful Login"), example("File Created")])
    assert not of(made, "sighting")
    assert [one["account_login"] for one in of(made, "user-account")] == ["root"]


def test_where_nothing_is_observable_there_is_a_note_about_the_host():
    made = bundle([example("Service Started")])
    (note,), host = of(made, "note"), of(made, "identity")[1]
    assert (note["abstract"], note["object_refs"]) == ("Service Started", [host["id"]])


def test_a_file_in_its_folder():
    made = bundle([example("File Modified")])
    (folder,), (file,) = of(made, "directory"), of(made, "file")
    assert (folder["path"], file["name"]) == ("/etc", "passwd")
    assert (file["hashes"], file["parent_directory_ref"]) == ({"SHA-256": SHA}, folder["id"])


def test_identifiers_of_observables_are_those_that_others_make():
    # The first is that of the example in section 2.9.
    made = bundle([event(details={"ip": "198.51.100.3", "target": "2001:db8::1"})])
    assert [one["id"] for kind in ("ipv4-addr", "ipv6-addr") for one in of(made, kind)] == [
        "ipv4-addr--28bb3599-77cd-5a82-a950-b5bc3caf07c4",
        "ipv6-addr--6469e3a9-b053-5e34-a025-9396ae051d26",
    ]


def test_memory_is_bounded_and_what_was_forgotten_is_written_again_unchanged(monkeypatch):
    monkeypatch.setattr(stix, "REMEMBERED", 10)
    ips = [f"192.0.2.{n}" for n in range(20)] * 2
    made = bundle([event(seconds=n, host="h", details={"ip": ip}) for n, ip in enumerate(ips)])
    addresses = of(made, "ipv4-addr")
    assert len(addresses) == 40
    assert addresses[:20] == addresses[20:]
    assert len(of(made, "identity")) == 2  # what is used all the time is kept


def test_the_bundle_is_named_after_its_content():
    names = [bundle(events)["id"] for events in ([], EXAMPLES[:1], EXAMPLES[:2], EXAMPLES[:2])]
    assert len(set(names)) == 3
    assert names[2] == names[3]


@settings(deadline=None)
@given(st.lists(hostile(), max_size=3))
def test_hostile_events_keep_to_the_standard_and_are_found(events):
    made = bundle(events)
    check(made)
    accounts = {one["account_login"] for one in of(made, "user-account")}
    for one in map(stored, events):
        user = one["details"].get("user")
        assert not isinstance(user, str) or not user or user in accounts
        assert not one["host"] or one["host"] in {host["name"] for host in of(made, "identity")}
