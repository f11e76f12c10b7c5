"""The ``serve`` command: the desk as a web page and an HTTP service."""

import webbrowser
from pathlib import Path
from typing import Annotated

import typer

from faprompt.cli import options
from faprompt.cli.app import app
from faprompt.errors import ConfigError

Host = Annotated[str, typer.Option(help="Address to listen on; beyond this machine needs a key.")]
Port = Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")]
DeskFolder = Annotated[Path, typer.Option("--desk", help="Folder of images and results.")]
Models = Annotated[
    list[str] | None,
    typer.Option("--model", help="tiny, a checkpoint, or an exported folder; repeatable."),
]
Stations = Annotated[
    list[Path] | None,
    typer.Option("--station", help="Station that `faprompt calibrate` wrote; repeatable."),
]
KeyFile = Annotated[
    Path | None, typer.Option(help="File with the API key (or set FAPROMPT_API_KEY).")
]
Open = Annotated[bool, typer.Option("--open", help="Show the page in the browser.")]
MaxFileMb = Annotated[int, typer.Option(min=1, help="Largest image file, in MiB.")]
MaxPixels = Annotated[int, typer.Option(min=1, help="Largest width x height.")]
MaxFiles = Annotated[int, typer.Option(min=1, help="Files in one request.")]
MaxRequestMb = Annotated[int, typer.Option(min=1, help="Largest request, in MiB.")]
MaxWaiting = Annotated[int, typer.Option(min=1, help="Images that wait; beyond it, 503.")]
Seconds = Annotated[float, typer.Option(min=1, help="Longest time of one request.")]


@app.command()
def serve(
    host: Host = "127.0.0.1",
    port: Port = 8000,
    desk: DeskFolder = Path("desk"),
    model: Models = None,
    station: Stations = None,
    api_key_file: KeyFile = None,
    open_: Open = False,
    weights: options.Weights = None,
    device: options.Device = "auto",
    precision: options.Precision = "auto",
    batch_size: options.BatchSize = None,
    reference: options.Reference = None,
    max_file_mb: MaxFileMb = 64,
    max_request_mb: MaxRequestMb = 512,
    max_files: MaxFiles = 256,
    max_pixels: MaxPixels = 64_000_000,
    max_waiting: MaxWaiting = 1000,
    request_seconds: Seconds = 300.0,
) -> None:
    """Inspect images in the browser, or over HTTP.

    Example: faprompt serve --desk results --open
    """
    _need_packages()
    from faprompt.deploy.server.app import create_app
    from faprompt.deploy.server.limits import MEBIBYTE, Limits

    limits = Limits(
        batch_size=batch_size,
        file_bytes=max_file_mb * MEBIBYTE,
        request_bytes=max_request_mb * MEBIBYTE,
        files=max_files,
        pixels=max_pixels,
        waiting=max_waiting,
        request_seconds=request_seconds,
    )
    from faprompt.deploy.server.desk import Desk
    from faprompt.deploy.server.keys import read_key
    from faprompt.deploy.server.models import load_model
    from faprompt.deploy.server.serving import address, bind
    from faprompt.deploy.server.serving import serve as run
    from faprompt.deploy.server.stations import read_stations

    stations = read_stations(station or [])
    references = options.references_in(reference)
    key = read_key(api_key_file)
    _check_exposure(host, key)
    bound = bind(host, port)
    loaded = [
        load_model(name, weights=weights, device=device, precision=precision, references=references)
        for name in model or ["tiny"]
    ]
    url = address(bound)

    def ready() -> None:
        typer.echo(f"faprompt desk: {url} (results in {options.shown(desk)}; Ctrl+C ends)")
        if open_:
            webbrowser.open(url)  # where there is none, the printed address is enough

    app_ = create_app(Desk(desk, loaded, stations=stations, limits=limits), key=key)
    run(app_, bound, limits, ready=ready)


def _need_packages() -> None:
    """Say what to install where the web server is missing."""
    from importlib.util import find_spec

    needed = ("fastapi", "uvicorn", "python_multipart", "prometheus_client")
    if missing := [name for name in needed if find_spec(name) is None]:
        raise ConfigError(
            f"faprompt serve needs {', '.join(missing)}: pip install 'faprompt[server]'"
        )


def _check_exposure(host: str, key: str | None) -> None:
    from faprompt.deploy.server.guards import is_loopback

    if key is None and not is_loopback(host):
        raise ConfigError(
            f"--host {host}: beyond this machine an API key is needed; give --api-key-file FILE "
            "or set FAPROMPT_API_KEY (openssl rand -base64 24 makes one)"
        )
