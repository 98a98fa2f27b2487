"""One event of each type of the house, and events that attack whoever exports them.

``python -m tests.exports.examples`` writes the golden files anew; read the difference.
"""

from pathlib import Path

from hypothesis import strategies as st

from mlids import __version__, exports
from mlids.events import TYPES, Event
from mlids.testing import START_NS
from mlids.volume import NS

GOLDEN = Path(__file__).parent / "golden"
SCANNER, SERVER, SIX = "203.0.113.9", "192.0.2.10", "2001:db8::9"
SHA = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0bd5c5e9d1e8a1d5a1f0a8"
STATE = {"sha256": SHA, "size": 4, "mode": "-rw-r--r--", "uid": 0, "gid": 0}
WEB = {"ip": SCANNER, "target": SERVER, "port": 80, "protocol": "TCP"}
LOGIN = {"ip": SIX, "port": 50022, "protocol": "TCP", "user": "root", "service": "sshd"}

# Type: rule, techniques, details.
GIVEN = {
    "Port Scan": (
        "port_scan/vertical",
        ["T1046", "T1595.001"],
        {
            "ip": SCANNER,
            "target": SERVER,
            "port": 22,
            "protocol": "TCP",
            "metadata": {"technique": "vertical", "ports": [22, 23], "seconds": 12.5},
            "suppressed": 41,
        },
    ),
    "DoS Attack": (
        "flood/syn",
        ["T1499.001"],
        {"target": SERVER, "port": 443, "protocol": "TCP", "metadata": {"sources": [SCANNER]}},
    ),
    "Packet Anomaly": ("packet_anomaly", [], {"ip": SIX, "target": SIX, "protocol": "ICMPv6"}),
    "Rogue AP": ("rogue_ap", ["T1557"], {"target": "Lobby", "protocol": "802.11", "bssid": "02:0"}),
    "ARP Spoofing": ("arp_spoof", ["T1557.002"], {"ip": SERVER, "protocol": "ARP"}),
    "DNS Tunneling": ("dns_tunnel", ["T1071.004"], {"ip": SERVER, "port": 53, "protocol": "DNS"}),
    "New Device": ("device/new", [], {"ip": SERVER, "mac": "02:00:00:00:00:01"}),
    "File Created": ("integrity", [], {"path": "/srv/new.php"}),
    "File Modified": (
        "integrity",
        ["T1565.001"],
        {"path": "/etc/passwd", "user": "bob", "metadata": {"before": None, "after": STATE}},
    ),
    "File Deleted": ("integrity", ["T1070.004"], {"path": "/var/log/auth.log"}),
    "File Access": ("integrity", [], {"path": "/"}),
    "Integrity Violation": ("integrity", [], {"path": "bin/ls", "metadata": {"after": STATE}}),
    "Package Update": ("integrity", [], {"path": "/usr/bin/curl", "ip": SERVER}),
    "Failed Login": ("login/sshd", ["T1110.001"], {**LOGIN, "target": "web-1"}),
    "Successful Login": ("login/sshd", [], LOGIN),
    "Suspicious Login": (
        "impossible_travel",
        ["T1078"],
        {"ip": SCANNER, "port": 4711, "user": "b"},
    ),
    "Brute Force": (
        "brute_force/guessing",
        ["T1110.001", "T1087"],
        {"ip": SCANNER, "user": "root"},
    ),
    "SQL Injection": ("sql_injection/union", ["T1190"], {**WEB, "metadata": {"method": "GET"}}),
    "XSS": ("xss/script", ["T1189"], WEB),
    "Command Injection": ("command_injection/pipe", ["T1190", "T1059.004"], WEB),
    "Path Traversal": ("path_traversal/dots", ["T1190"], WEB),
    "Web Scan": ("web_scan/nikto", ["T1595.002"], WEB),
    "Rule Match": ("sigma/0815", ["T9999"], {"user": "eve", "process": "/bin/sh"}),
    "Anomaly Detected": ("anomaly", [], {"metadata": {"observed": 90, "usual": 3}}),
    "Threshold Exceeded": ("threshold/logins", [], {"ip": SCANNER, "metadata": {"seen": 20}}),
    "Incident": ("incident", ["T1110.001", "T1078"], {"ip": SCANNER, "user": "root"}),
    "Monitoring Gap": ("mlids", [], {"metadata": {"lost": 12}}),
    "Configuration Changed": ("mlids", [], {"path": "/etc/mlids/config.yaml"}),
    "Events Suppressed": ("mlids", [], {"suppressed": 100}),
    "Log Retention": ("mlids", [], {"metadata": {"deleted": ["mlids.1.jsonl"]}}),
    "Service Started": ("mlids", [], {"inputs": ["network"]}),
    "Service Stopped": ("mlids", [], {}),
}


