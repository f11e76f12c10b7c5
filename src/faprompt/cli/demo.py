"""The ``demo`` command."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from faprompt.cli import options
from faprompt.cli.app import app

if TYPE_CHECKING:
    from faprompt.cli.demo_run import DemoFolder, Scored
    from faprompt.cli.display import TrainingDisplay
    from faprompt.clip.weights import Backbone
    from faprompt.config import TrainSettings
    from faprompt.detection.detector import Detector
    from faprompt.training.run import Watcher

Out = Annotated[Path, typer.Option(help="Folder of the demo; the same command continues it.")]
Images = Annotated[int, typer.Option(min=12, help="Auxiliary images to render.")]
Epochs = Annotated[int, typer.Option(min=1, help="Passes over them.")]
Compared = Annotated[
    str, typer.Option("--model", hidden=True, help="In the place of the shipped prompts.")
]

IMAGES = 144
"""Every kind that is drawn without photographs comes eight times, four times with a defect."""
EPOCHS = 15
SEED = 111
BLUR_SIGMA = 4.0  # that of the shipped prompts: METHOD's 10 belongs to an input twice as wide


@app.command()
def demo(
    out: Out = Path("demo_out"),
    images: Images = IMAGES,
    epochs: Epochs = EPOCHS,
    model: Compared = "tiny",
    weights: options.Weights = None,
    device: options.Device = "auto",
    precision: options.Precision = "auto",
    workers: options.Workers = options.DEFAULT_WORKERS,
) -> None:
    """Learn prompts in a minute or two, then find defects in products never seen.

    Needs no network and no data. Open index.html in the folder when it is done.

    Example: faprompt demo --out demo_out
    """
    import time

    from faprompt.cli.display import TrainingDisplay

    started = time.perf_counter()
    with TrainingDisplay() as display:
        try:
            display.say("loading the model")
            from faprompt.cli.demo_run import DemoFolder
            from faprompt.config import train_settings
            from faprompt.detection.detector import Detector

            folder = DemoFolder(out)
            compute: dict[str, Any] = {"weights": weights, "device": device, "precision": precision}
            shipped = Detector.load(model, **compute)
            settings = train_settings({"epochs": epochs, "seed": SEED, "blur_sigma": BLUR_SIGMA})
            _render(folder, shipped, settings, images=images, display=display)
            best = _learn(folder, shipped.backbone, settings, workers=workers, display=display)
            fresh = Detector.load(best, **compute)
            scored = _score(folder, (fresh, shipped), workers=workers, display=display)
        except KeyboardInterrupt:
            display.say(f"stopped; the same command continues {options.shown(out)}")
            raise typer.Exit(130) from None
    _report(folder, *scored, seconds=time.perf_counter() - started)


def _render(
    folder: "DemoFolder",
    shipped: "Detector",
    settings: "TrainSettings",
    *,
    images: int,
    display: "TrainingDisplay",
) -> None:
    from dataclasses import asdict

    from faprompt.cli import demo_run

    scale = shipped.backbone.clip.logit_scale
    request = {
        "auxiliary": demo_run.auxiliary_facts(images, SEED),
        "backbone_checksum": shipped.backbone.checksum,
        "settings": asdict(settings),
        "precision": str(scale.dtype),
        "device": scale.device.type,
    }
    demo_run.claim(folder, request)
    display.say(f"1/4  rendering {images} auxiliary images, half of them with a defect")
    task = display.add("rendering", None)
    demo_run.render_auxiliary(folder, images, SEED)
    display.progress.update(task, visible=False)


def _learn(
    folder: "DemoFolder",
    backbone: "Backbone",
    settings: "TrainSettings",
    *,
    workers: int,
    display: "TrainingDisplay",
) -> Path:
    from faprompt.data.datasets import load_dataset
    from faprompt.training.run import Places, train

    epochs = settings.training.epochs
    display.say(f"2/4  learning prompts for {backbone.spec.name}: {epochs} epochs")
    result = train(
        [load_dataset(folder.auxiliary)],
        backbone,
        settings,
        places=Places(out=folder.run, cache=folder.cache),
        workers=workers,
        watcher=_told(display),
    )
    display.say(f"     epoch {result.chosen} is best on held-out auxiliary kinds")
    return result.files.best


def _told(display: "TrainingDisplay") -> "Watcher":
    """Callbacks that show a run; where no bar can move, a line per epoch."""
    watcher = display.watcher()

    def step(report: Any) -> None:
        watcher.step(report)
        if report.step == report.steps and not display.console.is_terminal:
            display.say(f"     epoch {report.epoch}/{report.epochs}, loss {report.loss:.3f}")

    return replace(watcher, step=step)


def _score(
    folder: "DemoFolder",
    detectors: "tuple[Detector, Detector]",
    *,
    workers: int,
    display: "TrainingDisplay",
) -> "tuple[Scored, Scored]":
    from faprompt.cli import demo_run
    from faprompt.cli.demo_page import demo_page
    from faprompt.detection.page import render_page
    from faprompt.files import write_text

    dataset = demo_run.examples()
    display.say(f"3/4  scoring {len(dataset)} examples of kinds that no training used")
    task = display.add("scoring", 4 * len(dataset))
    fresh, shipped = (
        demo_run.score(
            detector,
            dataset,
            workers=workers,
            progress=lambda count: display.progress.advance(task, count),
        )
        for detector in detectors
    )
    display.say("4/4  drawing heat maps and the page")
    demo_run.write_maps(folder.maps("fresh"), dataset, fresh)
    demo_run.write_maps(folder.maps("shipped"), dataset, shipped)
    demo_run.write_scores(folder.scores, dataset, fresh, shipped)
    write_text(folder.page, render_page(demo_page(dataset, fresh, shipped)))
    return fresh, shipped


def _report(folder: "DemoFolder", fresh: "Scored", shipped: "Scored", *, seconds: float) -> None:
    from rich.console import Console
    from rich.table import Table

    from faprompt.cli.demo_page import FRESH, SHIPPED, SHOWN_METRICS

    images = fresh.evaluation.images
    kinds = ", ".join(result.name for result in fresh.evaluation.classes)
    table = Table(box=None, header_style="bold")
    table.add_column("")
    for name in SHOWN_METRICS.values():
        table.add_column(name, justify="right")
    for name, scored in ((FRESH, fresh), (SHIPPED, shipped)):
        mean, _ = scored.evaluation.mean()
        values = (mean[metric] for metric in SHOWN_METRICS)
        table.add_row(name, *("-" if v is None else f"{100 * v:.1f}" for v in values))
    console = Console()
    heading = f"\n{images} images of kinds never seen ({kinds}); mean over the kinds, percent:"
    console.print(heading, soft_wrap=True)
    console.print(table)
    console.print(f"\ndone in {seconds:.0f} s; look at")
    for what, path in (
        ("the page", folder.page),
        ("heat maps", folder.maps("fresh")),
        ("", folder.maps("shipped")),
        ("scores", folder.scores),
        ("fresh prompts", folder.run / "best.safetensors"),
    ):
        console.print(f"  {what:<14} {options.marked(path)}", soft_wrap=True, highlight=False)
