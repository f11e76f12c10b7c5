"""The layouts that ``--data`` knows, in the order in which they are tried."""

from faprompt.data.layouts.aitex import AITEX
from faprompt.data.layouts.base import Layout, never
from faprompt.data.layouts.brainmri import BR35H, BRAINMRI
from faprompt.data.layouts.dagm import DAGM
from faprompt.data.layouts.elpv import ELPV, ELPV_HALF
from faprompt.data.layouts.folder import FOLDER
from faprompt.data.layouts.headct import HEADCT
from faprompt.data.layouts.kolektor import KSDD, KSDD2
from faprompt.data.layouts.kvasir import KVASIR
from faprompt.data.layouts.lag import LAG
from faprompt.data.layouts.magnetictile import MAGNETICTILE
from faprompt.data.layouts.manifest import MANIFEST
from faprompt.data.layouts.metajson import METAJSON
from faprompt.data.layouts.mvtec import BSDATA, BTAD, DTD, MPDD, MVTEC
from faprompt.data.layouts.pairs import CLINICDB, COLONDB, ENDO, ISIC, TN3K
from faprompt.data.layouts.realiad import REALIAD
from faprompt.data.layouts.visa import VISA

_BY_FILE = (MANIFEST, METAJSON, VISA, REALIAD, ELPV, HEADCT)
_BY_NAMES = (MAGNETICTILE, KSDD, AITEX, DAGM, LAG, BSDATA)
_COMMON = (MVTEC, KSDD2, BR35H, BRAINMRI, KVASIR, FOLDER)
_NAMED = (BTAD, MPDD, DTD, ELPV_HALF, COLONDB, CLINICDB, ENDO, ISIC, TN3K)
_LAYOUTS = (*_BY_FILE, *_BY_NAMES, *_COMMON, *_NAMED)

LAYOUTS: dict[str, Layout] = {layout.name: layout for layout in _LAYOUTS}
"""Layouts by name. What is told by a file or by odd names comes before what anyone may have; last
come those that are never detected."""

DETECTED = tuple(layout for layout in _LAYOUTS if layout.certain is not never)
"""Those that are tried where the user named none."""

__all__ = ["DETECTED", "LAYOUTS", "Layout"]
