"""The whole numbers of a structure in Thrift's compact protocol, as the headers of Parquet's pages are written.

Source: https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md
"""

from __future__ import annotations

_STOP, _TRUE, _FALSE, _BYTE, _DOUBLE, _BINARY, _STRUCT = 0, 1, 2, 3, 7, 8, 12
_INTEGERS = (4, 5, 6)
_MAX_DEPTH = 8
_MAX_VARINT_BYTES = 10


class ThriftError(Exception):
    """The bytes are no such structure, or end too early."""


def integers_of_struct(data: bytes) -> tuple[dict[int, int], int]:
    """Return the whole numbers of the structure at the beginning by their field, and how many bytes it takes.

    Nested structures are passed over. Raises ThriftError, also where there are lists, sets and maps: no header of a
    page has any.
    """
    reader = _Reader(data)
    return reader.struct(0), reader.place


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data, self.place = data, 0

    def struct(self, depth: int) -> dict[int, int]:
        if depth > _MAX_DEPTH:
            raise ThriftError("structures are nested too deep")
        found: dict[int, int] = {}
        field = 0
        while (head := self._byte()) != _STOP:
            delta, kind = head >> 4, head & 15
            field = field + delta if delta else self._integer()
            if kind in _INTEGERS:
                found[field] = self._integer()
            elif kind == _STRUCT:
                self.struct(depth + 1)
            elif kind == _BINARY:
                self._skip(self._varint())
            elif kind == _DOUBLE:
                self._skip(8)
            elif kind == _BYTE:
                self._skip(1)
            elif kind not in (_TRUE, _FALSE):
                raise ThriftError(f"type {kind} is in no header of a page")
        return found

    def _byte(self) -> int:
        if self.place >= len(self._data):
            raise ThriftError("the header of a page is cut off")
        value = self._data[self.place]
        self.place += 1
        return value

    def _varint(self) -> int:
        value = 0
        for number in range(_MAX_VARINT_BYTES):
            byte = self._byte()
            value |= (byte & 0x7F) << (7 * number)
            if byte < 0x80:
                return value
        raise ThriftError("a number is too long")

    def _integer(self) -> int:
        value = self._varint()
        return (value >> 1) ^ -(value & 1)

    def _skip(self, size: int) -> None:
        if size > len(self._data) - self.place:
            raise ThriftError("the header of a page is cut off")
        self.place += size
