"""The ``import-checkpoint`` command."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from faprompt.cli import options
from faprompt.cli.app import app
from faprompt.errors import ConfigError, OutputError

if TYPE_CHECKING:
    from faprompt.method.importing import Imported

File = Annotated[
    Path, typer.Argument(exists=True, dir_okay=False, help=".pth file of the released code.")
]
BackboneName = Annotated[
    str, typer.Option(help="The backbone the prompts were learned on: see `faprompt models list`.")
]
Out = Annotated[Path, typer.Option(help="Checkpoint to write (.safetensors).")]
PresetOption = Annotated[
    str, typer.Option(help="released, or paper: the same prompts, the faults mended.")
]
Blur = Annotated[float, typer.Option(min=0, help="Blur of the map, in input pixels.")]
InputSize = Annotated[int | None, typer.Option(min=1, help="Side of the input (the backbone's).")]


@app.command("import-checkpoint")
def import_checkpoint(
    file: File,
    backbone: BackboneName,
    out: Out,
    weights: options.Weights = None,
    preset: PresetOption = "released",
    blur_sigma: Blur = 10.0,
    input_size: InputSize = None,
) -> None:
    """Turn a checkpoint of the released FAPrompt code into one of ours.

    Example: faprompt import-checkpoint epoch_15.pth --backbone ViT-L-14-336 --out ours.safetensors
    """
    from faprompt.clip.registry import get_spec
    from faprompt.clip.weights import load_backbone
    from faprompt.method.checkpoint import save_checkpoint
    from faprompt.method.importing import import_released

    spec = get_spec(backbone)
    if out.exists():
        raise OutputError(f"{out}: exists already; choose another --out")
    if input_size and input_size % spec.patch_size:
        raise ConfigError(
            f"--input-size {input_size} is not a multiple of {backbone}'s patch size "
            f"{spec.patch_size}"
        )
    frozen = load_backbone(backbone, weights=weights)
    imported = import_released(
        file, frozen, preset=preset, input_size=input_size, changes={"blur_sigma": blur_sigma}
    )
    save_checkpoint(out, imported.state, imported.header)
    _summary(imported, out)


def _summary(imported: "Imported", out: Path) -> None:
    from rich.console import Console

    config, console = imported.header.method, Console(soft_wrap=True, highlight=False)
    values = sum(tensor.numel() for tensor in imported.state.values())
    console.print(
        f"{len(imported.state)} tensors, {values:,} values: {config.num_abnormality_prompts} "
        f"abnormality prompts of {config.num_normal_tokens} + {config.num_abnormal_tokens} tokens, "
        f"{config.num_deep_prompts} deep prompts, prior from {config.num_prior_patches} patches"
    )
    agreeing = ", ".join(imported.compared) or "nothing: the file has no copies of frozen values"
    console.print(f"agree with {imported.header.backbone}: {agreeing}", markup=False)
    console.print(f"dropped, used by nothing: {', '.join(imported.dropped) or 'none'}")
    console.print(f"[bold]{options.marked(out)}[/bold], preset {config.preset_name}")
