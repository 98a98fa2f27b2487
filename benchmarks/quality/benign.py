"""A day of traffic that harms nobody: what is told of it, by severity. HIGH or more is noise.

Browsers, crawlers, API clients, a monitoring probe; search terms that look like code, Irish names,
snippets, tokens; broken links; users with typing errors, forgotten passwords and new phones.
"""

from __future__ import annotations

import base64
import random
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

DAY = 1_736_726_400  # 2025-01-13, midnight UTC
BROWSERS = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.2 Safari/605.1.15",
    "Mozilla/5.0 (X11; Ubuntu; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_2 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148",
)
CRAWLERS = (
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    "Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)",
    "Mozilla/5.0 (compatible; AhrefsBot/7.0; +http://ahrefs.com/robot/)",
)
CLIENTS = (
    "okhttp/4.12.0",
    "python-requests/2.32.3",
    "Go-http-client/2.0",
    "axios/1.7.9",
    "curl/8.5.0",
)
TERMS = (
    "select a union", "union select committee", "drop table tennis", "or 1=1 proof", "rock 'n' roll",
    "O'Brien", "O'Reilly & Sons", "D'Arcy; Mary O'Neill", "Sinéad O'Connor", "L'Oréal", "it's 5 o'clock",
    "where to order by phone", "insert into book", "delete from history", "having a good time", "sleep (8 hours)",
    "benchmark tests", "alert (red)", "script font", "javascript: the good parts", "a < b and c > d", "I <3 NY",
    "<b>bold</b> in html", "onerror goes pop", "document.cookie tutorial", "eval() in python", "img src meaning",
    "cat & dog food", "ping pong; table", "wget tutorial", "ls -la meaning", "rm rf", "bash scripting | awk",
    "curl command", "echo dot 4", "id card", "C:\\Users folder", "../ in css", "what is /etc", "etc/passwd explained",
    "50% off -- today only", "#1 seller", "tom & jerry", "AT&T", "price >= 100", "x = y + 1;", "5*5=25",
    "/* comment */ in c", "SELECT your seat", "exec summary", "char(acter) count", "if (x && y) { return; }",
    "printf('hello world')", "SELECT name FROM users WHERE id = 5 explained", "how to escape ' in sql",
    "${HOME} variable", "{{ mustache }}", "%d format", "c++ templates <int>", "foo|bar", "`backtick`", "`date` in bash",
    "Größe & Maße", "日本語 検索", "naïve café", "смотреть кино", "100%", "a=b&c=d", "==", "NULL", "undefined", "true or false",
)  # fmt: skip
PAGES = ("/", "/about", "/products", "/cart", "/help/faq", "/blog/2024/12/union-of-select-committees", "/login",
         "/de/impressum", "/docs/sql/select.html", "/docs/xss/what-is-it", "/news?page=2")  # fmt: skip
ASSETS = (
    "/static/app.8f3a.js",
    "/static/main.css",
    "/img/logo.svg",
    "/img/%20hero.webp",
    "/fonts/inter.woff2",
)
GONE = (
    "/old-page",
    "/favicon.ico",
    "/apple-touch-icon.png",
    "/robots.txt",
    "/blog/2019/moved",
)
USERS = (
    "alice",
    "bob",
    "carol",
    "seán.o'brien",
    "d'arcy",
    "eve",
    "mallory",
    "deploy",
    "git",
    "backup",
)


def rows(_: Path | None = None) -> list[dict[str, Any]]:
    """What is told of the day, by severity."""
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder))
        told = events(Path(folder))
    by = Counter(event["severity"] for event in told)
    kinds = Counter(event["rule"] for event in told if event["severity"] == "MEDIUM")
    high = by["HIGH"] + by["CRITICAL"]
    usual = ", ".join(f"{count} {rule}" for rule, count in kinds.most_common(4))
    incidents = sum(event["type"] == "Incident" for event in told)
    return [
        {
            "what": "incidents in a benign day",
            "figure": str(incidents),
            "reach": "0",
            "ok": incidents == 0,
            "note": "",
        },
        {
            "what": "events of HIGH or more in a benign day",
            "figure": str(high),
            "reach": "0",
            "ok": high == 0,
            "note": f"{by['MEDIUM']} MEDIUM ({usual})",
        },
    ]


def events(folder: Path) -> list[Any]:
    """What all detectors say of the logs in a folder."""
    from mlids.config import ConfigManager
    from mlids.scanning import Scan

    settings = ConfigManager(folder / "none.yaml").settings
    return list(Scan(settings, [str(folder)], tell=lambda error: None))


def write(folder: Path, seed: int = 1, requests: int = 30_000) -> None:
    """The logs of one day: an access log, a log of logins, an application's JSON lines."""
    chance = random.Random(seed)
    _sorted(folder / "access.log", _requests(chance, requests))
    _sorted(folder / "auth.log", _logins(chance))
    _sorted(folder / "api.json", _calls(chance))


