"""The ``train`` command."""

from pathlib import Path
from typing import Annotated, Any

import typer

from faprompt.cli import options, scaled
from faprompt.cli import scaled_options as many
from faprompt.cli import scaled_request as request
from faprompt.cli.app import app
from faprompt.cli.display import TrainingDisplay

Data = Annotated[
    list[str], typer.Option(help="Labelled auxiliary set: PATH or LAYOUT:PATH. May be repeated.")
]
Out = Annotated[Path, typer.Option(help="Folder of the run; the same command continues it.")]
BackboneName = Annotated[str, typer.Option(help="A name of `faprompt models list`.")]
Config = Annotated[Path | None, typer.Option(exists=True, dir_okay=False, help="TOML of settings.")]
Cache = Annotated[Path | None, typer.Option(help="Folder of cached features.")]
UseCache = Annotated[bool, typer.Option("--cache-features/--no-cache", help="Keep features.")]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", help="Any other setting as NAME=VALUE; see docs/settings.md."),
]


def _setting(text: str) -> Any:
    return typer.Option(None, help=text, rich_help_panel="Settings")


@app.command()
def train(
    ctx: typer.Context,
    data: Data,
    out: Out,
    backbone: BackboneName = "tiny",
    config: Config = None,
    preset: str | None = _setting("paper (default) or released."),
    epochs: int | None = _setting("Passes over the data (15)."),
    batch_size: int | None = _setting("Images per step (8)."),
    learning_rate: float | None = _setting("Of Adam (0.001)."),
    beta1: float | None = _setting("Of Adam (0.5)."),
    beta2: float | None = _setting("Of Adam (0.999)."),
    weight_decay: float | None = _setting("Of Adam (0)."),
    seed: int | None = _setting("Start, order and split (111)."),
    select: str | None = _setting("heldout (default) or fixed:N."),
    heldout_fraction: float | None = _setting("Share held out (0.2)."),
    input_size: int | None = _setting("Side of the input in pixels (the backbone's)."),
    blur_sigma: float | None = _setting("Of the map, in input pixels (10)."),
    temperature: float | None = _setting("tau (0.07)."),
    local_weight: float | None = _setting("Of the local loss, round 1 (1)."),
    adapted_local_weight: float | None = _setting("Of the local loss, round 2 (0.5)."),
    image_ce_weight: float | None = _setting("Of the image cross entropy (1)."),
    image_focal_weight: float | None = _setting("Of the image focal loss (1)."),
    orthogonality_weight: float | None = _setting("Of the orthogonality loss (0.1)."),
    prior_weight: float | None = _setting("Of the prior loss (1)."),
    focal_gamma: float | None = _setting("Exponent of the focal losses (2)."),
    focal_smoothing: float | None = _setting("Label smoothing of the focal loss (1e-5)."),
    dice_smoothing: float | None = _setting("Smoothing of the dice loss (1)."),
    settings: Set = None,
    cache: Cache = None,
    use_cache: UseCache = True,
    weights: options.Weights = None,
    device: options.Device = "auto",
    precision: options.Precision = "auto",
    workers: options.Workers = options.DEFAULT_WORKERS,
    engine: many.CachingEngine = None,
    actors: many.Actors = None,
    cpus: many.Cpus = None,
    gpus: many.Gpus = None,
    address: many.Address = None,
) -> None:
    """Learn prompts on labelled data, to find anomalies in products never seen.

    Example: faprompt train --data ./parts --out runs/parts
    """
    many.check(ctx)
    named = {
        "preset": preset, "epochs": epochs, "batch_size": batch_size,
        "learning_rate": learning_rate, "beta1": beta1, "beta2": beta2,
        "weight_decay": weight_decay, "seed": seed, "select": select,
        "heldout_fraction": heldout_fraction, "input_size": input_size,
        "blur_sigma": blur_sigma, "temperature": temperature, "local_weight": local_weight,
        "adapted_local_weight": adapted_local_weight, "image_ce_weight": image_ce_weight,
        "image_focal_weight": image_focal_weight, "orthogonality_weight": orthogonality_weight,
        "prior_weight": prior_weight, "focal_gamma": focal_gamma,
        "focal_smoothing": focal_smoothing, "dice_smoothing": dice_smoothing,
    }  # fmt: skip
    given = {name: value for name, value in named.items() if value is not None}
    from faprompt.config import parse_assignments, read_toml, train_settings

    values = (read_toml(config) if config else {}) | parse_assignments(settings or []) | given
    sources = [str(config)] * bool(config) + ["--set"] * bool(settings)
    chosen = train_settings(values, where=" and ".join(sources) or "options")

    from faprompt.clip.weights import load_backbone
    from faprompt.data.datasets import load_dataset
    from faprompt.errors import ConfigError
    from faprompt.scale.features import recipe_for
    from faprompt.scale.model import full_weights
    from faprompt.training.feature_cache import default_cache_root
    from faprompt.training.run import Places
    from faprompt.training.run import train as run

    datasets = [load_dataset(spec) for spec in data]
    compute = options.resolve_compute(device, precision)
    frozen = load_backbone(backbone, weights=weights, device=compute.device, dtype=compute.dtype)
    root = (cache or default_cache_root()) if use_cache else None
    if engine is not None:
        cluster = request.Cluster(engine, actors, cpus, gpus, address)
        if root is None:
            raise ConfigError("--engine caches features; leave --no-cache out")
        recipe = recipe_for(
            frozen, compute, weights=full_weights(weights), cache=root, workers=workers,
            input_size=chosen.training.input_size,
        )  # fmt: skip
        scaled.cache_features(cluster, datasets, recipe, device=compute.device.type)
    with TrainingDisplay() as display:
        try:
            result = run(
                datasets, frozen, chosen, places=Places(out=out, cache=root),
                workers=workers, watcher=display.watcher(),
            )  # fmt: skip
        except KeyboardInterrupt:
            display.say(f"stopped; the same command continues {options.shown(out)}")
            raise typer.Exit(130) from None
    _summary(result, display.failed)


def _summary(result: Any, failed: int) -> None:
    from rich.console import Console

    console = Console()
    record = result.history[result.chosen - 1]
    heldout = record["heldout"]
    if heldout:
        figures = ", ".join(
            f"{name.replace('_', ' ').replace('auroc', 'AUROC').replace('aupro', 'AUPRO')} "
            + ("undefined" if heldout[name] is None else f"{heldout[name]:.3f}")
            for name in ("image_auroc", "pixel_auroc", "pixel_aupro")
        )
        chosen = f"epoch {result.chosen} chosen on held-out source data: {figures}"
        console.print(chosen, soft_wrap=True)
    else:
        console.print(f"{result.rule}")
    console.print(f"[bold]{options.marked(result.files.best)}[/bold]", soft_wrap=True)
    console.print(
        f"use it: faprompt predict PATH --model {options.marked(result.files.best)}",
        soft_wrap=True,
        highlight=False,
    )
    if failed:
        raise typer.Exit(1)
