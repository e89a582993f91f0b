"""Files as bytes: positioned reads from a path or a binary file object, and atomic replacement.

Nothing here knows a format. Reads are positioned, so that arrays of one file can be read from any
thread and in any order; a source opened by path keeps its descriptor, so that a file replaced
meanwhile is still read in its old form.
"""

from __future__ import annotations

import contextlib
import io
import os
import stat
import threading
import weakref
from collections.abc import Iterator
from typing import Any, BinaryIO

from .errors import MonelError

__all__ = ["FormatError", "MissingFileError", "Source", "open_source", "open_target"]


class FormatError(MonelError, ValueError, RuntimeError):
    """A file that is malformed, truncated, or of a form that its reader refuses.

    Attributes:
      path: The file, or ``None`` where it was read from a file object without a name.
      offset: Byte at which the refused field begins.
      field: Name of the field, such as ``"header length"``.
      reason: What was expected and what came.
    """

    def __init__(self, path: str | None, offset: int, field: str, reason: str) -> None:
        super().__init__(f"{path or '<file object>'}: {field} at byte {offset}: {reason}")
        self.path, self.offset, self.field, self.reason = path, offset, field, reason

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.path, self.offset, self.field, self.reason)


class MissingFileError(MonelError, FileNotFoundError, RuntimeError):
    """A path at which there is no file."""


class Source:
    """The bytes of one file, read at positions; safe to use from several threads at once.

    Attributes:
      path: Name of the file, or ``None``.
      size: Bytes in the file when it was opened.
    """

    __slots__ = ("__weakref__", "path", "size")

    def __init__(self, path: str | None, size: int) -> None:
        self.path = path
        self.size = size

    def pread(self, offset: int, length: int) -> bytes:
        """Return exactly ``length`` bytes from ``offset``.

        Nothing is allocated before the range is compared with the size of the file.

        Raises:
          FormatError: The file does not hold the whole range.
        """
        self._check(offset, length)
        data = bytearray(length)
        self._fill(offset, memoryview(data))
        return bytes(data)

    def preadinto(self, offset: int, out: memoryview) -> None:
        """Fill ``out``, a writable view of bytes, from ``offset``.

        Raises:
          FormatError: The file does not hold the whole range.
        """
        self._check(offset, out.nbytes)
        self._fill(offset, out)

    def _check(self, offset: int, length: int) -> None:
        if offset < 0 or length < 0 or length > self.size - offset:
            remain = max(0, self.size - offset)
            raise FormatError(
                self.path, offset, "data", f"{length} bytes are needed and {remain} remain"
            )

    def _fill(self, offset: int, out: memoryview) -> None:
        done, total = 0, out.nbytes
        while done < total:
            count = self._read(offset + done, out[done:])
            if count <= 0:
                raise FormatError(
                    self.path,
                    offset + done,
                    "data",
                    f"the file was cut short after it was opened: {total - done} bytes are missing",
                )
            done += count

    def _read(self, offset: int, out: memoryview) -> int:
        """Read some bytes into ``out``, at least one, and return how many; 0 is the end."""
        raise TypeError("Source: use open_source, which picks the kind that fits the file")


class _Descriptor(Source):
    """A regular file by its descriptor, which is closed with the source."""

    __slots__ = ("_base", "_fd", "_lock")

    def __init__(self, path: str | None, fd: int, base: int) -> None:
        super().__init__(path, max(0, os.fstat(fd).st_size - base))
        self._fd, self._base, self._lock = fd, base, threading.Lock()
        weakref.finalize(self, os.close, fd).atexit = False

    def _read(self, offset: int, out: memoryview) -> int:
        at = self._base + offset
        if hasattr(os, "preadv"):
            return os.preadv(self._fd, [out], at)
        with self._lock:
            os.lseek(self._fd, at, os.SEEK_SET)
            data = os.read(self._fd, min(out.nbytes, 1 << 20))
        out[: len(data)] = data
        return len(data)


class _Memory(Source):
    """Bytes that are in memory already."""

    __slots__ = ("_data",)

    def __init__(self, data: bytes, base: int) -> None:
        super().__init__(None, max(0, len(data) - base))
        self._data = memoryview(data)[base:]

    def _read(self, offset: int, out: memoryview) -> int:
        part = self._data[offset : offset + out.nbytes]
        out[: len(part)] = part
        return len(part)


