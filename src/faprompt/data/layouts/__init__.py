"""The layouts that ``--data`` knows, in the order in which they are tried."""

from faprompt.data.layouts.aitex import AITEX
from faprompt.data.layouts.base import Layout
from faprompt.data.layouts.dagm import DAGM
from faprompt.data.layouts.elpv import ELPV, ELPV_HALF
from faprompt.data.layouts.folder import FOLDER
from faprompt.data.layouts.kolektor import KSDD, KSDD2
from faprompt.data.layouts.magnetictile import MAGNETICTILE
from faprompt.data.layouts.manifest import MANIFEST
from faprompt.data.layouts.metajson import METAJSON
from faprompt.data.layouts.mvtec import BSDATA, BTAD, DTD, MPDD, MVTEC
from faprompt.data.layouts.pairs import CLINICDB, COLONDB, ENDO, ISIC, KVASIR, TN3K
from faprompt.data.layouts.realiad import REALIAD
from faprompt.data.layouts.scans import BR35H, BRAINMRI, HEADCT, LAG
from faprompt.data.layouts.visa import VISA

_TOLD_BY_A_FILE = (MANIFEST, METAJSON, VISA, REALIAD, ELPV, HEADCT)
_TOLD_BY_ODD_NAMES = (MAGNETICTILE, KSDD, AITEX, DAGM, ISIC, TN3K, KSDD2, BSDATA)
_SHARED = (MVTEC, BR35H, BRAINMRI, KVASIR)
_ONLY_BY_NAME = (BTAD, MPDD, DTD, ELPV_HALF, LAG, COLONDB, CLINICDB, ENDO)
_LAYOUTS = (*_TOLD_BY_A_FILE, *_TOLD_BY_ODD_NAMES, *_SHARED, *_ONLY_BY_NAME, FOLDER)

LAYOUTS: dict[str, Layout] = {layout.name: layout for layout in _LAYOUTS}
"""Layouts by name. What is told by a file or by odd names comes before what anyone may have."""

__all__ = ["LAYOUTS", "Layout"]
