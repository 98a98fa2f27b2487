from __future__ import annotations

from mlids.formats.aws_alb import AwsAlb
from mlids.formats.nginx import Nginx
from mlids.testing import lines

LINE = (
    "https 2025-01-13T10:30:45.186641Z app/my-lb/50dc6c495c0c9188 203.0.113.7:44740 10.0.0.1:80 0.086"
    ' 0.048 0.037 404 200 0 57 "GET https://a.example:443/x?y=1 HTTP/1.1" "Mozilla/5.0 (X11)"'
    ' ECDHE-RSA TLSv1.2 arn:aws:x "Root=1-5" "a.example" "-" 0 2025-01-13T10:30:45Z "forward" "-"'
)


def test_columns():
    batch = lines(LINE, "junk", format=AwsAlb(timezone="UTC"))
    assert batch.column("src") == [b"203.0.113.7", None]
    assert batch.column("target") == [b"https://a.example:443/x?y=1", None]
    assert batch.column("status") == [b"404", None]
    assert batch.column("agent") == [b"Mozilla/5.0 (X11)", None]
    assert batch.column("time").tolist()[0] // 10**9 == 1_736_764_245
    assert batch.format.recognised(batch).tolist() == [True, False]


def test_it_is_told_from_others():
    chunk = (LINE + "\n").encode()
    assert AwsAlb().sniff(chunk) > Nginx().sniff(chunk)
    assert AwsAlb().sniff(b'1.2.3.4 - - [x] "GET / HTTP/1.1" 200 5\n') == 0
