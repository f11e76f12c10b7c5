"""Options of ``--engine``, which several commands share."""

from typing import Annotated

import typer

_PANEL = "Many images (docs/scale.md)"
SHARD_SIZE = 512
LABELLED_SHARD_SIZE = 64  # with maps: 1 MB per image at 518 pixels

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
    int,
    typer.Option(min=1, help="Images per shard: the most a kill costs.", rich_help_panel=_PANEL),
]
Actors = Annotated[
    int | None,
    typer.Option(min=1, help="Workers; by default all there is room for.", rich_help_panel=_PANEL),
]
Cpus = Annotated[float, typer.Option(min=0.1, help="Cores of each worker.", rich_help_panel=_PANEL)]
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
