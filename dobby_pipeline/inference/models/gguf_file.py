"""A GGUF file opened: its metadata as plain values, its tensors as numbers on demand.

Not here: what the tensors mean (gguf.py). The header is read here and not by the gguf package,
whose reader takes 14 s for a vocabulary of 150,000 tokens; its tables of formats are used.
"""

import math
import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dobby_pipeline.inference.models.manifests import ModelError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

_MAGIC = b"GGUF"
_VERSIONS = (2, 3)
_ALIGNMENT = 32
_SCALARS = dict(enumerate("BbHhIif?")) | {10: "Q", 11: "q", 12: "d"}
"""Kinds of value, as `struct` writes them."""
_STRING, _ARRAY = 8, 9


@dataclass(frozen=True, slots=True)
class Tensor:
    """One tensor, unread until its values are asked for.

    Attributes:
        kind: the format's name, such as `F16` or `Q4_K`.
        shape: rows first.
    """

    name: str
    kind: str
    shape: tuple[int, ...]
    _packed: "NDArray[np.uint8]" = field(repr=False)  # (rows, bytes of a row)

    @property
    def size(self) -> int:
        """How many numbers it has."""
        return math.prod(self.shape)

    def values(self, rows: "slice | Sequence[int]" = slice(None)) -> "NDArray[np.float32]":
        """The numbers of the rows asked for, as float32; a vector has one row."""
        from gguf import GGMLQuantizationType
        from gguf.quants import dequantize

        kind = GGMLQuantizationType[self.kind]
        numbers = dequantize(self._packed[rows], kind)
        return numbers.reshape(-1) if len(self.shape) == 1 else numbers


class GgufFile:
    """A file's metadata and tensors, by name.

    Attributes:
        metadata: numbers, texts, and lists of them.
    """

    def __init__(self, file: Path) -> None:
        """Read the header, and check that all the tensors are in the file.

        Raises:
            ModelError: when it is no GGUF file, is cut short, or has a format nobody reads here.
        """
        import numpy as np

        self.file = file
        self.metadata: dict[str, Any] = {}
        self.tensors: dict[str, Tensor] = {}
        try:
            self._data: NDArray[np.uint8] = np.memmap(file, np.uint8, mode="r")
            self._read(_Header(self._data))
        except (ValueError, struct.error, UnicodeDecodeError) as error:
            raise self.error(f"no whole GGUF file ({error}): fetch it again") from error

    def error(self, what: str) -> ModelError:
        """An error that names the file."""
        return ModelError(f"{self.file.name}: {what}")

    def _read(self, header: "_Header") -> None:
        if header.take(4) != _MAGIC:
            raise ValueError("it does not begin with GGUF")
        version: int = header.scalar("I")
        if version not in _VERSIONS:
            raise ValueError(f"version {version}; 2 and 3 are known")
        tensors, keys = header.count(24), header.count(13)
        for _ in range(keys):
            name = header.text()
            self.metadata[name] = header.value(header.scalar("I"))
        places = [self._place(header) for _ in range(tensors)]
        alignment = self.metadata.get("general.alignment", _ALIGNMENT)
        start = -(-header.offset // alignment) * alignment
        for name, kind, shape, offset in places:
            self.tensors[name] = self._tensor(name, kind, shape, start + offset)

    def _place(self, header: "_Header") -> tuple[str, int, tuple[int, ...], int]:
        name = header.text()
        sizes = [header.scalar("Q") for _ in range(header.scalar("I"))]
        return name, header.scalar("I"), tuple(reversed(sizes)), header.scalar("Q")

    def _tensor(self, name: str, kind: int, shape: tuple[int, ...], start: int) -> Tensor:
        from gguf import GGML_QUANT_SIZES, GGMLQuantizationType
        from gguf.quants import quant_shape_to_byte_shape

        try:
            form = GGMLQuantizationType(kind)
            numbers, _ = GGML_QUANT_SIZES[form]
        except (ValueError, KeyError) as error:
            raise self.error(f"{name} is of the unknown format {kind}") from error
        if not shape or shape[-1] % numbers:
            raise ValueError(f"{name} has the shape {shape}")
        rows, columns = math.prod(shape[:-1]), shape[-1]
        _, width = quant_shape_to_byte_shape((1, columns), form)
        end = start + rows * width
        if end > len(self._data):
            raise ValueError(f"{name} ends at byte {end:,} and the file at {len(self._data):,}")
        packed = self._data[start:end].reshape(rows, width)
        return Tensor(name, form.name, shape, packed)


class _Header:
    """The bytes before the tensors, read in order."""

    def __init__(self, data: "NDArray[np.uint8]") -> None:
        self._data = data.data
        self.offset = 0

    def take(self, size: int) -> bytes:
        end = self.offset + size
        if end > len(self._data):
            raise ValueError(f"its header goes on after its end at byte {len(self._data):,}")
        taken = self._data[self.offset : end].tobytes()
        self.offset = end
        return taken

    def scalar(self, form: str) -> Any:
        return struct.unpack("<" + form, self.take(struct.calcsize("<" + form)))[0]

    def count(self, least: int) -> int:
        """A number of things that take `least` bytes each at least."""
        count: int = self.scalar("Q")
        if count * least > len(self._data) - self.offset:
            raise ValueError(f"its header tells of {count:,} things and has no room for them")
        return count

    def text(self) -> str:
        return self.take(self.count(1)).decode("utf-8")

    def value(self, kind: int) -> Any:
        if kind == _STRING:
            return self.text()
        if kind == _ARRAY:
            return self._array(self.scalar("I"))
        if kind not in _SCALARS:
            raise ValueError(f"a value of the unknown kind {kind}")
        return self.scalar(_SCALARS[kind])

    def _array(self, kind: int) -> list[Any]:
        if kind in _SCALARS:
            form = _SCALARS[kind]
            count = self.count(struct.calcsize("<" + form))
            return list(struct.unpack(f"<{count}{form}", self.take(count * struct.calcsize(form))))
        return [self.value(kind) for _ in range(self.count(8))]
