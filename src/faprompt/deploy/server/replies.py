"""Rows of the store as objects of the API."""

from faprompt.deploy.server.database import Row
from faprompt.deploy.server.schemas import Batch, Decision, Item


def batch_reply(row: Row) -> Batch:
    """A batch as clients see it."""
    return Batch.model_validate({name: row[name] for name in Batch.model_fields if name in row})


def item_reply(row: Row, *, polygons: bool = True) -> Item:
    """An item as clients see it; values that are not known yet are null.

    Args:
        row: Of the store.
        polygons: Outlines of regions, which may be long.
    """
    values = {name: row[name] for name in Item.model_fields if name in row}
    if row.get("verdict") is not None:
        values["decision"] = Decision(verdict=row["verdict"], margin=row["margin"])
    if row.get("colour_low") is not None:
        values["colour_limits"] = (row["colour_low"], row["colour_high"])
    if not polygons:
        values["regions"] = [region | {"polygon": None} for region in row["regions"]]
    return Item.model_validate(values)
