"""Every modifier, on records."""

import pytest

from mlids.sigma import rules


@pytest.mark.parametrize(
    ("detection", "right", "wrong"),
    [
        ("cmd: Whoami", [{"cmd": "WHOAMI"}], [{"cmd": "whoami /all"}, {"cmd": None}, {}]),
        ("cmd|contains: sudo", [{"cmd": "x SUDO y"}], [{"cmd": "su do"}]),
        ("cmd|startswith: /tmp/", [{"cmd": "/tmp/a"}], [{"cmd": " /tmp/a"}]),
        ("cmd|endswith: .sh", [{"cmd": "run.SH"}], [{"cmd": "run.sh2"}]),
        (
            "cmd|contains|all: [curl, sh]",
            [{"cmd": "curl x | sh"}],
            [{"cmd": "curl x"}, {"cmd": "sh"}],
        ),
        ("cmd|contains|cased: CuRl", [{"cmd": "xCuRlx"}], [{"cmd": "curl"}]),
        ("cmd|cased: Curl", [{"cmd": "Curl"}], [{"cmd": "curl"}]),
        ("cmd: 'curl*evil'", [{"cmd": "curl -s evil"}], [{"cmd": "curl evil.org"}]),
        ("cmd: 'c?rl'", [{"cmd": "cUrl"}, {"cmd": "carl"}], [{"cmd": "crl"}]),
        (r"cmd: 'a\*b'", [{"cmd": "a*b"}], [{"cmd": "axb"}]),
        (r"cmd: 'a\\\\b'", [{"cmd": "a\\\\b"}], [{"cmd": "ab"}]),
        (r"cmd: 'c:\dir'", [{"cmd": "C:\\Dir"}], [{"cmd": "c:dir"}]),
        ("cmd: '*'", [{"cmd": "x"}, {"cmd": ""}], [{}, {"cmd": None}]),
        ("cmd: ''", [{"cmd": ""}], [{}, {"cmd": "x"}, {"cmd": None}]),
        ("cmd: null", [{}, {"cmd": None}], [{"cmd": ""}, {"cmd": "x"}]),
        ("cmd|exists: true", [{"cmd": None}, {"cmd": "x"}], [{}]),
        ("cmd|exists: false", [{}], [{"cmd": None}, {"cmd": "x"}]),
        ("code: 404", [{"code": 404}, {"code": "404"}], [{"code": 4040}, {"code": "x404"}]),
        ("code: 4.5", [{"code": 4.5}, {"code": "4.5"}], [{"code": 4}]),
        ("flag: true", [{"flag": True}, {"flag": "True"}], [{"flag": False}, {}]),
        ("flag: No", [{"flag": "No"}, {"flag": False}], [{"flag": "Yes"}]),
        ("code|gt: 10", [{"code": 11}, {"code": "11.5"}], [{"code": 10}, {"code": "x"}, {}]),
        ("code|gte: 10", [{"code": 10}], [{"code": 9}]),
        ("code|lt: 10", [{"code": -1}], [{"code": 10}]),
        ("code|lte: 10", [{"code": 10}], [{"code": 11}]),
        ("cmd|neq: root", [{"cmd": "bob"}, {}], [{"cmd": "ROOT"}]),
        ("cmd|contains|neq: root", [{"cmd": "bob"}], [{"cmd": "xrootx"}]),
        (
            "ip|cidr: [10.0.0.0/8, '2001:db8::/32']",
            [{"ip": "10.2.3.4"}, {"ip": "2001:db8::7"}],
            [{"ip": "192.0.2.1"}, {"ip": "junk"}],
        ),
        (r"cmd|re: 'cu[rR]l\s+-s'", [{"cmd": "x cuRl  -s"}], [{"cmd": "CURL -s"}]),
        (r"cmd|re|i: 'curl\s'", [{"cmd": "CURL x"}], [{"cmd": "curlx"}]),
        (r"cmd|re|m: '^b$'", [{"cmd": "a\nb"}], [{"cmd": "ab"}]),
        ("cmd|re|s: 'a.b'", [{"cmd": "a\nb"}], [{"cmd": "ab"}]),
        ("cmd|re|startswith: 'b+'", [{"cmd": "bba"}], [{"cmd": "abb"}]),
        ("cmd|re: '(a)x\\1'", [{"cmd": "axa"}], [{"cmd": "axb"}]),
        (
            "cmd|windash|contains: ' -enc '",
            [{"cmd": "p /enc x"}, {"cmd": "p -enc x"}, {"cmd": "p \u2013enc x"}],
            [{"cmd": "p enc x"}],
        ),
        ("user|fieldref: owner", [{"user": "A", "owner": "a"}], [{"user": "a", "owner": "b"}, {}]),
        ("path|fieldref|startswith: home", [{"path": "/h/x", "home": "/h"}], [{"path": "/x"}]),
        ("at|hour: 10", [{"at": "2025-01-13T10:30:45Z"}], [{"at": "2025-01-13T11:30:45Z"}]),
        ("at|month: 1", [{"at": "2025-01-13"}], [{"at": "2025-02-13"}, {"at": "junk"}]),
        ("at|hour|gte: 22", [{"at": "2025-01-13T23:00:00Z"}], [{"at": "2025-01-13T10:00:00Z"}]),
        ("list: b", [{"list": ["a", "b"]}], [{"list": ["a"]}, {"list": []}]),
        ("a.b.c: x", [{"a": {"b": {"c": "X"}}}, {"a.b.c": "x"}, {"a": {"b.c": "x"}}], [{"a": 1}]),
        ("a.b: x", [{"a": [{"b": "x"}, {"b": "y"}]}], [{"a": [{"b": "y"}]}]),
        ("a|contains: deep", [{"a": {"b": ["deep"]}}], [{"b": "deep"}]),
    ],
)
def test_modifiers(made, detection, right, wrong):
    assert made.matches(detection, *right, *wrong) == [True] * len(right) + [False] * len(wrong)