class _Stream(Source):
    """Any seekable binary file object; it must stay open until the arrays have been read."""

    __slots__ = ("_base", "_file", "_lock")

    def __init__(self, path: str | None, file: BinaryIO, base: int) -> None:
        end = file.seek(0, os.SEEK_END)
        file.seek(base)
        super().__init__(path, max(0, end - base))
        self._file, self._base, self._lock = file, base, threading.Lock()

    def _read(self, offset: int, out: memoryview) -> int:
        with self._lock:
            self._file.seek(self._base + offset)
            data = self._file.read(min(out.nbytes, 1 << 20))
        out[: len(data)] = data
        return len(data)


def open_source(file: Any, function: str = "load") -> Source:
    """Return the bytes of ``file``: a path, or a binary file object from its present position.

    Files that Python opened itself are read through a descriptor of their own and a ``BytesIO``
    through a snapshot, so both may be closed or written to afterwards.

    Args:
      file: str, ``Path``, or a seekable binary file object.
      function: Public function to name in errors.
    Raises:
      MissingFileError: There is no such file.
      FormatError: The path is not a regular file.
      TypeError, ValueError: ``file`` is of another kind, or a text file.
    """
    if isinstance(file, str | os.PathLike):
        return _open_path(os.fspath(file), function)
    _check_binary(file, function, "read")
    if type(file) is io.BytesIO:
        return _Memory(file.getvalue(), file.tell())
    name = getattr(file, "name", None)
    path = name if isinstance(name, str) else None
    raw = getattr(file, "raw", file)
    if type(raw) is io.FileIO and stat.S_ISREG(os.fstat(raw.fileno()).st_mode):
        file.flush()
        return _Descriptor(path, os.dup(raw.fileno()), file.tell())
    return _Stream(path, file, file.tell())


def _open_path(path: Any, function: str) -> Source:
    if not isinstance(path, str):
        path = os.fsdecode(path)
    # Without O_NONBLOCK, opening a named pipe waits for a writer.
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    try:
        fd = os.open(path, flags)
    except FileNotFoundError as error:
        reason = f"{function}: failed to open file: no such file"
        raise MissingFileError(error.errno, reason, path) from None
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise FormatError(path, 0, "file", f"{function} expects a regular file")
    return _Descriptor(path, fd, 0)


def _check_binary(file: Any, function: str, method: str) -> None:
    if not hasattr(file, method) or not hasattr(file, "seek"):
        raise ValueError(
            f"{function}: expected a path or a file object opened in binary mode, "
            f"got {type(file).__name__}"
        )
    if isinstance(file, io.TextIOBase):
        raise ValueError(f"{function}: the file is open in text mode; open it in binary mode")
    if not file.seekable():
        raise ValueError(
            f"{function}: the file object cannot seek; copy it to a file or an io.BytesIO first"
        )


@contextlib.contextmanager
def open_target(file: Any, function: str = "save") -> Iterator[BinaryIO]:
    """Open ``file`` for writing; a path is replaced as a whole once the block has succeeded.

    The new content is written to a temporary file in the same folder, flushed to the disk and
    renamed, so the path holds the whole old or the whole new file whenever the process ends. The
    mode of an existing file is kept, and of a symbolic link the target is replaced. After an
    exception the temporary file is removed.

    Args:
      file: str, ``Path``, or a seekable binary file object, which is written to as it is.
      function: Public function to name in errors.
    """
    if not isinstance(file, str | os.PathLike):
        _check_binary(file, function, "write")
        yield file
        return
    path = os.path.realpath(os.fsdecode(os.fspath(file)))
    mode = _mode_of(path)
    if mode is not None and not stat.S_ISREG(mode):
        # A device or a pipe is written to: replacing /dev/null would be nobody's wish.
        with open(path, "wb") as target:
            yield target
        return
    temporary = os.path.join(os.path.dirname(path), f".monel-{os.urandom(8).hex()}.tmp")
    try:
        with open(temporary, "xb") as target:
            yield target
            target.flush()
            if mode is not None:
                os.chmod(temporary, stat.S_IMODE(mode))
            os.fsync(target.fileno())
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        raise
    _sync_folder(os.path.dirname(path))


def _mode_of(path: str) -> int | None:
    try:
        return os.stat(path).st_mode
    except FileNotFoundError:
        return None


def _sync_folder(folder: str) -> None:
    """Make a rename durable where the system can: the file itself is already complete."""
    with contextlib.suppress(OSError):
        fd = os.open(folder or ".", os.O_RDONLY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
