"""Every error this library raises on purpose.

FAPromptError
├── ConfigError       a setting is out of range, unknown, or contradicts another
├── WeightsError      backbone weights are missing, damaged, unsafe or of another model
├── CheckpointError   learned prompts are missing, damaged or belong to another backbone
├── StationError      a station is missing, damaged or belongs to another model
├── DataError         an image, mask, manifest or data set folder cannot be used
├── MetricError       a metric was asked of values it is not defined for
├── OutputError       a result cannot be written where it was asked for
├── NumericError      a model's numbers are not finite: its precision overflowed, or worse
├── TrainingError     training cannot go on (for example a loss that is not finite)
└── ExportError       an exported model does not say what the torch model says

Texts say where, what it was, what was needed and what to do.
"""


class FAPromptError(Exception):
    """Base class: ``except FAPromptError`` catches all of them."""


class ConfigError(FAPromptError, ValueError):
    """A setting is out of range, unknown, or contradicts another."""


class WeightsError(FAPromptError):
    """Backbone weights are missing, damaged, unsafe or of another model."""


class CheckpointError(FAPromptError):
    """Learned prompts are missing, damaged or belong to another backbone."""


class StationError(FAPromptError):
    """A station is missing, damaged or belongs to another model."""


class DataError(FAPromptError):
    """An image, mask, manifest or data set folder cannot be used."""


class MetricError(FAPromptError, ValueError):
    """A metric was asked of values it is not defined for."""


class OutputError(FAPromptError):
    """A result cannot be written where it was asked for."""


class NumericError(FAPromptError):
    """A model's numbers are not finite: its precision overflowed, or its weights are damaged."""


class TrainingError(FAPromptError):
    """Training cannot go on."""


class ExportError(FAPromptError):
    """An exported model does not say what the torch model says, or cannot be made."""


def first_line(error: Exception) -> str:
    """What an error of another library says; torch adds in many lines where it stood."""
    return str(error).partition("\n")[0]
