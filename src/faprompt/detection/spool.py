"""Maps and masks kept on disk between the passes of the pixel metrics."""

import tempfile
from collections.abc import Iterator
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from faprompt.errors import OutputError


class MapSpool:
    """An unnamed temporary file of maps (S, S) and masks; memory holds one of them at a time."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 (closed by __exit__)
        self._sides: list[int] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()

    def __len__(self) -> int:
        return len(self._sides)

    def append(self, anomaly_map: NDArray[np.float32], gt_mask: NDArray[np.bool_]) -> None:
        """Keep a square map and its mask.

        Raises:
            OutputError: the disk of the temporary folder is full.
        """
        try:
            self._file.write(np.ascontiguousarray(anomaly_map, dtype=np.float32).tobytes())
            self._file.write(np.packbits(gt_mask).tobytes())
        except OSError as error:
            raise OutputError(
                f"{tempfile.gettempdir()}: cannot keep maps there ({error.strerror}); set TMPDIR"
            ) from error
        self._sides.append(len(anomaly_map))

    def __iter__(self) -> Iterator[tuple[NDArray[np.float32], NDArray[np.bool_]]]:
        self._file.seek(0)
        for side in self._sides:
            pixels = side * side
            values = np.frombuffer(self._file.read(4 * pixels), dtype=np.float32)
            bits = np.frombuffer(self._file.read(-(-pixels // 8)), dtype=np.uint8)
            mask = np.unpackbits(bits, count=pixels).astype(np.bool_)
            yield values.reshape(side, side), mask.reshape(side, side)
