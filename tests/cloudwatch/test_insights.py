import pytest
from botocore.exceptions import ClientError

from mlids.cloudwatch.access import Access
from mlids.cloudwatch.insights import Query
from mlids.errors import MLIDSError
from tests.cloudwatch.server import Record

GROUP = "/ecs/app"
NOW = 1_736_764_245_000
TEXT = "fields @timestamp, @message"
ROWS = [{"@timestamp": "t1", "@message": "one", "@ptr": "x"}, {"@message": "two", "@ptr": "y"}]


def query(running, sleep=lambda seconds: None, groups=(GROUP,), text=TEXT, **asked):
    access = Access(endpoint_url=running.url, requests_per_second=0, attempts=1)
    return Query(access, groups, text, NOW, NOW + 10_000, sleep=sleep, **asked)


def test_rows_without_the_pointer_and_what_was_looked_through(server):
    running = server({GROUP: {}}, rows=ROWS)
    pauses = []
    asked = query(running, pauses.append, limit=7)
    assert asked.rows() == [{"@timestamp": "t1", "@message": "one"}, {"@message": "two"}]
    assert asked.status == "Complete"
    assert asked.statistics["recordsMatched"] == 2
    assert len(pauses) == 2 and pauses[0] < pauses[1]
    assert running.calls[0].parameters == {
        "logGroupNames": [GROUP],
        "queryString": TEXT,
        "startTime": NOW // 1000,
        "endTime": NOW // 1000 + 9,
        "limit": 7,
    }
    assert "StopQuery" not in [call.operation for call in running.calls]


def test_events_of_the_period_and_no_others(server):
    times = [NOW - 1000, NOW, NOW + 9999, NOW + 10_000]
    running = server({GROUP: {"web": [Record(time, str(time)) for time in times]}})
    assert [row["@message"] for row in query(running).rows()] == [str(NOW + 9999), str(NOW)]


def test_groups_may_be_arns(server):
    arn = f"arn:aws:logs:us-east-1:123456789012:log-group:{GROUP}"
    running = server({GROUP: {}}, rows=[])
    query(running, groups=[arn]).rows()
    assert running.calls[0].parameters["logGroupIdentifiers"] == [arn]


@pytest.mark.parametrize("status", ["Failed", "Cancelled", "Timeout"])
def test_a_query_that_ends_otherwise_is_an_error(server, status):
    running = server({GROUP: {}}, query_status=status)
    with pytest.raises(MLIDSError, match=status) as caught:
        query(running).rows()
    assert (caught.value.code, caught.value.exit_status) == ("E209", 3)
    assert running.calls[-1].operation == "GetQueryResults"


def test_ctrl_c_stops_the_query(server):
    running = server({GROUP: {}}, rows=ROWS)

    def interrupt(seconds):
        raise KeyboardInterrupt

    asked = query(running, interrupt)
    with pytest.raises(KeyboardInterrupt):
        asked.rows()
    assert running.calls[-1].operation == "StopQuery"
    asked.close()
    assert [call.operation for call in running.calls].count("StopQuery") == 1


def test_close_from_elsewhere_stops_the_query(server):
    running = server({GROUP: {}}, rows=ROWS)
    asked = query(running, lambda seconds: asked.close())
    with pytest.raises(MLIDSError, match="Cancelled"):
        asked.rows()


def test_what_cannot_be_asked_is_botocores_error(server):
    running = server({GROUP: {}})
    with pytest.raises(ClientError, match="MalformedQueryException"):
        query(running, text=" ").rows()
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        query(running, groups=["/other"]).rows()


def test_rows_come_in_pages_and_the_pauses_do_not_grow_for_ever():
    class Logs:
        """A client whose query runs long, and whose rows fill three pages."""

        def __init__(self):
            self.client = self
            self.left = 30

        def start_query(self, **asked):
            return {"queryId": "q"}

        def get_query_results(self, queryId, nextToken=None):
            self.left -= 1
            if self.left > 0:
                return {"status": "Running", "results": []}
            number = int(nextToken or 0) + 1
            token = {"nextToken": str(number)} if number < 3 else {"nextToken": "2"}
            row = [{"field": "n", "value": str(number)}, {"field": "@ptr", "value": "x"}]
            return {"status": "Complete", "results": [row]} | token

    pauses = []
    rows = Query(Logs(), [GROUP], TEXT, 0, 1, sleep=pauses.append).rows()
    assert rows == [{"n": "1"}, {"n": "2"}, {"n": "3"}]
    assert max(pauses) == 5 and pauses == sorted(pauses)
