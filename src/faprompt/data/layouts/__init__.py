"""The layouts that ``--data`` knows, in the order in which they are tried."""

from faprompt.data.layouts.base import Layout
from faprompt.data.layouts.brainmri import BRAINMRI
from faprompt.data.layouts.folder import FOLDER
from faprompt.data.layouts.kvasir import KVASIR
from faprompt.data.layouts.magnetictile import MAGNETICTILE
from faprompt.data.layouts.manifest import MANIFEST
from faprompt.data.layouts.metajson import METAJSON
from faprompt.data.layouts.mvtec import BSDATA, MVTEC

_LAYOUTS = (MANIFEST, METAJSON, MAGNETICTILE, BSDATA, MVTEC, BRAINMRI, KVASIR, FOLDER)

LAYOUTS: dict[str, Layout] = {layout.name: layout for layout in _LAYOUTS}
"""Layouts by name. What is told by a file or by odd names comes before what anyone may have."""

__all__ = ["LAYOUTS", "Layout"]
