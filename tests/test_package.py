"""What the package shows to the outside, and how soon."""

import subprocess
import sys

import pytest

import faprompt
from faprompt.detection.detector import Detector


def test_public_names_are_there() -> None:
    assert faprompt.Detector is Detector
    for name in faprompt.__all__:
        assert getattr(faprompt, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'Detektor'"):
        _ = faprompt.Detektor


def test_import_and_help_do_not_import_torch() -> None:
    code = (
        "import sys, faprompt; from faprompt.cli.main import load_commands; load_commands(); "
        "heavy = {'torch', 'cv2', 'numpy', 'PIL', 'tokenizers'} & set(sys.modules); "
        "sys.exit(str(heavy) if heavy else 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
