"""Commands `db` and `cluster`: maintenance next to a running service."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from uninote.cli.options import AsJson, Config, Set, emit, settings_from, to_file
from uninote.errors import ConfigError

if TYPE_CHECKING:  # loaded at first use
    from uninote.service.db.engine import Database
    from uninote.settings import Settings

db = typer.Typer(no_args_is_help=True, help="Back up and restore what a service stores.")
cluster = typer.Typer(no_args_is_help=True, help="Rebuild a vector cluster, and show its lag.")

Index = Annotated[
    Path, typer.Option("--index", "-i", help="The served folder; its database, unless `store.address`.")
]
DEFAULT = Path("demo/index")


@db.command()
def backup(
    file: Annotated[Path, typer.Argument(help="The file to write.", callback=to_file)],
    index_folder: Index = DEFAULT,
    config: Config = None,
    set_: Set = None,
    as_json: AsJson = False,
) -> None:
    """Write everything a service stores to a file, as of one moment, while it serves."""
    from uninote.service.domain.admin.backup import backup as write

    with _database(settings_from(config, set_, None), index_folder) as database:
        size = write(database, file)
    emit(as_json, {"file": str(file), "bytes": size}, f"{size} bytes in {file}")


@db.command()
def restore(
    file: Annotated[Path, typer.Argument(help="A file of `uninote db backup`.")],
    index_folder: Index = DEFAULT,
    config: Config = None,
    set_: Set = None,
    as_json: AsJson = False,
) -> None:
    """Load a backup into a database that holds no service yet, in one transaction."""
    from uninote.service.db.engine import Database
    from uninote.service.db.url import database_place
    from uninote.service.domain.admin.backup import counts
    from uninote.service.domain.admin.backup import restore as load

    place = database_place(settings_from(config, set_, None).store, index_folder)
    load(place, file)
    with Database(place, connections=2) as database:
        notes = counts(database)["notes"]
    emit(as_json, {"notes": notes}, f"{notes} notes restored; rebuild the vector cluster if you have one")


@db.command("index")
def build(
    index_folder: Index = DEFAULT,
    form: Annotated[
        str,
        typer.Option(
            help="`full` vectors, their first dimensions (`prefix`), or their signs (`binary`; finds less "
            "with a model on principal axes, which a prefix suits)."
        ),
    ] = "full",
    dims: Annotated[int | None, typer.Option(min=1, help="Dimensions of `prefix`; 128 by default.")] = None,
    version: Annotated[str | None, typer.Option(help="A model version; by default, the active one.")] = None,
    config: Config = None,
    set_: Set = None,
    as_json: AsJson = False,
) -> None:
    """Build a vector index, which searches of a large corpus need; notes can be stored meanwhile."""
    from uninote.service.domain.gallery import versions
    from uninote.service.domain.notes.vector_index import build_index

    if form not in ("full", "prefix", "binary"):
        raise ConfigError(f"--form is full, prefix or binary, not {form}")
    with _database(settings_from(config, set_, None), index_folder) as database:
        model = database.transaction(lambda s: versions.get(s, version) if version else versions.active(s))
        plan = build_index(database, model, form, dims)  # type: ignore[arg-type]
    result = {"version": model.version, "form": plan.form, "dims": plan.dims}
    emit(as_json, result, f"an index over {plan.dims} dimensions ({plan.form}) of {model.version}")


@cluster.command()
def rebuild(
    index_folder: Index = DEFAULT, config: Config = None, set_: Set = None, as_json: AsJson = False
) -> None:
    """Empty the cluster and queue every note for it; running services deliver them.

    Use it after a restore of the database, a loss of the cluster, or a change of `cluster.index`.
    """
    from uninote.service.background.milvus_collections import opener
    from uninote.service.background.milvus_collections import rebuild as run

    settings = settings_from(config, set_, None)
    if not settings.cluster.address:
        raise ConfigError("cluster.address is empty: name the cluster, e.g. milvus://host:19530")
    with _database(settings, index_folder) as database:
        notes = run(database, opener(settings.cluster))
    emit(as_json, {"notes": notes}, f"{notes} notes queued; `uninote cluster status` shows the progress")


@cluster.command()
def status(
    index_folder: Index = DEFAULT, config: Config = None, set_: Set = None, as_json: AsJson = False
) -> None:
    """Show whether the cluster holds every note, and what is queued for it. Asks the database only."""
    from uninote.service.domain.notes import outbox

    with _database(settings_from(config, set_, None), index_folder) as database:
        wanted, filled = database.transaction(outbox.wanted), database.transaction(outbox.filled)
        lag = database.transaction(outbox.lag)
    result = {"wanted": wanted, "filled": filled, "lag_rows": lag.rows, "lag_seconds": round(lag.seconds, 3)}
    state = "holds every note" if filled else "is being filled" if wanted else "is not fed"
    emit(as_json, result, f"the cluster {state}; {lag.rows} changes queued, {lag.seconds:.0f} seconds old")


@cluster.command()
def stop(
    index_folder: Index = DEFAULT, config: Config = None, set_: Set = None, as_json: AsJson = False
) -> None:
    """Stop queueing changes: for a service that has no cluster from now on."""
    from uninote.service.domain.notes import outbox

    with _database(settings_from(config, set_, None), index_folder) as database:
        database.transaction(outbox.stop)
    emit(as_json, {"wanted": False}, "changes are no longer queued for a cluster")


def _database(settings: Settings, folder: Path) -> Database:
    from uninote.service.db.engine import Database
    from uninote.service.db.url import database_place

    place = database_place(settings.store, folder)
    if isinstance(place, Path) and not place.is_dir():
        raise ConfigError(
            f"{folder} holds no database: name the served folder with --index, or store.address"
        )
    return Database(place, connections=2)
