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
from collections.abc import Callable, Iterator, Sequence
from typing import Any, BinaryIO

from .errors import MonelError

__all__ = ["FormatError", "MissingFileError", "Source", "open_source", "open_target"]

# Reads of twice this size are shared by threads; a thread costs about 0.1 ms to start.
_PART = 8 << 20
_MOST_THREADS = 4


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


class MissingFileError(MonelError, FileNotFoundError, RuntimeError, ValueError):
    """A path at which there is no file; MLX raises one of the last two, depending on the format."""


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

    def beside(self, name: str) -> Source:
        """Open another file of the same folder, in the same way.

        Raises:
          FormatError: ``name`` is no plain name of a file, there is none, or this source has no
            folder because it is a file object without a name.
        """
        plain = name not in ("", ".", "..") and not set(name) & set("/\\:\0")
        if self.path is None or not plain:
            what = f"{name!r} is no plain name" if self.path else "a file object has no folder"
            raise FormatError(self.path, 0, "file name", f"{what}; it must name a file beside this")
        path = os.path.join(os.path.dirname(self.path), name)
        try:
            return open_source(path, "load", isinstance(self, _Mapped))
        except MissingFileError:
            raise FormatError(self.path, 0, "file name", f"there is no file {path!r}") from None

    def view(self, offset: int, length: int, alignment: int = 1) -> memoryview | None:
        """Return the range as memory that is there already, or ``None``: it must be read.

        Only a source that was opened with ``mmap=True`` has such memory. It is private: writing to
        it does not change the file.

        Args:
          alignment: The address must be a multiple of it.
        Raises:
          FormatError: The file does not hold the whole range.
        """
        return None

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

    def _fill(self, offset: int, out: memoryview) -> None:
        count = min(out.nbytes // _PART, _MOST_THREADS, os.cpu_count() or 1)
        if count < 2 or not hasattr(os, "preadv"):
            super()._fill(offset, out)
            return
        # Equal shares, whole pages each.
        step = -(-out.nbytes // count // 4096) * 4096
        fill = super()._fill
        _at_once([(fill, offset + at, out[at : at + step]) for at in range(0, out.nbytes, step)])

    def _read(self, offset: int, out: memoryview) -> int:
        at = self._base + offset
        if hasattr(os, "preadv"):
            return os.preadv(self._fd, [out], at)
        with self._lock:
            os.lseek(self._fd, at, os.SEEK_SET)
            data = os.read(self._fd, min(out.nbytes, 1 << 20))
        out[: len(data)] = data
        return len(data)


def _at_once(calls: Sequence[tuple[Callable[..., None], int, memoryview]]) -> None:
    """Make ``calls``, the first on this thread and each other on its own; raise one's error."""
    errors: list[BaseException] = []

    def run(function: Callable[..., None], *args: Any) -> None:
        try:
            function(*args)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=call, daemon=True) for call in calls[1:]]
    for thread in threads:
        thread.start()
    run(*calls[0])
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


class _Mapped(Source):
    """A regular file mapped into memory; cut short by another process, it ends this one."""

    __slots__ = ("_base", "_map")

    def __init__(self, path: str | None, fd: int, base: int) -> None:
        from mmap import ACCESS_COPY, mmap

        size = os.fstat(fd).st_size
        super().__init__(path, max(0, size - base))
        self._base = base
        try:
            self._map = memoryview(mmap(fd, size, access=ACCESS_COPY))
        finally:
            os.close(fd)

    def view(self, offset: int, length: int, alignment: int = 1) -> memoryview | None:
        self._check(offset, length)
        at = self._base + offset
        return None if at % alignment else self._map[at : at + length]

    def _read(self, offset: int, out: memoryview) -> int:
        out[:] = self._map[self._base + offset :][: out.nbytes]
        return out.nbytes


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


def open_source(file: Any, function: str = "load", mmap: bool = False) -> Source:
    """Return the bytes of ``file``: a path, or a binary file object from its present position.

    Files that Python opened itself are read through a descriptor of their own and a ``BytesIO``
    through a snapshot, so both may be closed or written to afterwards.

    Args:
      file: str, ``Path``, or a seekable binary file object.
      function: Public function to name in errors.
      mmap: Map the file into memory instead of reading it.
    Raises:
      MissingFileError: There is no such file.
      FormatError: The path is not a regular file.
      TypeError, ValueError: ``file`` is of another kind, a text file, or cannot be mapped.
    """
    if isinstance(file, str | os.PathLike):
        given = os.fsdecode(os.fspath(file))
        return _regular(given, _open_path(given, function), 0, mmap)
    _check_binary(file, function, "read")
    name = getattr(file, "name", None)
    path = name if isinstance(name, str) else None
    raw = getattr(file, "raw", file)
    if type(raw) is io.FileIO and stat.S_ISREG(os.fstat(raw.fileno()).st_mode):
        file.flush()
        return _regular(path, os.dup(raw.fileno()), file.tell(), mmap)
    if mmap:
        raise ValueError(
            f"{function}: mmap=True needs a path or a file on the disk, got {type(file).__name__}"
        )
    if type(file) is io.BytesIO:
        return _Memory(file.getvalue(), file.tell())
    return _Stream(path, file, file.tell())


def _regular(path: str | None, fd: int, base: int, mmap: bool) -> Source:
    # What is empty cannot be mapped.
    kind = _Mapped if mmap and os.fstat(fd).st_size else _Descriptor
    return kind(path, fd, base)


def _open_path(path: str, function: str) -> int:
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
    return fd


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
