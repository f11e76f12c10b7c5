"""The model of a run: described once, loaded by every worker, refused where it is another."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from faprompt.errors import CheckpointError
from faprompt.files import expanded

if TYPE_CHECKING:
    from faprompt.detection.detector import Detector


@dataclass(frozen=True, kw_only=True, slots=True)
class Model:
    """A model, and how it computes; every worker loads the same."""

    name: str
    """``tiny``, or a checkpoint file that every worker can read."""
    sha256: str
    """Of the checkpoint file: a worker that finds another refuses."""
    weights: str | None
    device: str
    precision: str

    def load(self) -> "Detector":
        """Load it.

        Raises:
            CheckpointError: the file is another than the run began with.
        """
        from faprompt.detection.detector import Detector

        detector = Detector.load(
            self.name, weights=self.weights, device=self.device, precision=self.precision
        )
        if detector.checksum != self.sha256:
            raise CheckpointError(
                f"{self.name}: SHA-256 {detector.checksum}, the run was planned with "
                f"{self.sha256}; put the same file on every machine"
            )
        return detector


def describe(
    name: str, *, weights: str | None, device: str, precision: str
) -> tuple[Model, dict[str, Any]]:
    """Describe a model without loading it.

    ``auto`` precision is decided on this machine, so that all workers compute alike.

    Args:
        name: ``tiny``, or a checkpoint that all workers can read under the same name.
        weights: The backbone's; see ``load_backbone``.
        device: Of the workers.
        precision: ``auto``, ``fp32`` or ``bf16``.

    Returns:
        The model, and its part of a run's settings.

    Raises:
        CheckpointError: it is missing or damaged.
        ConfigError: the precision does not exist.
    """
    from faprompt.clip.compute import resolve
    from faprompt.data.hashing import content_hash
    from faprompt.detection.detector import EMBEDDED, model_file
    from faprompt.method.checkpoint import read_checkpoint

    path = model_file(name)
    header, _ = read_checkpoint(path)
    resolved = resolve("auto", precision).precision
    model = Model(
        name=name if name == EMBEDDED else str(path.absolute()),
        sha256=content_hash(path),
        weights=full_weights(weights),
        device=device,
        precision=resolved,
    )
    facts = {
        "model": name,
        "model_sha256": model.sha256,
        "backbone": header.backbone,
        "precision": resolved,
    }
    return model, facts


def full_weights(weights: str | None) -> str | None:
    """A file or folder by its full name; a hub id as it is."""
    if weights is None or not expanded(weights).exists():
        return weights
    return str(expanded(weights).absolute())
