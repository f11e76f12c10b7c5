"""The frame of the command line: exit codes, one-line errors, instant help."""

import subprocess
import sys

import pytest
import typer

from faprompt import __version__
from faprompt.cli import main as cli
from faprompt.errors import FAPromptError, WeightsError


def run(*args: str) -> int:
    with pytest.raises(SystemExit) as caught:
        cli.main(args)
    code = caught.value.code
    assert isinstance(code, int)
    return code


def failing_app(error: BaseException) -> typer.Typer:
    failing = typer.Typer(pretty_exceptions_enable=False)

    @failing.command()
    def fail() -> None:
        raise error

    return failing


def test_help_lists_the_commands(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--help") == 0
    assert "models" in capsys.readouterr().out


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--version") == 0
    assert capsys.readouterr().out == f"faprompt {__version__}\n"


def test_wrong_usage_exits_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("no-such-command") == 2
    assert "no-such-command" in capsys.readouterr().err


@pytest.mark.parametrize("error", [FAPromptError("a.pt: broken"), WeightsError("a.pt:\n broken")])
def test_our_errors_are_one_line_and_exit_1(
    error: FAPromptError, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(cli, "load_commands", lambda: failing_app(error))
    assert run() == 1
    assert capsys.readouterr().err == "error: a.pt: broken\n"


def test_an_interrupt_exits_130(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli, "load_commands", lambda: failing_app(KeyboardInterrupt()))
    assert run() == 130


def test_other_errors_are_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli, "load_commands", lambda: failing_app(ZeroDivisionError()))
    with pytest.raises(ZeroDivisionError):
        cli.main([])


def test_commands_and_import_are_instant_because_they_leave_torch_alone() -> None:
    code = (
        "import sys, faprompt; from faprompt.cli.main import load_commands; load_commands();"
        "sys.exit(any(m in sys.modules for m in ('torch', 'numpy', 'cv2', 'huggingface_hub')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
