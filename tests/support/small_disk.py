"""A disk of a few kilobytes, really: a file system in memory, which only root may mount."""

import subprocess
from pathlib import Path


class SmallDisk:
    """Mounted at ``path`` while in use."""

    def __init__(self, path: Path, kilobytes: int) -> None:
        self.path = path
        path.mkdir()
        self._mount("-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs")

    def grow(self, kilobytes: int) -> None:
        """Somebody made room."""
        self._mount("-o", f"remount,size={kilobytes}k")

    def close(self) -> None:
        """Unmount, whatever is still open there."""
        subprocess.run(["umount", "--lazy", str(self.path)], check=True)

    def _mount(self, *options: str) -> None:
        command = ["mount", *options, str(self.path)]
        subprocess.run(command, check=True, capture_output=True, text=True)


def may_mount() -> bool:
    """Whether this process can have such a disk."""
    command = ["unshare", "--mount", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]
    try:
        return subprocess.run(command, check=False, capture_output=True).returncode == 0
    except OSError:
        return False
