import os
import pwd

from mlids.suppression import people


def test_the_kernel_is_asked_and_not_the_environment(monkeypatch):
    monkeypatch.setenv("USER", "mallory")
    monkeypatch.setenv("LOGNAME", "mallory")
    monkeypatch.setenv("SUDO_USER", "mallory")
    name = people.login_name()
    assert "mallory" not in name
    assert name.endswith(pwd.getpwuid(os.getuid()).pw_name)


def test_who_became_another_is_named_with_both(monkeypatch):
    monkeypatch.setattr(people.Path, "read_text", lambda path: "4242")
    assert people.login_name().startswith("uid 4242 as ")
