"""Files between the stages are whole or not there, and parts of them are read."""

import errno

import numpy as np
import pytest

from taxi_mlops.errors import DataError
from taxi_mlops.scale.spill_files import ArrayReader, FolderFiles, array_content, arrays_content, load_arrays


@pytest.fixture
def files(tmp_path):
    made = FolderFiles(tmp_path / "spill")
    made.make(("a",))
    return made


def test_parts_of_a_file_are_read(files):
    files.write("a/b", (b"head", np.arange(5, dtype=np.int32).data, np.empty(0).data, memoryview(b"tail")))
    assert files.exists("a/b")
    assert files.bytes == 28
    with files.open("a/b") as reader:
        assert reader.size == 28
        values = reader.read(8, np.int32, 2)
        assert values.tolist() == [1, 2]
        values[0] = 7  # it is the caller's
        assert reader.read(28, np.int32, 0).tolist() == []
        assert reader.rest(16, np.int32)[:2].tolist() == [3, 4]
        assert reader.rest(28, np.int32).tolist() == []
        with pytest.raises(DataError, match=r"b is damaged: it ends too early; start again in a new folder"):
            reader.read(24, np.int64, 1)


def test_arrays_keep_their_type(files):
    for values in (np.arange(300, dtype=np.uint16), np.array([-1, 2**40]), np.empty(0, np.uint32)):
        files.write("array", array_content(values))
        with files.open("array") as reader:
            array = ArrayReader(reader)
            assert len(array) == len(values)
            for part in (array[:], array[1:2], array[5:], array.values()):
                assert part.dtype == values.dtype
            np.testing.assert_array_equal(array[1:2], values[1:2])
            whole = array.values()
        np.testing.assert_array_equal(whole, values)
    files.write("arrays", arrays_content(one=np.arange(3), two=np.array([0.5])))
    found = load_arrays(files, "arrays")
    assert {name: values.tolist() for name, values in found.items()} == {"one": [0, 1, 2], "two": [0.5]}


def test_a_file_that_could_not_be_written_is_not_there(files):
    def parts():
        yield b"half"
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        files.write("a/b", parts())
    assert not files.exists("a/b")
    assert list((files.path / "a").iterdir()) == []
    (files.path / "a" / "b.1.part").touch()  # of a process that was killed
    files.make(("a",))
    assert files.bytes == 0
    assert list((files.path / "a").iterdir()) == []
    files.remove()
    assert not files.path.exists()
