"""Command `stress`: load on a running service."""

from __future__ import annotations

import json
import os
import secrets
from pathlib import Path
from typing import Annotated

import typer

from uninote.cli.inputs import read
from uninote.cli.options import AsJson, Config, Set, settings_from
from uninote.errors import ConfigError, reason_of

KEY_VARIABLE = "UNINOTE_KEY"
PAST_A_LIMIT = 1

app = typer.Typer()


@app.command()
def stress(
    url: Annotated[str, typer.Option(help="Address of the service.")] = "http://127.0.0.1:8080",
    key_file: Annotated[
        Path | None, typer.Option(help=f"File with an API key; without it, the variable {KEY_VARIABLE}.")
    ] = None,
    what: Annotated[
        str,
        typer.Option(
            help="`notes` stores and matches (role ingest; they stay, their ids begin with `stress-`), "
            "`match` stores nothing, `search` queries the corpus (both role read)."
        ),
    ] = "notes",
    rate: Annotated[float, typer.Option(help="Requests a second, one query or `--batch` notes each.")] = 100,
    batch: Annotated[int, typer.Option(min=1, help="Notes of one request, `service.max_batch` at most.")] = 1,
    seconds: Annotated[float, typer.Option(help="Seconds over which requests are sent.")] = 30,
    arrivals: Annotated[
        str, typer.Option(help="`poisson`, as independent callers come, or `fixed`, evenly spaced.")
    ] = "poisson",
    notes: Annotated[
        Path | None, typer.Option(help="Notes to send, again and again; without it, texts are generated.")
    ] = None,
    limit_p99_ms: Annotated[
        float | None, typer.Option(help="Fail when the 99th percentile of the latency is above it.")
    ] = None,
    limit_drops: Annotated[
        float | None,
        typer.Option(
            min=0, max=1, help="Fail when a larger part of the requests had no success; 0: none may."
        ),
    ] = None,
    connections: Annotated[
        int, typer.Option(min=1, max=900, help="Connections; a request that finds none free waits for one.")
    ] = 64,
    timeout: Annotated[float, typer.Option(help="Seconds until a request counts as lost.")] = 10,
    seed: Annotated[int, typer.Option(help="Seed of arrivals and generated texts.")] = 0,
    as_json: AsJson = False,
    config: Config = None,
    set_: Set = None,
) -> None:
    """Send requests to a running service at a fixed rate and measure latency and drops.

    The load is open: requests are sent when they are due, whether or not earlier ones were answered, and
    latency counts from the time a request was due. A service that stalls cannot hide it (no coordinated
    omission). Exit code 1: a limit was exceeded; 2: the load could not be sent.

    Example: `uninote stress --key-file demo/index/admin.key --rate 200 --limit-p99-ms 50 --limit-drops 0`
    """
    from uninote.loadtest.bodies import BATCHES, PATHS, bodies, path
    from uninote.loadtest.client import Target
    from uninote.loadtest.load import put_load
    from uninote.loadtest.report import Limits, report
    from uninote.loadtest.schedule import schedule

    if what not in PATHS:
        raise ConfigError(f"--what is one of {', '.join(PATHS)}, not {what!r}")
    if batch > 1 and what not in BATCHES:
        raise ConfigError(f"--batch is for {' and '.join(BATCHES)}: a search is one query")
    if arrivals not in ("poisson", "fixed"):
        raise ConfigError(f"--arrivals is poisson or fixed, not {arrivals!r}")
    target = Target.of(url, path(what, batch), _key(key_file))
    due = schedule(rate, seconds, "fixed" if arrivals == "fixed" else "poisson", seed)
    given = read(notes, settings_from(config, set_, None)) if notes is not None else []
    make = bodies(what, given, secrets.token_hex(4), seed, batch)
    answers = put_load(target, due, make, connections=connections, timeout=timeout)
    found = report(answers)
    limits = Limits(limit_p99_ms, limit_drops)
    breaches = found.breaches(limits)
    if as_json:
        options = {"url": url, "what": what, "rate": rate, "batch": batch, "arrivals": arrivals}
        options |= {"connections": connections}
        typer.echo(json.dumps(options | found.as_json() | {"breaches": breaches}, ensure_ascii=False))
    else:
        typer.echo(found.text())
    for breach in breaches:
        typer.echo(f"limit: {breach}", err=True)
    if breaches:
        raise typer.Exit(PAST_A_LIMIT)


def _key(file: Path | None) -> str:
    """Read the API key; never an argument, as other users of the machine can read a command line."""
    if file is None:
        key = os.environ.get(KEY_VARIABLE, "")
        if not key:
            raise ConfigError(f"an API key is missing: give --key-file, or set {KEY_VARIABLE}")
        return key.strip()
    try:
        return file.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"the key file {file} cannot be read: {reason_of(error)}") from error
