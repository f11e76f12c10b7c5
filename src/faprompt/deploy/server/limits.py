"""How much the desk takes at once. Everything that a client can make grow has a limit here."""

from dataclasses import dataclass

from faprompt.config import Settings
from faprompt.errors import ConfigError

MEBIBYTE = 1 << 20


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits(Settings):
    """Bounds of the service; over a bound the answer is an error, never a slow death."""

    file_bytes: int = 64 * MEBIBYTE
    """Size of one image file."""
    request_bytes: int = 512 * MEBIBYTE
    """Size of a whole request body."""
    files: int = 256
    """Files in one request."""
    pixels: int = 64_000_000
    """Width times height of one image; a bomb is refused by its header, before it is decoded."""
    waiting: int = 1000
    """Images that wait for the model; over it the answer is 503."""
    requests: int = 256
    """Requests under way at a time, half of them of one client; over it the answer is 503."""
    connections: int = 512
    """Open connections, half of them of one client, idle ones counted; over it they are closed.

    A process often may have 1024 files open, pictures and rows among them.
    """
    request_seconds: float = 300.0
    """Whole time of a request, from its first byte to the last of its answer."""
    idle_seconds: float = 30.0
    """Time without a byte, within a request or before one."""
    drain_seconds: float = 30.0
    """Time that running requests get when the service is told to stop."""
    batch_size: int | None = None
    """Images that the model sees at once; None is the model's own default."""
    batch_pixels: int = 64_000_000
    """Pixels of all images of such a group, which bounds the memory of their maps."""
    batch_wait_seconds: float = 0.005
    """How long a group that is not full waits for more images."""

    def __post_init__(self) -> None:
        self.check_types()
        for name in self.names():
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ConfigError(f"{name} must be above 0, got {value}")