def _sorted(path: Path, lines: Iterator[tuple[float, str]]) -> None:
    path.write_text("".join(f"{line}\n" for _, line in sorted(lines)))


def _requests(chance: random.Random, count: int) -> Iterator[tuple[float, str]]:
    visitors = [_address(chance) for _ in range(900)]
    for _ in range(count):
        at = DAY + chance.triangular(0, 86_399, 54_000)
        kind = chance.random()
        if kind < 0.72:
            yield at, _browser(chance, at, chance.choice(visitors))
        elif kind < 0.86:
            source = f"66.249.66.{chance.randint(1, 30)}"
            path = chance.choice((*PAGES, *GONE, f"/products?id={chance.randint(1, 9999)}"))
            status = 404 if path in GONE else 200
            yield at, _line(chance, at, source, path, status, agent=chance.choice(CRAWLERS))
        else:
            token = base64.urlsafe_b64encode(chance.randbytes(48)).decode()
            path = f"/api/v1/items/{chance.randint(1, 99)}?token={quote(token)}&fields=name,price"
            status = chance.choice((200, 200, 200, 304, 401, 429))
            source = f"10.0.0.{chance.randint(1, 9)}"
            yield at, _line(chance, at, source, path, status, agent=chance.choice(CLIENTS))


def _browser(chance: random.Random, at: float, source: str) -> str:
    kind, agent = chance.random(), chance.choice(BROWSERS)
    if kind < 0.35:
        encode = chance.choice((quote, quote_plus))
        path = f"/search?q={encode(chance.choice(TERMS))}&page={chance.randint(1, 5)}"
        return _line(chance, at, source, path, 200, agent=agent)
    if kind < 0.6:
        return _line(
            chance, at, source, chance.choice(ASSETS), chance.choice((200, 304)), agent=agent
        )
    if kind < 0.64:
        return _line(chance, at, source, chance.choice(GONE), 404, agent=agent)
    referrer = f"https://www.google.com/search?q={quote_plus(chance.choice(TERMS))}"
    return _line(chance, at, source, chance.choice(PAGES), 200, referrer, agent)


def _line(
    chance: random.Random, at: float, source: str, path: str, status: int,
    referrer: str = "-", agent: str = "-",
) -> str:  # fmt: skip
    stamp = time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime(at))
    size = chance.randint(200, 90_000)
    return f'{source} - - [{stamp}] "GET {path} HTTP/1.1" {status} {size} "{referrer}" "{agent}"'


def _logins(chance: random.Random) -> Iterator[tuple[float, str]]:
    homes = {user: _address(chance) for user in USERS}
    pid = 1000
    for user in USERS:
        at = DAY + chance.randint(25_000, 30_000)
        for _ in range(chance.randint(3, 9)):  # sessions, each with some typing errors
            pid += chance.randint(1, 50)
            port = chance.randint(30_000, 60_000)
            source = homes[user] if chance.random() < 0.8 else _address(chance)
            for _ in range(chance.choice((0, 0, 0, 1, 1, 2, 3))):
                at += chance.randint(3, 20)
                text = f"Failed password for {user} from {source} port {port} ssh2"
                yield at, f"{_stamp(at)} gate sshd[{pid}]: {text}"
            at += chance.randint(3, 20)
            text = f"Accepted password for {user} from {source} port {port} ssh2"
            yield at, f"{_stamp(at)} gate sshd[{pid}]: {text}"
            at += chance.randint(900, 9000)
    for at in range(DAY, DAY + 86_400, 300):
        text = "pam_unix(cron:session): session opened for user root(uid=0) by (uid=0)"
        yield at, f"{_stamp(at)} gate CRON[{pid + at % 900}]: {text}"


def _calls(chance: random.Random) -> Iterator[tuple[float, str]]:
    for _ in range(3000):
        at = DAY + chance.random() * 86_400
        stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at))
        query = chance.choice(TERMS).replace("\\", "\\\\").replace('"', '\\"')
        yield (
            at,
            f'{{"time": "{stamp}", "level": "info", "remote_addr": "10.0.0.{chance.randint(1, 9)}",'
            f' "method": "POST", "path": "/api/search", "status": 200, "query": "{query}"}}',
        )


def _stamp(at: float) -> str:
    moment = time.gmtime(at)
    return f"{time.strftime('%b', moment)} {moment.tm_mday:2} {time.strftime('%H:%M:%S', moment)}"


def _address(chance: random.Random) -> str:
    first = chance.choice((81, 82, 84, 86, 88, 90, 92, 109, 151, 176, 188, 213))
    return f"{first}.{chance.randint(0, 255)}.{chance.randint(0, 255)}.{chance.randint(1, 254)}"
