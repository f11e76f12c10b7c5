"""The ``verify`` command."""

from pathlib import Path
from typing import Annotated

import typer

from faprompt.cli.app import app
from faprompt.errors import ConfigError

Case = Annotated[
    Path | None, typer.Option(exists=True, dir_okay=False, help="JSON of another case's sizes.")
]
Golden = Annotated[
    Path | None, typer.Option(exists=True, dir_okay=False, help=".npz file with its values.")
]
PresetOption = Annotated[
    str | None, typer.Option(help="paper or released: which patches feed the prior.")
]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")]
PrecisionOption = Annotated[str, typer.Option(help="fp32 or bf16 (auto: what this machine uses).")]


@app.command()
def verify(
    case: Case = None,
    golden: Golden = None,
    preset: PresetOption = None,
    device: Device = "auto",
    precision: PrecisionOption = "fp32",
) -> None:
    """Compare this machine's results with the released code's, array by array.

    Without --case both packaged cases are run. Exit code 1 when any array exceeds its bound.
    """
    from rich.console import Console

    from faprompt.clip.compute import resolve
    from faprompt.method.golden_case import GoldenCase
    from faprompt.method.verification import packaged_case, read_arrays
    from faprompt.method.verification import verify as run

    if (case is None) != (golden is None):
        raise ConfigError("--case and --golden belong together: give both or neither")
    if preset not in {None, "paper", "released"}:
        raise ConfigError(f"--preset must be paper or released, got {preset!r}")
    compute = resolve(device, precision)
    console = Console()
    if golden is not None:
        runs = [(GoldenCase.read(case) if case else GoldenCase(), golden, preset or "paper")]
    else:
        presets = [preset] if preset else ["paper", "released"]
        runs = [(GoldenCase(), packaged_case(name), name) for name in presets]
    failed = 0
    for sizes, path, name in runs:
        deviations = list(
            run(
                sizes,
                read_arrays(path),
                preset=name,
                device=str(compute.device),
                dtype=compute.dtype,
            )
        )
        if not deviations:
            raise ConfigError(f"{path}: holds no array that can be compared")
        title = f"{path.name}, gather of preset {name}, {compute.device} {compute.precision}"
        console.print(_table(title, deviations))
        failed += sum(not deviation.within for deviation in deviations)
    if failed:
        console.print(f"[red]{failed} arrays exceed their bounds[/red]")
        raise typer.Exit(1)
    console.print("[green]every array is within its bound[/green]")


def _table(title: str, deviations: list) -> object:  # type: ignore[type-arg]
    from rich.table import Table

    table = Table(title=title, title_justify="left")
    for column in ("array", "shape", "largest deviation", "bound", ""):
        table.add_column(column, justify="left" if column in {"array", ""} else "right")
    for d in deviations:
        kind = "relative" if d.relative else "absolute"
        shape = "x".join(map(str, d.expected_shape)) or "scalar"
        verdict = "[green]ok[/green]" if d.within else "[red]EXCEEDED[/red]"
        table.add_row(d.name, shape, f"{d.largest:.2e} {kind}", f"{d.bound:.0e}", verdict)
    return table
