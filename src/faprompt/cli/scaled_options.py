"""Options of ``--engine``, which several commands share."""

from collections.abc import Set
from typing import Annotated

import typer

_PANEL = "Many images (docs/scale.md)"
OF_RAY = frozenset(["actors", "cpus", "gpus", "address"])
OF_SHARDS = frozenset(["shard_size", "retry_errors"])

EngineName = Annotated[
    str | None,
    typer.Option(
        help="Write Parquet shards that are made exactly once: local (this process) or ray.",
        rich_help_panel=_PANEL,
    ),
]
CachingEngine = Annotated[
    str | None,
    typer.Option(
        help="Who caches the features before training: local (this process) or ray.",
        rich_help_panel=_PANEL,
    ),
]
ShardSize = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="Images per shard: the most a kill costs (512; 64 to evaluate).",
        rich_help_panel=_PANEL,
    ),
]
Actors = Annotated[
    int | None,
    typer.Option(min=1, help="Workers; by default all there is room for.", rich_help_panel=_PANEL),
]
Cpus = Annotated[
    float | None,
    typer.Option(min=0.1, help="Cores of each worker (1).", rich_help_panel=_PANEL),
]
Gpus = Annotated[
    float | None,
    typer.Option(
        min=0, help="GPUs of each worker; by default 1 with --device cuda.", rich_help_panel=_PANEL
    ),
]
Address = Annotated[
    str | None,
    typer.Option(
        "--ray-address",
        help="Of a running cluster; by default $RAY_ADDRESS, else one is started here.",
        rich_help_panel=_PANEL,
    ),
]
RetryErrors = Annotated[
    bool,
    typer.Option("--retry-errors", help="Do shards with bad images again.", rich_help_panel=_PANEL),
]


def check(
    ctx: typer.Context, carried: Set[str] | None = None, *, more: Set[str] = frozenset()
) -> None:
    """Refuse options that were typed in vain.

    Args:
        ctx: Of the command, whose parameters are named as here.
        carried: Its parameters that an engine knows, besides those of engines; None: all.
        more: Parameters of engines that this command alone has.

    Raises:
        typer.BadParameter: an option needs an engine or has no meaning with it.
    """
    engine = ctx.params["engine"]
    own = OF_RAY | OF_SHARDS | more | {"engine"}
    for parameter in ctx.command.params:
        name = parameter.name or ""
        source = ctx.get_parameter_source(name)
        if source is None or source.name == "DEFAULT":
            continue
        if engine is None and name in own:
            raise typer.BadParameter(f"{parameter.opts[0]} needs --engine")
        if engine is not None and carried is not None and name not in own | carried:
            raise typer.BadParameter(
                f"{parameter.opts[0]} does not go with --engine: leave one of them away"
            )
        if engine == "local" and name in OF_RAY:
            raise typer.BadParameter(f"{parameter.opts[0]} needs --engine ray")
