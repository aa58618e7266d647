"""Reading GGUF files, whole and broken."""

import struct

import gguf
import numpy as np
import pytest

from dobby_pipeline.inference.models.gguf_file import GgufFile
from dobby_pipeline.inference.models.manifests import ModelError
from dobby_pipeline_tests.inference.models.gguf_models import write_gguf_model


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return write_gguf_model(tmp_path_factory.mktemp("gguf") / "tiny.gguf", "qwen2", "Q6_K")


def test_it_reads_what_the_gguf_package_reads(file):
    ours, theirs = GgufFile(file), gguf.GGUFReader(file)

    assert ours.metadata == {
        key: field.contents() for key, field in theirs.fields.items() if not key.startswith("GGUF.")
    }
    assert list(ours.tensors) == [tensor.name for tensor in theirs.tensors]
    for tensor in theirs.tensors:
        mine = ours.tensors[tensor.name]
        assert mine.shape == tuple(reversed(tensor.shape.tolist()))
        assert mine.size == tensor.n_elements
        whole = gguf.quants.dequantize(tensor.data, tensor.tensor_type)
        np.testing.assert_array_equal(mine.values(), whole)
        if len(mine.shape) > 1:
            np.testing.assert_array_equal(mine.values([5, 0]), whole[[5, 0]])
            np.testing.assert_array_equal(mine.values(slice(2, 4)), whole[2:4])


def test_values_of_every_kind_are_read(tmp_path):
    writer = gguf.GGUFWriter(tmp_path / "kinds.gguf", "llama")
    numbers = {
        "uint8": 200, "int8": -3, "uint16": 60_000, "int16": -300, "uint32": 2**31,
        "int32": -70_000, "float32": 0.5, "bool": True, "uint64": 2**63, "int64": -(2**40),
        "float64": 0.1,
    }  # fmt: skip
    for kind, number in numbers.items():
        getattr(writer, f"add_{kind}")(kind, number)
    writer.add_array("texts", ["a", "é"])
    writer.add_array("nested", [[1, 2], [3]])
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()

    about = GgufFile(tmp_path / "kinds.gguf").metadata
    assert {key: about[key] for key in numbers} == numbers
    assert (about["texts"], about["nested"]) == (["a", "é"], [[1, 2], [3]])


def test_a_file_cut_anywhere_is_told_in_one_line(file, tmp_path):
    whole = file.read_bytes()
    cut = tmp_path / "cut.gguf"
    for size in [
        0,
        3,
        4,
        7,
        20,
        30,
        100,
        1000,
        *range(2000, len(whole), len(whole) // 40),
        len(whole) - 1,
    ]:
        cut.write_bytes(whole[:size])
        with pytest.raises(
            ModelError, match=r"^cut\.gguf: no whole GGUF file \(.*fetch it again"
        ) as e:
            GgufFile(cut)
        assert "\n" not in str(e.value)


def test_a_cut_in_the_weights_says_how_much_is_missing(file, tmp_path):
    cut = tmp_path / "cut.gguf"
    whole = file.read_bytes()
    cut.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(
        ModelError, match=rf"ends at byte [\d,]+ and the file at {len(whole) // 2:,}"
    ):
        GgufFile(cut)


@pytest.mark.parametrize(
    ("start", "told"),
    [
        (b"PK\3\4" + bytes(40), "does not begin with GGUF"),
        (b"GGUF" + struct.pack("<IQQ", 1, 0, 0), "version 1; 2 and 3 are known"),
        (b"GGUF" + struct.pack("<IQQ", 3, 2**60, 0), "has no room for them"),
        (b"GGUF" + struct.pack("<IQQQ", 3, 0, 1, 1) + b"a" + struct.pack("<IQ", 77, 0), "kind 77"),
        (b"GGUF" + struct.pack("<IQQQ", 3, 0, 1, 1) + b"\xff" + bytes(20), "decode"),
    ],
)
def test_what_is_no_gguf_file_is_told(tmp_path, start, told):
    (tmp_path / "odd.gguf").write_bytes(start)
    with pytest.raises(ModelError, match=f"no whole GGUF file .*{told}"):
        GgufFile(tmp_path / "odd.gguf")


def _one_tensor(kind: int, columns: int) -> bytes:
    place = struct.pack("<Q", 1) + b"t" + struct.pack("<IQQIQ", 2, columns, 1, kind, 0)
    return b"GGUF" + struct.pack("<IQQ", 3, 1, 0) + place + bytes(300)


def test_an_unknown_format_and_an_odd_shape_are_told(tmp_path):
    file = tmp_path / "odd.gguf"
    file.write_bytes(_one_tensor(9999, 32))
    with pytest.raises(ModelError, match="t is of the unknown format 9999"):
        GgufFile(file)
    file.write_bytes(_one_tensor(2, 31))
    with pytest.raises(ModelError, match=r"t has the shape \(1, 31\)"):
        GgufFile(file)
