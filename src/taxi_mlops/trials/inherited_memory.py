"""Give a fork its own pages of the memory that it shares with its template.

After a fork both processes share their pages, which are copied when either writes; pages of libraries are not mapped
until they are touched. So a trial would have page faults where a fresh process has none, and its memory would count as
shared. Therefore it first maps and copies as many pages as it would have after importing everything itself.
"""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

# linux/mman.h, from Linux 5.14 on
_MADV_POPULATE_READ = 22
_MADV_POPULATE_WRITE = 23

_PRESENT = np.uint64(1 << 63)
"""The bit of an entry of /proc/self/pagemap that is set if the page is in memory."""
_PAGEMAP_ENTRY_BYTES = 8


@dataclass(frozen=True, slots=True)
class PageRange:
    """Consecutive pages in memory. start: address. length: bytes. writable: whether private and writable."""

    start: int
    length: int
    writable: bool


def resident_pages() -> tuple[PageRange, ...]:
    """Return the pages of this process in memory, without those shared for writing. Raises OSError."""
    found: list[PageRange] = []
    mappings = Path("/proc/self/maps").read_text(encoding="utf-8", errors="replace").splitlines()
    with Path("/proc/self/pagemap").open("rb") as pages:
        for line in mappings:
            addresses, permissions, *rest = line.split(maxsplit=5)
            # The kernel's own mappings ([vdso], [vvar], …) are the same in every process.
            if permissions[0] != "r" or permissions[3] != "p" or (len(rest) > 3 and rest[3].startswith("[v")):
                continue
            start, end = (int(address, 16) for address in addresses.split("-"))
            pages.seek(start // mmap.PAGESIZE * _PAGEMAP_ENTRY_BYTES)
            entries = np.frombuffer(pages.read((end - start) // mmap.PAGESIZE * _PAGEMAP_ENTRY_BYTES), dtype=np.uint64)
            present = np.concatenate(([False], (entries & _PRESENT) != 0, [False]))
            edges = np.flatnonzero(present[1:] != present[:-1]) * mmap.PAGESIZE + start
            found.extend(
                PageRange(first, last - first, permissions[1] == "w") for first, last in edges.reshape(-1, 2).tolist()
            )
    return tuple(found)


def take_over(pages: tuple[PageRange, ...]) -> None:
    """Map the pages into this process, and copy those that it may write.

    Pages that do not exist any more are skipped. Raises OSError if the kernel does not support it.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    for page_range in pages:
        advice = _MADV_POPULATE_WRITE if page_range.writable else _MADV_POPULATE_READ
        if libc.madvise(ctypes.c_void_p(page_range.start), ctypes.c_size_t(page_range.length), advice) != 0:
            failure = ctypes.get_errno()
            if failure not in (errno.ENOMEM, errno.EFAULT):
                raise OSError(failure, os.strerror(failure))
