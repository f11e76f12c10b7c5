"""What a lower precision costs on labelled images: AUROC before and after."""

from dataclasses import dataclass

from faprompt.data.samples import Dataset
from faprompt.deploy.scorer import RuntimeScorer
from faprompt.detection.detector import Detector
from faprompt.detection.evaluation import evaluate
from faprompt.runtime import Runtime

METRICS = ("image_auroc", "pixel_auroc")


@dataclass(frozen=True, slots=True)
class Compared:
    """A metric of both models, None where it is undefined."""

    before: float | None
    after: float | None


def compare(detector: Detector, runtime: Runtime, dataset: Dataset) -> dict[str, Compared]:
    """AUROC of images and pixels of both models, mean over the classes of a labelled data set.

    Raises:
        DataError: no labelled image can be read.
    """
    before, after = (
        evaluate(model, dataset).mean()[0] for model in (detector, RuntimeScorer(runtime))
    )
    return {name: Compared(before[name], after[name]) for name in METRICS}