def example(type: str, number: int = 0) -> Event:
    """A stored event of a type, the same in each run."""
    severity, source = TYPES[type]
    rule, techniques, details = GIVEN[type]
    made = Event.new(
        type,
        severity,
        source,
        {**details, "description": f"{type} | seen = 1"},
        time_ns=START_NS + number * NS,
        rule=rule,
        techniques=techniques,
        tags=["test"] if number % 2 else [],
        confidence=0.5,
        evidence=[{"source": "/var/log/auth.log", "line": number + 1}],
        explanation="3 in 60 s, threshold 2",
        correlation_id=f"00000000-0000-4000-8000-{number:012}",
    )
    return made.replace(id=f"11111111-0000-4000-8000-{number:012}", host="station")


EXAMPLES = [example(type, number) for number, type in enumerate(TYPES)]


def exported(name: str, events=EXAMPLES) -> bytes:
    """What a format makes of events, without the version of MLIDS, which changes."""
    return b"".join(exports.render(name, events)).replace(__version__.encode(), b"VERSION")


ATTACKS = [
    "=cmd|' /C calc'!A1",
    "+1", "-2+3", "@SUM(A1)", "\t=1", "\uff1d1",
    "a|b\\|c\\", "k=v spt=22\\=", "]x[mlids@1 a=\"b\"]", '"]\\',
    "line\nCEF:0|x|x|x|x|x|9|\r\nnext", "\x85\u2028\u2029\x0b\x0c",
    "\x1b]0;owned\x07\x1b[2J\x9b31m\x08\x7f\x00",
    "\u202egnp.exe\u2066\u200b\ufeff\U000e0041",
    "\ud800\udfff", "Zoë 明日香", " ", "", "unknown", "a" * 5000, "../../etc/passwd\x00/",
    "fe80::1%eth0", "::ffff:192.0.2.1", "192.0.2.1", "256.1.1.1", "T1110.001", "T1110.001/../x",
]  # fmt: skip
TEXTS = st.one_of(st.sampled_from(ATTACKS), st.text(st.characters(), max_size=40))
NUMBERS = st.one_of(
    st.integers(-(10**40), 10**40), st.integers(-1, 70000), st.floats(), st.booleans()
)
VALUES = st.recursive(
    st.one_of(TEXTS, NUMBERS, st.none()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)
_KEYS = (
    "ip", "target", "port", "protocol", "user", "path", "service", "description", "metadata",
    "suppressed",
)  # fmt: skip


@st.composite
def hostile(draw) -> Event:
    """An event that a store holds (`mlids.records.is_whole`), whose every value is the worst."""
    details = {key: draw(TEXTS | VALUES) for key in _KEYS if draw(st.booleans())}
    if draw(st.booleans()):
        details["metadata"] = {
            "seconds": draw(NUMBERS),
            "sources": draw(VALUES),
            "after": draw(VALUES),
        }
    made = Event.new(
        draw(st.sampled_from(list(TYPES)) | TEXTS),
        draw(st.sampled_from(["LOW", "MEDIUM", "HIGH", "CRITICAL"])),
        draw(TEXTS),
        details,
        time_ns=draw(st.integers(0, 2 * 10**18)),
        rule=draw(TEXTS),
        techniques=draw(st.lists(TEXTS, max_size=3)),
        tags=draw(st.lists(TEXTS, max_size=3)),
        explanation=draw(TEXTS),
    )
    odd = {
        key: draw(VALUES)
        for key in ("rule", "tags", "evidence", "confidence", "x")
        if draw(st.booleans())
    }
    return made.replace(**odd, id=draw(TEXTS), host=draw(TEXTS))


if __name__ == "__main__":
    GOLDEN.mkdir(exist_ok=True)
    for each in exports.NAMES:
        (GOLDEN / f"{each}.{exports.ENDINGS[each].rpartition('.')[2]}").write_bytes(exported(each))