def test_keywords_are_searched_everywhere_in_the_line(made):
    records = [
        {"a": "x SegFault y"},
        {"b": {"c": ["segfault"]}},
        '{"a": "seg\\u0066ault"}',
        {"a": "seg", "b": "fault"},
    ]
    assert made.matches("selection:\n  - segfault\n  - other\ncondition: selection", *records) == [
        True,
        True,
        True,
        False,
    ]


def test_keywords_that_must_all_be_there_and_wildcards(made):
    every = "selection:\n  '|all':\n    - one\n    - two\ncondition: selection"
    assert made.matches(every, {"a": "one", "b": "TWO"}, {"a": "one"}) == [True, False]
    wild = "selection:\n  - 'rm*cron'\ncondition: selection"
    assert made.matches(wild, {"a": "rm /etc/cron.d"}, {"a": "cron rm"}) == [True, False]
    pattern = "selection:\n  '|re': 'x[0-9]y'\ncondition: selection"
    assert made.matches(pattern, {"a": "x5y"}, {"a": "xy"}) == [True, False]


BOTH = "one:\n  a: x\ntwo:\n  b: y\nother:\n  c: z\n"


@pytest.mark.parametrize(
    ("condition", "right"),
    [
        ("one and two", [True, False, False, False]),
        ("one or two", [True, True, False, False]),
        ("1 of them", [True, True, True, False]),
        ("any of them", [True, True, True, False]),
        ("all of them", [False, False, False, False]),
        ("1 of t*", [True, False, False, False]),
        ("not one", [False, False, True, True]),
        ("one and not two", [False, True, False, False]),
        ("not (one or other)", [False, False, False, True]),
        ("[one and two, other]", [True, False, True, False]),
    ],
)
def test_conditions(made, condition, right):
    records = [{"a": "x", "b": "y"}, {"a": "x"}, {"c": "z"}, {"d": "x"}]
    assert made.matches(f"{BOTH}condition: {condition}", *records) == right


def test_lists_of_selections_are_alternatives(made):
    detection = "selection:\n  - a: x\n    b: y\n  - c: z\ncondition: selection"
    assert made.matches(detection, {"a": "x", "b": "y"}, {"c": "z"}, {"a": "x"}) == [
        True,
        True,
        False,
    ]


def test_placeholders_are_filled_in_or_the_rule_is_refused(made):
    detection = "user|expand: '%admins%'"
    records = [{"user": "Alice"}, {"user": "bob"}, {"user": "%admins%"}]
    given = {"admins": ["alice", "eve"]}
    assert made.matches(detection, *records, placeholders=given) == [True, False, False]
    assert made.matches("user|contains|expand: 'x%admins%'", {"user": "axeve"}, placeholders=given)
    known = rules.parse(made.rule(detection))
    assert not known.rules
    assert "placeholder %admins%" in str(known.problems[0])


@pytest.mark.parametrize(
    ("detection", "reason"),
    [
        ("a|frobnicate: x", "frobnicate"),
        ("one:\n  a: x\ncondition: two", "two"),
        ("one:\n  a: x\ncondition: one and", ""),
        ("one:\n  a: x\ncondition: one | count() > 5", "pipe"),
        ("one:\n  a: x\ncondition: 1 of nothing*", "no detection is called"),
        ("a|re: '('", ""),
        ("a|cidr: 10.0.0.0/64", ""),
        ("a|gt: text", ""),
        ("a|contains: 5", ""),
        ("one:\n  - ''\ncondition: one", "every line"),
        ("one:\n  - null\ncondition: one", "keyword"),
        ("one: {}\ncondition: one", "empty"),
        ("a|base64: 'x*y'", ""),
        ("a: 2025-01-13", "type"),
    ],
)
def test_what_cannot_be_used_is_refused_with_the_reason(made, detection, reason):
    known = rules.parse(made.rule(detection))
    assert not known.rules
    assert reason.lower() in known.problems[0].reason.lower()
    assert known.problems[0].line > 0


def test_deep_conditions_do_not_end_the_process(made):
    known = rules.parse(made.rule(f"one:\n  a: x\ncondition: {'not (' * 300}one{')' * 300}"))
    assert known.problems
    assert not known.rules
