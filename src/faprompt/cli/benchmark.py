"""The ``benchmark`` command."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from faprompt.cli import options
from faprompt.cli.app import app

if TYPE_CHECKING:
    from faprompt.protocol.results import Results
    from faprompt.protocol.tables import Table

PlanFile = Annotated[
    str,
    typer.Argument(
        metavar="PLAN",
        help="A YAML file, or a shipped one: heldout.yaml, paper.yaml, small.yaml, tiny.yaml.",
    ),
]
Out = Annotated[
    Path | None, typer.Option(help="Folder of the results; the same command continues it.")
]
Cache = Annotated[Path | None, typer.Option(help="Folder of cached features.")]


@app.command()
def benchmark(
    plan: PlanFile,
    out: Out = None,
    cache: Cache = None,
    device: options.Device = "auto",
    precision: options.Precision = "auto",
    batch_size: options.BatchSize = None,
    workers: options.Workers = options.DEFAULT_WORKERS,
) -> None:
    """Compare FAPrompt with its rivals: learn, score, and write tables and a page.

    What is done already in --out (runs/PLAN) is not done again.

    Example: FAPROMPT_DATA=~/sets faprompt benchmark small.yaml
    """
    from faprompt.protocol.plan import load_plan

    chosen = load_plan(plan)
    folder = out or Path("runs") / chosen.name
    from faprompt.cli.display import BenchmarkDisplay
    from faprompt.clip.weights import load_backbone
    from faprompt.data.overlap import find_overlap
    from faprompt.protocol.outputs import PAGE, PARQUET, TEXT, write_outputs
    from faprompt.protocol.results import Results
    from faprompt.protocol.runner import Options, run_benchmark
    from faprompt.training.feature_cache import default_cache_root

    compute = options.resolve_compute(device, precision)
    frozen = load_backbone(
        chosen.backbone, weights=chosen.weights, device=compute.device, dtype=compute.dtype
    )
    asked = Options(workers=workers, batch_size=batch_size, cache=cache or default_cache_root())
    with BenchmarkDisplay() as display:
        try:
            outcome = run_benchmark(
                chosen, folder, frozen, options=asked, watcher=display.benchmark_watcher()
            )
            results = Results(outcome)
            command = f"faprompt benchmark {plan} --out {options.shown(folder)}"
            write_outputs(results, folder, command=command, find=find_overlap, say=display.say)
        except KeyboardInterrupt:
            display.say(f"stopped; the same command continues {options.shown(folder)}")
            raise typer.Exit(130) from None
    _summary(results)
    for name in (PAGE, TEXT, PARQUET):
        typer.echo(options.shown(folder / name))
    if outcome.failures or not results.keys:
        raise typer.Exit(1)


def _summary(results: "Results") -> None:
    """Compact tables of the metrics that papers print, and what is missing."""
    from rich.console import Console

    from faprompt.protocol.facts import headline
    from faprompt.protocol.tables import MAIN, overview

    console = Console()
    for metric in MAIN:
        if table := overview(results, metric):
            console.print(_shown(table.turned()))  # the names of methods are long
    console.print(headline(results), markup=False)
    for absent in results.outcome.material.absent():
        console.print(f"missing: {absent.name}: {absent.reason}", style="yellow", markup=False)
    reasons = {f"{e.target}: {e.method}: {e.reason}" for e in results.outcome.failures}
    for reason in sorted(reasons):
        console.print(f"failed: {reason}", style="red", soft_wrap=True, markup=False)


def _shown(table: "Table") -> object:
    from rich.markup import escape
    from rich.table import Table as RichTable

    shown = RichTable(title=table.caption, title_justify="left", box=None, header_style="bold")
    first, *heads = table.columns
    shown.add_column(first)
    for head in heads:
        shown.add_column(escape(head), justify="right")
    for row in table.rows:
        texts = (f"[bold]{escape(c.text)}[/bold]" if c.best else escape(c.text) for c in row)
        shown.add_row(*texts)
    return shown
