from __future__ import annotations

from mlids.formats.syslog import Syslog
from mlids.logins.attempts import Attempts
from mlids.logins.records import logins
from mlids.testing import lines

A, P = "203.0.113.7", "port 40"
PAM = "pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost="


def counted(*messages: str | tuple[int, int, str], attempts: Attempts | None = None) -> list[int]:
    """New attempts for each line that tells of a login: message, or (second, pid, message)."""
    text = []
    for n, message in enumerate(messages):
        second, pid, said = message if isinstance(message, tuple) else (n, 12, message)
        text.append(f"Jan 13 10:{second // 60:02d}:{second % 60:02d} host sshd[{pid}]: {said}")
    tally = attempts or Attempts()
    return [tally.new(login) for login in logins(lines(*text, format=Syslog(timezone="UTC")))]


def test_an_unknown_user_with_a_password_is_one_attempt():
    assert counted(
        f"Invalid user bob from {A} {P}",
        "pam_unix(sshd:auth): check pass; user unknown",
        f"{PAM}{A}",
        f"Failed password for invalid user bob from {A} {P} ssh2",
        f"Connection closed by invalid user bob {A} {P} [preauth]",
    ) == [1, 0, 0, 0]


def test_three_wrong_passwords_are_three_attempts():
    assert counted(
        f"{PAM}{A}  user=root",
        f"Failed password for root from {A} {P} ssh2",
        f"Failed password for root from {A} {P} ssh2",
        f"Failed password for root from {A} {P} ssh2",
        f"error: maximum authentication attempts exceeded for root from {A} {P} ssh2 [preauth]",
        f"Disconnecting authenticating user root {A} {P}: Too many authentication failures [preauth]",
        f"PAM 2 more authentication failures; {PAM.partition('; ')[2]}{A}  user=root",
    ) == [1, 0, 1, 1, 0, 0, 0]


def test_pam_alone_counts_what_it_says():
    more = f"PAM 2 more authentication failures; {PAM.partition('; ')[2]}{A}  user=root"
    assert counted(f"{PAM}{A}  user=root", more) == [1, 2]


def test_a_server_for_keys_only():
    assert counted(f"Connection closed by authenticating user root {A} {P} [preauth]") == [1]
    assert counted(
        f"Invalid user bob from {A} {P}",
        f"Connection reset by invalid user bob {A} {P} [preauth]",
    ) == [1, 0]


def test_offered_keys_count_once_a_connection():
    offered = f"Failed publickey for git from {A} {P} ssh2: RSA SHA256:abc"
    password = f"Failed password for git from {A} {P} ssh2"
    assert counted(offered, offered, offered, password, password) == [1, 0, 0, 0, 1]


def test_an_account_that_is_not_allowed():
    assert counted(
        f"User root from {A} not allowed because not listed in AllowUsers",
        f"Failed password for invalid user root from {A} {P} ssh2",
        f"Disconnected from invalid user root {A} {P} [preauth]",
    ) == [1, 0, 0]


def test_repeated_messages():
    failed = f"Failed password for root from {A} {P} ssh2"
    assert counted(f"{PAM}{A}  user=root", failed, f"message repeated 2 times: [ {failed}]") == [
        *(1, 0, 2)
    ]


def test_pam_in_a_process_of_its_own():
    interactive = f"Failed keyboard-interactive/pam for root from {A} {P} ssh2"
    assert counted(
        (0, 101, f"{PAM}{A}  user=root"),
        (2, 100, f"error: PAM: Authentication failure for root from {A}"),
        (2, 100, interactive),
        (3, 102, f"{PAM}{A}  user=root"),
        (5, 100, f"error: PAM: Authentication failure for root from {A}"),
        (5, 100, interactive),
    ) == [1, 0, 0, 1, 0, 0]


def test_two_connections_at_once_are_two():
    failed = f"Failed password for root from {A} {P} ssh2"
    assert (
        sum(
            counted(
                (0, 1, f"{PAM}{A}  user=root"),
                (0, 2, f"{PAM}{A}  user=root"),
                (2, 1, failed),
                (2, 2, failed),
                (3, 1, f"Connection closed by authenticating user root {A} {P} [preauth]"),
                (3, 2, f"Connection closed by authenticating user root {A} {P} [preauth]"),
            )
        )
        == 2
    )


def test_a_pid_in_use_again_is_another_connection():
    closed = f"Connection closed by authenticating user root {A} {P} [preauth]"
    other = "Connection closed by authenticating user root 198.51.100.9 port 4 [preauth]"
    assert counted((0, 1, closed), (5, 1, other), (1000, 1, closed)) == [1, 1, 1]
    assert counted((0, 1, f"Invalid user a from {A}"), (1, 1, f"Invalid user b from {A}")) == [1, 1]


def test_names_and_addresses_of_one_peer_are_one():
    assert counted(
        f"{PAM}host.example  user=root", f"Failed password for root from {A} {P} ssh2"
    ) == [1, 0]


def test_successes_always_count():
    assert counted(*[f"Accepted password for a from {A} {P} ssh2"] * 2) == [1, 1]


def test_state_survives_and_is_bounded():
    kept = Attempts(connections=3)
    counted(f"Invalid user bob from {A} {P}", attempts=kept)
    other = Attempts(connections=3)
    other.restore(kept.save())
    assert counted(
        (2, 12, f"Failed password for invalid user bob from {A} {P} ssh2"), attempts=other
    ) == [0]
    counted(*[(n, n, f"Invalid user x from 10.0.0.{n}") for n in range(20, 40)], attempts=kept)
    assert kept.evicted > 10
    assert len(kept.save()[1]) <= 3
