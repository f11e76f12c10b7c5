"""The regions of an image as one value of a Parquet column."""

from collections.abc import Sequence
from typing import Any

from faprompt.detection.regions import Region


def region_type() -> Any:
    """List of structs with the keys of ``Region.to_dict``; a prompt and its share have names."""
    import pyarrow

    numbers, list_of = pyarrow.float64(), pyarrow.list_
    prompt = pyarrow.struct([("prompt", pyarrow.int32()), ("share", numbers)])
    region = {
        "polygon": list_of(list_of(numbers)), "box": list_of(pyarrow.int32()),
        "area": pyarrow.int64(), "area_mm2": numbers, "peak": numbers, "mean": numbers,
        "prompts": list_of(prompt),
    }  # fmt: skip
    return list_of(pyarrow.struct(list(region.items())))


def to_column(regions: Sequence[Region]) -> Any:
    """As pyarrow keeps them: plain values of long outlines take eight times the memory."""
    import pyarrow

    return pyarrow.scalar([_value(region) for region in regions], type=region_type())


def from_column(value: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Of a row that was read: the regions as ``Region.to_dict`` gave them."""
    return [
        region | {"prompts": [[p["prompt"], p["share"]] for p in region["prompts"]]}
        for region in value
    ]


def _value(region: Region) -> dict[str, Any]:
    found = region.to_dict()
    return found | {"prompts": [{"prompt": i, "share": share} for i, share in found["prompts"]]}
