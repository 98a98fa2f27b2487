"""`CloudWatchLogsExtractor`: the streams of a log group, and whole downloads of them."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from mlids.cloudwatch import catalog, periods
from mlids.cloudwatch.access import Access
from mlids.cloudwatch.downloading import Download, default_path
from mlids.cloudwatch.manifest import Manifest
from mlids.cloudwatch.parallel import Progress, each
from mlids.cloudwatch.periods import Moment
from mlids.cloudwatch.reading import Reader

GROUP = "/ecs/pinnokio_microservice"
PATIENCE_S = 60.0  # a router that starts anew; for longer there is the next run
LATE_S = 900.0  # agents send within seconds; those that were cut off for a while, much later


class CloudWatchLogsExtractor:
    """Lists and downloads the streams of one log group.

    region_name: else that of the environment, of the profile, or us-east-1. Credentials are looked
    for as boto3 does: these arguments, the environment, ``~/.aws/credentials``, the role of the
    machine, ``~/.aws/config``. profile_name: of those files; role_arn, external_id: a role that is
    assumed with what was found; endpoint_url: another server, such as a VPC endpoint.
    requests_per_second: at most, for each kind of call (0: no bound); parallel: streams that are
    downloaded at once; late_s: how late events may come, in seconds: what an interrupted download
    read of so short a time before it read it is read again. access: stands for all that is said of
    AWS here.

    Times are a `datetime`, a `date`, an ISO 8601 text, or ms since 1970; without a zone they are
    UTC, and a day that is the end counts to its last millisecond. botocore's errors are passed on
    as they are: `ClientError`, and ``client.exceptions.ResourceNotFoundException`` where there is
    no such group or stream.
    """

    def __init__(
        self,
        region_name: str | None = None,
        log_group_name: str = GROUP,
        aws_access_key_id: str | None = None,
        aws_secret_access_key: str | None = None,
        *,
        aws_session_token: str | None = None,
        profile_name: str | None = None,
        role_arn: str | None = None,
        external_id: str | None = None,
        endpoint_url: str | None = None,
        requests_per_second: float = 5.0,
        parallel: int = 4,
        late_s: float = LATE_S,
        access: Access | None = None,
    ) -> None:
        self.log_group_name = log_group_name
        self.parallel = parallel
        self.late_ms = round(late_s * 1000)
        self.stop = threading.Event()  # ends what is running, so that it can be gone on with
        self.progress = Progress()
        self.access = access or Access(
            region_name,
            aws_access_key_id=aws_access_key_id,
            aws_secret_access_key=aws_secret_access_key,
            aws_session_token=aws_session_token,
            profile_name=profile_name,
            role_arn=role_arn,
            external_id=external_id,
            endpoint_url=endpoint_url,
            requests_per_second=requests_per_second,
            connections=max(10, parallel),
        )
        self.reader = Reader(self.access, log_group_name, patience_s=PATIENCE_S, stop=self.stop)

    @property
    def region_name(self) -> str:
        """The region that is asked."""
        return self.access.region

    @property
    def client(self) -> Any:
        """The boto3 client for ``logs`` that is used; its calls keep the pace as well."""
        return self.access.client

    def check_credentials(self) -> bool:
        """Whether AWS accepts the credentials, whatever they permit. Raises network errors."""
        return catalog.credentials_valid(self.access)

    def list_log_streams(
        self,
        limit: int | None = None,
        start_time: Moment = None,
        end_time: Moment = None,
        order_by: str = "LastEventTime",
        descending: bool = True,
    ) -> list[dict[str, Any]]:
        """The streams of the group whose events reach into the period.

        limit: at most so many; order_by: LastEventTime or LogStreamName. Each has logStreamName,
        creationTime, firstEventTimestamp, lastEventTimestamp (ms, None where AWS does not say),
        the same as creationTimeFormatted, firstEventTimeFormatted, lastEventTimeFormatted
        (``YYYY-MM-DD HH:MM:SS``), and storedBytes. Raises ValueError for a wrong argument.
        """
        return catalog.list_log_streams(
            self.access, self.log_group_name, limit, start_time, end_time, order_by, descending
        )

    def get_log_group_info(self) -> dict[str, Any]:
        """What AWS says of the group.

        It has logGroupName, creationTime (ms), creationTimeFormatted, storedBytes, retentionInDays
        (None: for ever) and metricFilterCount.
        """
        return catalog.log_group_info(self.access, self.log_group_name)

    def download_log(
        self,
        log_stream_name: str,
        output_file: str | Path | None = None,
        start_time: Moment = None,
        end_time: Moment = None,
    ) -> str:
        """Write a stream as ``[2025-01-01 10:00:00] message`` lines; returns the file's path.

        output_file: by default a file in ``logs/`` that is named after the stream.
        """
        return self.download(log_stream_name, output_file, start_time, end_time).file

    def download_log_json(
        self,
        log_stream_name: str,
        output_file: str | Path | None = None,
        start_time: Moment = None,
        end_time: Moment = None,
    ) -> str:
        """Write a stream as one JSON object; returns the file's path.

        It has logGroupName, logStreamName, exportedAt, totalEvents, and events: timestamp (ms),
        timestampFormatted and message of each.
        """
        return self.download(log_stream_name, output_file, start_time, end_time, "json").file

    def download(
        self,
        log_stream_name: str,
        output_file: str | Path | None = None,
        start_time: Moment = None,
        end_time: Moment = None,
        form: str = "text",
    ) -> Manifest:
        """Download a stream, going on where an interrupted download of the same stopped.

        form: text, json or jsonl. Returns the manifest, which is also kept beside the file and
        says what, if anything, could not be had. Raises ValueError, OSError, botocore's errors,
        and `MLIDSError` (E210: another process writes the same file).
        """
        first = periods.moment_ms(start_time)
        last = periods.moment_ms(end_time, end=True)
        path = Path(output_file) if output_file else default_path(log_stream_name, form)
        return Download(self, log_stream_name, first, last, form).run(path)

    def download_streams(
        self,
        log_stream_names: Iterable[str],
        folder: str | Path = "logs",
        start_time: Moment = None,
        end_time: Moment = None,
        form: str = "text",
    ) -> list[Manifest | Exception]:
        """Download several streams, `parallel` at once, each into a file of its own in `folder`.

        Returns for each stream its manifest, or why it could not be downloaded.
        """

        def one(name: str) -> Manifest:
            path = default_path(name, form, Path(folder))
            return self.download(name, path, start_time, end_time, form)

        return each(one, log_stream_names, self.parallel, self.stop)
