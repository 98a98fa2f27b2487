"""Texts that attack whoever shows them, and documents that are full of one."""

import random

from mlids.documents import Document, Figure, Section, Table

SEEDS = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "{{ 7*7 }}{% raw %}",
    "</td></tr></table><h1>x",
    "javascript:alert(1)",
    "[x](javascript:alert(1)) ![y](http://203.0.113.9/p.png) @admin #1 www.example.org",
    "| a | b |\n| --- | --- |\n# heading\n- list\n```\ncode",
    "=cmd|' /C calc'!A1",
    "\x1b]0;owned\x07\x1b[2J\x9b31m\x08\x7f",
    "\u202egnp.exe\u2066\u200b\ufeff",
    "&lt;b&gt; &amp;#x3c; \\<b>",
    "a\u0301\u0301\u0301\u0301\u0301\u0301",
    "\x00\ud800\uffff",
    "' onmouseover='alert(1)' x='",
    "]]><!--<svg/onload=alert(1)>-->",
]


def payloads(count):
    """So many texts, put together of the worst."""
    rng = random.Random(14)
    for _ in range(count):
        yield "".join(rng.choice(SEEDS) for _ in range(rng.randint(1, 3)))


def document(text):
    """A document with a text everywhere."""
    table = Table(text, [text, text], [[text, 3], [text, text]], text)
    figure = Figure(text, text, b"\x89PNG")
    return Document(text, text, text, [Section(text, [text], [table], [figure])])
