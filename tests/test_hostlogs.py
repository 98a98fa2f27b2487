from mlids import hostlogs


def test_logs_that_exist_are_found(tmp_path):
    assert hostlogs.found(tmp_path) == []
    for name in ("auth.log", "syslog", "nginx/access.log"):
        path = tmp_path / "var/log" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
    found = [path.removeprefix(str(tmp_path)) for path in hostlogs.found(tmp_path)]
    assert found == ["/var/log/auth.log", "/var/log/syslog", "/var/log/nginx/access.log"]


def test_the_journal_is_read_only_where_no_file_has_the_logins(tmp_path, monkeypatch):
    monkeypatch.setattr("shutil.which", lambda name: "/bin/" + name)
    assert not hostlogs.journal_needed(tmp_path)
    (tmp_path / "var/log/journal").mkdir(parents=True)
    assert hostlogs.journal_needed(tmp_path)
    (tmp_path / "var/log/auth.log").write_text("")
    assert not hostlogs.journal_needed(tmp_path)


def test_no_journal_without_journalctl(tmp_path, monkeypatch):
    (tmp_path / "run/log/journal").mkdir(parents=True)
    monkeypatch.setattr("shutil.which", lambda name: None)
    assert not hostlogs.journal_needed(tmp_path)
