from mlids.sigma import events
from mlids.sigma.correlation import Firing
from mlids.volume import Telling


def hit(made, record, logsource="product: shop", format="json_lines", detection="a: x"):
    head = (
        "title: Odd thing\nid: 6a1f0f5e-0000-4000-8000-000000000001\nstatus: stable\nlevel: high\n"
        "tags: [attack.t1059]\n"
    )
    engine = made.engine(made.rule(detection, logsource, head))
    batch = made.batch(record, format=made.JsonFormat(format))
    (found,) = engine.kind(batch).hits(batch)
    return found


def test_a_match_is_a_whole_event(made):
    found = hit(made, {"a": "x", "src_ip": "::ffff:192.0.2.7", "user": "eve"})
    event = events.match_event(found, made.START_NS, [{"source": "shop.log", "line": 1}], 3)
    assert (event.type, event.severity, event.source) == ("Rule Match", "HIGH", "application")
    assert event.rule == "sigma/6a1f0f5e-0000-4000-8000-000000000001"
    assert event.techniques == ["T1059"]
    assert event.details["ip"] == "192.0.2.7"
    assert event.details["user"] == "eve"
    assert event.details["suppressed"] == 3
    assert event.details["metadata"]["title"] == "Odd thing"
    assert event.details["metadata"]["fields"] == {"a": "x"}
    assert event.confidence == 0.9
    assert "Odd thing" in event.explanation
    assert event.timestamp == "2025-01-13T10:30:45.000000Z"


def test_no_address_is_blamed_that_an_attacker_writes(made):
    web = hit(
        made,
        {"src": "192.0.2.7", "agent": "x", "referrer": "203.0.113.9", "target": "/?ip=203.0.113.9"},
        "category: webserver",
        "nginx",
        "cs-user-agent: x",
    )
    assert events.address(web.view) == "192.0.2.7"
    plain = hit(
        made,
        {"message": "x from 203.0.113.9", "src": "203.0.113.9", "ip": "203.0.113.9"},
        "product: linux",
        "syslog",
        "message|contains: x",
    )
    assert events.address(plain.view) == ""
    cluster = hit(
        made,
        {"verb": "get", "sourceIPs": ["203.0.113.9", "192.0.2.7"]},
        "product: kubernetes\n  service: audit",
        "k8s_audit",
        "verb: get",
    )
    assert events.address(cluster.view) == "192.0.2.7"  # those before the last are the client's
    cloud = hit(
        made,
        {"eventName": "x", "sourceIPAddress": "AWS Internal"},
        "product: aws\n  service: cloudtrail",
        "cloudtrail",
        "eventName: x",
    )
    assert events.address(cloud.view) == ""


def test_a_correlation_says_what_it_counted(made):
    text = made.rule("a: x", head="title: Base\nname: base\nid: base\n") + (
        "---\ntitle: Many\nid: many\nlevel: critical\ncorrelation:\n  type: event_count\n"
        "  rules: base\n  group-by: [src_ip]\n  timespan: 5m\n  condition:\n    gte: 10\n"
    )
    chain = made.engine(text).rules.chains[0]
    firing = Firing(chain, ("192.0.2.7",), made.START_NS, 10, [{"line": 9}], "192.0.2.7", "eve")
    event = events.chain_event(firing, Telling(("192.0.2.7",), 0, made.START_NS, 10, 4))
    assert (event.severity, event.rule) == ("CRITICAL", "sigma/many")
    assert event.details["ip"] == "192.0.2.7"
    assert "user" not in event.details  # the group is not of one user
    assert event.details["suppressed"] == 4
    metadata = event.details["metadata"]
    assert (metadata["observed"], metadata["threshold"], metadata["window_s"]) == (10, 10, 300)
    assert "at least 10" in event.explanation
    other = events.chain_event(firing._replace(ip="192.0.2.9"), Telling((), 0, 0, 1, 0))
    assert "ip" not in other.details


def test_a_gap_is_of_no_alarm():
    event = events.gap_event("3 rules see nothing", {"unable": 3}, 5)
    assert (event.type, event.severity, event.source) == ("Monitoring Gap", "LOW", "system")
