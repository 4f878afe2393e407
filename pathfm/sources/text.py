"""Text as blocks of whole lines in UTF-8 that end in a line feed, from UTF-8, UTF-16, UTF-32 or Latin-1 with any ends of lines."""

import codecs
import io
from collections.abc import Iterator

from pathfm.errors import InputError

BLOCK = 4 << 20
MAX_LINE = 8 << 20
WIDE = (
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
PUNCTUATION = frozenset(b"\x80\x82\x84\x85\x86\x87\x89\x8b\x91\x92\x93\x94\x95\x96\x97\x99\x9b")  # of Windows' Latin-1, between its letters


def blocks(stream: io.BufferedReader, name: str) -> Iterator[tuple[int, bytes, bool]]:
    """(number of its first line from 1, lines, whether it is the last) one after another; only the last may lack its last line feed.

    A line that is not UTF-8 is read as Latin-1 (with the punctuation of Windows-1252), so that joined files may differ. Byte order marks
    are left out. Raises InputError, with the line, for anything that is no text.
    """
    line, rest = 1, b""
    decoder = _wide(stream.peek(4096)[:4096])
    chunk = stream.read(BLOCK)
    while chunk or rest:
        following = stream.read(BLOCK)
        last = not following
        data = rest + (_narrow(decoder, chunk, last, name, line) if decoder else chunk)
        if b"\r" in data:
            held = data[-1:] if data.endswith(b"\r") and not last else b""  # the other half of it may come
            data = data[: len(data) - len(held)].replace(b"\r\n", b"\n").replace(b"\r", b"\n") + held
        end = len(data) if last else data.rfind(b"\n") + 1
        block, rest = data[:end], data[end:]
        if block:
            yield line, _utf8(block, name, line), last
            line += block.count(b"\n")
        if len(rest) > MAX_LINE:
            raise InputError(f"{name} is not a table of text: line {line} is longer than {MAX_LINE:,} bytes")
        chunk = following


def _wide(start: bytes):
    """A decoder for UTF-16 and UTF-32, known by the byte order mark or by the zeros of the header's letters; else None."""
    for mark, encoding in WIDE:
        if start.startswith(mark) and len(start) > len(mark):
            return codecs.getincrementaldecoder(encoding)()
    even, odd, half = start[0::2].count(0), start[1::2].count(0), len(start) // 2
    if half and max(even, odd) > 0.8 * half and min(even, odd) == 0:
        return codecs.getincrementaldecoder("utf-16-le" if odd else "utf-16-be")()
    return None


def _narrow(decoder, chunk: bytes, last: bool, name: str, line: int) -> bytes:
    try:
        return decoder.decode(chunk, final=last).encode()
    except UnicodeError as error:
        raise InputError(f"{name} is not a table of text: behind line {line} it is no longer UTF-16 ({error})") from error


def _utf8(block: bytes, name: str, line: int) -> bytes:
    if b"\x00" in block:
        raise InputError(_no_text(name, line + block[: block.index(b"\x00")].count(b"\n")))
    if block.isascii():
        return block
    try:
        block.decode()
    except UnicodeDecodeError:
        block = b"\n".join(_line(part, name, line + number) for number, part in enumerate(block.split(b"\n")))
    return block.replace(codecs.BOM_UTF8, b"")


def _line(line: bytes, name: str, number: int) -> bytes:
    try:
        line.decode()
    except UnicodeDecodeError:
        high = set(line) & set(range(0x80, 0xA0))
        if high - PUNCTUATION or codecs.BOM_UTF16_LE in line or codecs.BOM_UTF16_BE in line:
            raise InputError(_no_text(name, number)) from None
        return line.decode("cp1252").encode()
    return line


def _no_text(name: str, line: int) -> str:
    return f"{name} is not a table of text: line {line} is not UTF-8, UTF-16 or Latin-1; save it as UTF-8"
