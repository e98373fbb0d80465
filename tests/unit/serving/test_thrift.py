from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("uvicorn", reason="uvicorn is in the extra serve")

from taxi_mlops.serving.thrift import ThriftError, integers_of_struct


def varint(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def integer(value: int) -> bytes:
    return varint(value << 1 if value >= 0 else (-value << 1) - 1)


@given(st.dictionaries(st.integers(1, 14), st.integers(-(2**63), 2**63 - 1)), st.binary())
def test_whole_numbers_are_read_by_their_field(fields, after):
    data, last = b"", 0
    for field, value in sorted(fields.items()):
        data += bytes([(field - last) << 4 | 6]) + integer(value)
        last = field
    data += b"\0"
    assert integers_of_struct(data + after) == (fields, len(data))


def test_other_values_are_passed_over():
    nested = bytes([0x15]) + integer(9) + b"\0"
    data = (
        bytes([0x11])  # field 1: true
        + bytes([0x13]) + b"x"  # 2: a byte
        + bytes([0x17]) + b"12345678"  # 3: a double
        + bytes([0x18]) + varint(200) + b"y" * 200  # 4: bytes
        + bytes([0x1C]) + nested  # 5: a structure
        + bytes([0x05]) + integer(300) + integer(-7)  # 300, whose number is written out
        + b"\0"
    )  # fmt: skip
    assert integers_of_struct(data) == ({300: -7}, len(data))


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "cut off"),
        (b"\x15", "cut off"),
        (b"\x18\x05abc", "cut off"),
        (b"\x15" + b"\xff" * 11, "too long"),
        (b"\x1c" * 100, "nested too deep"),
        (b"\x19\x00\x00", "type 9"),
    ],
)
def test_other_bytes_are_refused(data, said):
    with pytest.raises(ThriftError, match=said):
        integers_of_struct(data)


@given(st.binary(max_size=60))
def test_any_bytes_end(data):
    try:
        _, length = integers_of_struct(data)
    except ThriftError:
        return
    assert 0 < length <= len(data)
