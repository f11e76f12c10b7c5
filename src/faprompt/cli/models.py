"""The ``models`` commands: what the registry knows and what is on this machine."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from faprompt.cli.app import app

if TYPE_CHECKING:
    from faprompt.clip.inspection import FileReport
    from faprompt.clip.registry import ClipSpec

models = typer.Typer(help="Backbones: what is known, what is here, fetch and check.")
app.add_typer(models, name="models", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="A name of `faprompt models list`.")]
BYTES_PER_PARAMETER = 4  # sizes are stated for fp32


@models.command("list")
def list_models() -> None:
    """List the backbones of the registry and which are on this machine."""
    from rich.console import Console
    from rich.table import Table

    from faprompt.clip.registry import REGISTRY

    table = Table()
    for column in ("name", "parameters", "fp32", "input", "activation", "licence", "here"):
        numeric = column in {"parameters", "fp32", "input"}
        table.add_column(column, justify="right" if numeric else "left", no_wrap=True)
    for spec in REGISTRY.values():
        count = _parameters(spec)
        table.add_row(
            spec.name,
            f"{count / 1e6:.1f} M",
            _megabytes(BYTES_PER_PARAMETER * count),
            str(spec.default_size),
            _activation(spec),
            spec.licence,
            "yes" if _here(spec) else "no",
        )
    Console().print(table)


@models.command()
def info(name: Name) -> None:
    """Show everything the registry knows of one backbone, and where its weights are."""
    from faprompt.clip.registry import get_spec

    _print_facts(_facts(get_spec(name)))


@models.command()
def fetch(name: Name) -> None:
    """Download the weights of a backbone into the Hugging Face cache, and check them."""
    from faprompt.clip.formats import sha256_of
    from faprompt.clip.hub import locate
    from faprompt.clip.registry import get_spec
    from faprompt.clip.weights import build_state, verify_checksum

    spec = get_spec(name)
    path, source = locate(spec)
    verify_checksum(path, sha256_of(path), spec)
    build_state(path, spec)
    typer.echo(f"{name}: complete and checked ({source})\n{path}")


@models.command()
def check(
    file: Annotated[Path, typer.Argument(help="Weight file, or a folder holding one.")],
    backbone: Annotated[
        str | None, typer.Option(help="Check against this backbone; by default against all.")
    ] = None,
) -> None:
    """Say what a weight file is, which backbones it fits and whether its checksum is known."""
    from faprompt.clip.inspection import inspect_file
    from faprompt.clip.registry import get_spec
    from faprompt.clip.weights import build_state, verify_checksum
    from faprompt.errors import WeightsError

    report = inspect_file(file)
    _print_report(report)
    if backbone is not None:
        verify_checksum(report.file, report.checksum, get_spec(backbone))
        build_state(report.file, get_spec(backbone))
        typer.echo(f"{report.file.name} is complete and fits {backbone}")
    elif not report.fits:
        raise WeightsError(
            f"{report.file}: fits no backbone of the registry; --backbone NAME says why not"
        )


def _print_report(report: "FileReport") -> None:
    fits = " or ".join(report.fits) or "no backbone of the registry"
    if len(report.fits) > 1 and not report.activation_is_sure:
        fits += " (the file does not say which activation it was trained with)"
    facts = {
        "file": str(report.file),
        "size": _megabytes(report.size),
        "format": f"{report.format}, names of {report.layout}",
        "fits": fits,
        "SHA-256": report.checksum,
        "checksum": f"known: {report.known_as}" if report.known_as else "not known",
    }
    _print_facts(facts)


def _print_facts(facts: dict[str, str]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")  # a checksum is useless with its end cut off
    for key, value in facts.items():
        table.add_row(key, value)
    Console().print(table)


def _facts(spec: "ClipSpec") -> dict[str, str]:
    count = _parameters(spec)
    towers = {
        f"{name} tower": f"{tower.layers} blocks, width {tower.width}, {tower.heads} heads"
        for name, tower in (("image", spec.image), ("text", spec.text))
    }
    native = f"{spec.native_size} ({spec.native_grid} x {spec.native_grid} patches)"
    sources = [f"https://huggingface.co/{spec.hub_id}"] if spec.hub_id else []
    return {
        "name": spec.name,
        "parameters": f"{count:,} ({_megabytes(BYTES_PER_PARAMETER * count)} in fp32)",
        **towers,
        "joint width": str(spec.embed_dim),
        "patch": f"{spec.patch_size}" + (", convolutional stem" if spec.conv_stem else ""),
        "trained at": native,
        "default input": str(spec.default_size),
        "dual blocks": f"last {spec.dual_blocks} of {spec.image.layers}",
        "activation": _activation(spec),
        "text": f"{spec.context_length} positions, {spec.vocab_size} tokens",
        "mean, std": f"{spec.mean}, {spec.std}",
        "licence": spec.licence,
        "source": ", ".join(sources) or "the package",
        "checksums": ", ".join(f"{file} {digest}" for file, digest in spec.sha256.items())
        or "those of the Hugging Face cache",
        "on this machine": str(_here(spec) or _absent(spec)),
    }


def _parameters(spec: "ClipSpec") -> int:
    from math import prod

    from faprompt.clip.shapes import expected_shapes

    return sum(prod(shape) for shape in expected_shapes(spec).values())


def _here(spec: "ClipSpec") -> Path | None:
    from faprompt.clip.hub import cached, embedded_file
    from faprompt.errors import WeightsError

    if spec.hub_id is not None:
        return cached(spec.hub_id)
    try:
        return embedded_file(f"{spec.name}.safetensors")
    except WeightsError:
        return None


def _absent(spec: "ClipSpec") -> str:
    if spec.hub_id is None:
        return "no: this installation is incomplete, install faprompt again"
    return f"no: `faprompt models fetch {spec.name}`"


def _activation(spec: "ClipSpec") -> str:
    return "QuickGELU" if spec.quick_gelu else "GELU"


def _megabytes(count: float) -> str:
    return f"{count / 1e9:.2f} GB" if count >= 1e9 else f"{count / 1e6:.1f} MB"
