import pytest

from mlids.sigma import sources
from mlids.sigma.sources import Source

WEB = {"nginx", "apache", "iis", "haproxy", "aws_alb", "zoraxy"}


def taking(product="", category="", service="", own=()):
    return {
        name
        for entry in sources.entries(own)
        if entry.takes(product, category, service)
        for name in entry.formats or ["any"]
    }


@pytest.mark.parametrize(
    ("logsource", "formats"),
    [
        (("", "webserver", ""), WEB | {"zeek", "eve"}),
        (("", "proxy", ""), WEB | {"zeek", "eve"}),
        (("apache", "", ""), {"apache", "error_log"}),
        (("", "", "nginx"), {"nginx", "error_log"}),
        (("linux", "", "sshd"), {"syslog", "auth"}),
        (("linux", "", "vsftpd"), {"syslog", "auth", "app"}),
        (("linux", "", ""), {"syslog", "auth", "app", "kernel", "auditd"}),
        (("linux", "", "auditd"), {"auditd", "syslog", "auth"}),
        (("linux", "process_creation", ""), {"auditd"}),
        (("linux", "file_event", ""), {"auditd"}),
        (("linux", "network_connection", ""), {"auditd"}),
        (("", "firewall", ""), {"kernel"}),
        (("", "dns", ""), {"zeek", "eve"}),
        (("zeek", "", "smb_files"), {"zeek"}),
        (("aws", "", "cloudtrail"), {"cloudtrail"}),
        (("kubernetes", "application", "audit"), {"k8s_audit"}),
        (("python", "application", ""), {"error_log", "syslog", "app", "json_lines", "logfmt"}),
        (("windows", "process_creation", ""), set()),
        (("opencanary", "application", ""), set()),
        (("", "", ""), set()),
    ],
)
def test_which_formats_provide_a_log_source(logsource, formats):
    assert taking(*logsource) == formats


def test_fields_have_the_names_of_the_format():
    nginx = next(one for one in sources.entries() if one.formats == ["nginx"])
    assert [place.name for place in nginx.places("cs-method")] == ["method", "cs-method"]
    query = nginx.places("cs-uri-query")[-1]
    assert (query.name, query.part, query.verbatim) == ("target", "query", True)
    assert nginx.places("CommandLine") == ()
    assert nginx.places("agent")[0].name == "agent"
    kernel = next(one for one in sources.entries() if one.formats == ["kernel"])
    assert not kernel.places("action")[0].verbatim
    assert not kernel.places("src_ip")[0].verbatim


def test_every_entry_says_for_whom_it_is_and_whose_address_it_blames():
    for entry in sources.table().entries:
        assert entry.formats
        assert entry.products or entry.categories or entry.services
        if entry.ip:
            assert not set(entry.ip) & {"message", "agent", "referrer", "target", "user", "body"}


def test_a_user_says_which_log_is_what():
    own = [Source(input="/var/log/canary*", product="opencanary")]
    assert "json_lines" not in taking("opencanary", "application", "")
    entries = [one for one in sources.entries(own) if one.takes("opencanary", "application", "x")]
    assert entries
    assert any(one.covers("json_lines", "/var/log/canary.json") for one in entries)
    assert not any(one.covers("json_lines", "/var/log/other.json") for one in entries)
    # What is said of one log makes it no log of another kind.
    assert not any(one.takes("", "webserver", "") for one in entries)


def test_what_a_user_says_of_a_format_keeps_its_fields():
    own = [Source(format="nginx", category="proxy", fields={"x-id": "request_id"})]
    (entry,) = [one for one in sources.entries(own) if one.loose]
    assert entry.places("cs-method")
    assert entry.places("x-id")[0].name == "request_id"
    assert entry.ip == ["src"]


@pytest.mark.parametrize("wrong", [Source(product="x"), Source(format="app")])
def test_a_source_that_says_too_little_is_refused(wrong):
    with pytest.raises(ValueError, match="source names"):
        sources.entries([wrong])


def test_services_are_told_by_a_value():
    entry = next(one for one in sources.entries() if "syslog" in one.formats)
    (condition,) = entry.conditions("sshd")
    assert condition.names == ["program"]
    assert "sshd" in condition.values
    assert entry.conditions("syslog") == []
