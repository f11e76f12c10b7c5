"""Labelled images as the inputs of a plan, and back to samples where the work is done."""

from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath
from typing import Self

from faprompt.data.datasets import load_dataset
from faprompt.data.layouts.manifest import PARQUET_SUFFIX, known_values, table_rows
from faprompt.data.loading import map_ordered
from faprompt.data.samples import Sample
from faprompt.errors import DataError, FAPromptError
from faprompt.scale.copies import Copies
from faprompt.scale.plan import Row
from faprompt.scale.sources import absolute


def labelled_rows(spec: str) -> Iterator[Row]:
    """Read a data set, whose images may be elsewhere where a Parquet manifest lists them.

    Args:
        spec: As for ``load_dataset``; or a Parquet manifest, a path or a URL.

    Returns:
        Rows for a plan: ``path``, ``label`` (None: unknown), ``class``, ``mask``, ``mask_rule``,
        ``type``; classes in alphabetical order, as they are evaluated.

    Raises:
        DataError: it cannot be read.
        ConfigError: there is no such layout.
    """
    if spec.lower().endswith(PARQUET_SUFFIX):
        found = [_manifest_row(spec, line, row) for line, row in table_rows(spec)]
        return iter(sorted(found, key=lambda row: str(row["class"])))
    dataset = load_dataset(spec)
    samples = (s for name in dataset.classes for s in dataset.of_class(name))
    return map(_row, samples)


def _manifest_row(manifest: str, line: int, row: Row) -> Row:
    known = known_values(manifest, line, row)
    return known | {
        "path": absolute(manifest, known["path"]),
        "mask": absolute(manifest, known["mask"]) if known["mask"] else None,
        "class": known["class"] or PurePosixPath(manifest).stem,
    }


def _row(sample: Sample) -> Row:
    return {
        "path": str(sample.image_path),
        "class": sample.class_name,
        "label": sample.label,
        "type": sample.anomaly_type,
        "mask": str(sample.mask_path) if sample.mask_path else None,
        "mask_rule": sample.mask_rule,
    }


class LocalSamples:
    """Samples of some rows, those from elsewhere as temporary copies.

    Used as a context, at whose end the copies are gone.
    """

    def __init__(self, rows: Sequence[Row], *, workers: int) -> None:
        """Nothing is fetched yet.

        Args:
            rows: Of a plan; labelled.
            workers: Threads that fetch.
        """
        self.samples: list[Sample] = []
        """Of the rows that could be fetched, in order."""
        self.numbers: list[int] = []
        """Their places among the rows."""
        self.errors: dict[int, FAPromptError] = {}
        """Place to reason, of the others."""
        self._rows, self._workers = rows, workers
        self._copies = Copies()

    def __enter__(self) -> Self:
        fetched = map_ordered(self._sample, range(len(self._rows)), workers=self._workers)
        for number, result in fetched:
            if isinstance(result, DataError):
                self.errors[number] = result
            elif isinstance(result, FAPromptError):
                raise result
            else:
                self.samples.append(result)
                self.numbers.append(number)
        return self

    def __exit__(self, *_: object) -> None:
        self._copies.close()

    def reason(self, error: FAPromptError) -> str:
        """What an error says, with the names that the rows have."""
        return self._copies.reason(error)

    def _sample(self, number: int) -> Sample:
        row = self._rows[number]
        return Sample(
            image_path=self._copies.here(row["path"]),
            class_name=row["class"],
            label=row["label"],
            anomaly_type=row["type"],
            mask_path=self._copies.here(row["mask"]) if row["mask"] else None,
            mask_rule=row["mask_rule"],
        )
