"""The model of a run: described once, loaded by every worker, refused where it is another."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from faprompt.detection.look import Look
from faprompt.errors import CheckpointError, DataError
from faprompt.files import expanded

if TYPE_CHECKING:
    from faprompt.detection.areas import Areas
    from faprompt.detection.detector import Detector


@dataclass(frozen=True, kw_only=True, slots=True)
class References:
    """A folder of good images, the same for every worker."""

    folder: str
    """Its full name."""
    sha256: str
    """Of their pixels; see ``ReferenceMemory.digest``."""

    @classmethod
    def of(cls, folder: str) -> Self:
        """Describe a folder as it is now.

        Raises:
            DataError: an image cannot be used, or there is none.
        """
        from faprompt.detection.references import reference_images, references_digest

        images = reference_images(folder)
        return cls(folder=str(expanded(folder).absolute()), sha256=references_digest(images))

    def given_to(self, detector: "Detector", areas: "Areas | None") -> "Detector":
        """The detector with a memory of them.

        Raises:
            DataError: they are others than the run began with, or cannot be used.
            ConfigError: they are too many.
        """
        from faprompt.detection.references import reference_images

        found = detector.with_references(reference_images(self.folder), areas=areas)
        assert found.memory is not None
        if found.memory.digest != self.sha256:
            raise DataError(
                f"{self.folder}: other images than the run was planned with (SHA-256 "
                f"{found.memory.digest}, needed is {self.sha256}); put the same ones on every "
                "machine"
            )
        return found


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
    colour_limits: tuple[float, float] = (0.0, 1.0)
    """Of its heat maps: regions begin with the colour, unless told."""
    references: References | None = None
    """Good images to compare with; None: zero-shot."""

    def score_settings(self, look: Look) -> dict[str, Any]:
        """What changes scores beside the model; see ``Detector.score_settings``."""
        found = look.settings()
        return found | ({"references_sha256": self.references.sha256} if self.references else {})

    def load(self, look: Look | None = None) -> "Detector":
        """Load it.

        Args:
            look: How images will be looked at: of references the same counts.

        Raises:
            CheckpointError: the file is another than the run began with.
            DataError: the references are.
            ConfigError: the references are too many, or do not go together with the look.
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
        if self.references is None:
            return detector
        return self.references.given_to(detector, look.areas if look else None)


def describe(
    name: str,
    *,
    weights: str | None,
    device: str,
    precision: str,
    references: str | None = None,
) -> tuple[Model, dict[str, Any]]:
    """Describe a model without loading it.

    ``auto`` precision is decided on this machine, so that all workers compute alike.

    Args:
        name: ``tiny``, or a checkpoint that all workers can read under the same name.
        weights: The backbone's; see ``load_backbone``.
        device: Of the workers.
        precision: ``auto``, ``fp32`` or ``bf16``.
        references: Folder of good images that all workers can read under the same name.

    Returns:
        The model, and its part of a run's settings.

    Raises:
        CheckpointError: it is missing or damaged.
        ConfigError: the precision does not exist.
        DataError: a reference cannot be used, or there is none.
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
        colour_limits=header.colour_limits,
        references=None if references is None else References.of(references),
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
