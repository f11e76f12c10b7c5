"""What a row of results says, and what it needs so that its decision can be traced.

Free of torch.
"""

from typing import Any

from faprompt.data.hashing import content_hash
from faprompt.detection.map_files import peaks
from faprompt.detection.prediction import Prediction

TRACED = ("decision", "margin", "peak", "sha256", "model_sha256", "station_sha256")
"""Keys of :func:`trace`, in the order of columns."""


def measures(prediction: Prediction) -> dict[str, Any]:
    """What every row says of an image: where it is, its score and size, and what it took."""
    width, height = prediction.size
    return {
        "path": prediction.path,
        "image_score": prediction.image_score,  # raw: thresholds are compared with it
        "width": width,
        "height": height,
        "milliseconds": round(prediction.milliseconds, 3),
    }


def trace(
    prediction: Prediction, *, model_sha256: str, station_sha256: str | None = None
) -> dict[str, Any]:
    """Hashes of image, model and station, the decision, and what a recalibration needs.

    Args:
        prediction: Of a file, which is read again for its SHA-256.
        model_sha256: Of the prompts' file.
        station_sha256: Of the station that decided; see ``Station.sha256``.

    Raises:
        DataError: the file cannot be read any more.
    """
    assert prediction.path is not None
    row: dict[str, Any] = {
        "sha256": content_hash(prediction.path),
        "peak": float(peaks(prediction.anomaly_map, (1, 1)).max()),
        "model_sha256": model_sha256,
    }
    if (decision := prediction.decision) is None:
        return row
    decided = {"decision": decision.verdict, "margin": decision.margin}
    return row | decided | {"station_sha256": station_sha256}
