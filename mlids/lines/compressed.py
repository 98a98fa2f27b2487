"""Files that may be compressed: gzip and Zstandard are told by their first bytes and read plain."""

from __future__ import annotations

import os
import zlib
from typing import IO, Any

from mlids.errors import MLIDSError

GZIP, ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"


def is_compressed(head: bytes) -> bool:
    """Whether a file that begins so is compressed."""
    return head.startswith((GZIP, ZSTD))


class PlainReader:
    """Reads the plain bytes of a file, from its beginning, whatever it is compressed with.

    `read` raises `MLIDSError` E011 where a compressed file is damaged or cut short, and E005 where
    the package for Zstandard is missing.
    """

    def __init__(self, file: IO[bytes], name: str) -> None:
        self.name = name
        self._file = file
        head = file.peek(4)[:4]  # type: ignore[attr-defined]
        self.compressed = is_compressed(head)
        self._stream: Any = file
        if head.startswith(GZIP):
            import gzip

            self._stream = gzip.GzipFile(fileobj=file, mode="rb")
        elif head.startswith(ZSTD):
            self._stream = _zstd(file)

    def read(self, size: int) -> bytes:
        """The next bytes, at most `size`; empty at the end."""
        try:
            data: bytes = self._stream.read1(size) if not self.compressed else self._part(size)
        except (EOFError, zlib.error, OSError, ValueError) as error:
            raise self._damage(error) from error
        except Exception as error:
            if type(error).__name__ == "ZstdError":
                raise self._damage(error) from error
            raise
        return data

    def _part(self, size: int) -> bytes:
        data: bytes = self._stream.read(size)
        return data

    def _damage(self, error: Exception) -> MLIDSError:
        return MLIDSError("E011", f"{self.name}: {error}")

    def tell(self) -> int:
        """How many bytes of the file itself have been read, for progress."""
        try:
            return self._file.tell()
        except OSError:
            return 0

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _zstd(file: IO[bytes]) -> Any:
    try:
        import zstandard
    except ImportError:
        hint = "pip install zstandard"
        raise MLIDSError("E005", "zstandard is needed for .zst files", hint) from None
    return zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True)


def read_head(descriptor: int, size: int, name: str) -> bytes:
    """The first plain bytes of an open file, as far as they can be read. Moves its position."""
    head = os.pread(descriptor, size, 0)
    if not is_compressed(head):
        return head
    with os.fdopen(os.dup(descriptor), "rb") as file:
        file.seek(0)
        reader = PlainReader(file, name)
        plain = b""
        try:
            while len(plain) < size and (part := reader.read(size - len(plain))):
                plain += part
        except MLIDSError:
            return plain
        return plain
