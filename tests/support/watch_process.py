"""``faprompt watch`` in a process of its own, with a model that needs no torch: see ``watches``."""

import sys
from typing import Any

from watches import Watched

from faprompt.cli import options
from faprompt.cli.main import main
from faprompt.detection.station import Station


class Loaded(Watched):
    def use_station(self, station: Any) -> None:
        self.station = Station.read(station)


if __name__ == "__main__":
    options.load_model = lambda *_, **__: Loaded()  # type: ignore[assignment]
    main(sys.argv[1:])
