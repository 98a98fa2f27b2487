from __future__ import annotations

import pytest

from mlids.capture import bpf
from mlids.errors import MLIDSError


def have_libpcap() -> bool:
    try:
        bpf.compiled("tcp", 1, 100)
    except MLIDSError as error:
        return error.code != "E005"
    return True


def test_no_filter_takes_everything() -> None:
    assert bpf.compiled("  ", 1, 256) == bpf.everything(256)
    assert len(bpf.everything(256)) == 8


@pytest.mark.skipif(not have_libpcap(), reason="needs libpcap (apt-get install libpcap0.8)")
def test_filter_is_compiled_and_keeps_the_snaplen() -> None:
    code = bpf.compiled("udp port 53", 1, 200)
    assert len(code) % 8 == 0
    assert bpf.everything(200) in code
    for wrong in ("udp prot 53", "port 99999999", "x\0y", "host \udcff"):
        with pytest.raises(MLIDSError) as error:
            bpf.compiled(wrong, 1, 200)
        assert error.value.code == "E002"


def test_without_libpcap_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise OSError(name)

    monkeypatch.setattr("mlids.capture.bpf.ctypes.CDLL", missing)
    with pytest.raises(MLIDSError) as error:
        bpf.compiled("tcp", 1, 100)
    assert error.value.code == "E005"
    assert "libpcap" in error.value.message
