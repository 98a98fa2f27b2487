from mlids.correlation import stories
from mlids.correlation.signs import sign
from mlids.correlation.trails import Trail
from mlids.testing import START_NS, event


def trail(name="user eve@gate", ip=""):
    made = Trail(name, START_NS, START_NS, ip, incident="the id", reason="a test")
    for n, technique in enumerate(["T1110", "T1078", "T1609"]):
        one = event(
            "Rule Match",
            "HIGH",
            seconds=n,
            techniques=[technique],
            evidence=[{"source": "s", "line": n}],
        )
        made.add(sign(one.stamped()))
    return made


def test_the_story_names_entity_stages_and_events():
    story = stories.incident(trail(), START_NS)
    assert story.details["user"] == "eve"
    assert "credential-access → initial-access → execution" in story.details["description"]
    assert story.severity == "CRITICAL"
    assert story.correlation_id == "the id"
    assert story.techniques == ["T1110", "T1078", "T1609"]
    assert story.evidence == [{"source": "s", "line": n} for n in (2, 1, 0)]
    assert (
        story.details["metadata"]["stages"][2]["technique_name"]
        == "Container Administration Command"
    )
    assert len(story.details["metadata"]["events"]) == 3


def test_an_entity_is_said_as_events_say_it():
    assert stories.incident(trail("192.0.2.7", "192.0.2.7"), START_NS).entity == "192.0.2.7"
    assert stories.incident(trail("path /etc/x"), START_NS).entity == "/etc/x"
    assert stories.incident(trail("host gate"), START_NS).entity == "gate"


def test_a_story_does_not_change_when_its_trail_goes_on():
    one = trail()
    story = stories.incident(one, START_NS)
    before = story.encoded()
    one.add(sign(event("XSS").stamped()))
    assert story.replace().encoded() == before


def test_the_identity_is_the_same_at_every_replay():
    assert stories.identity(trail()) == stories.identity(trail())
    assert stories.identity(trail()) != stories.identity(trail("host gate"))
