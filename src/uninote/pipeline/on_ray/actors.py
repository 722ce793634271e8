"""Pool of Ray actors that runs jobs and returns results as they finish."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from uninote.errors import ConfigError, ModelError, UniNoteError, reason_of

BLOCKS = 10_000
"""Most units of scheduling; more jobs share a unit, and their results arrive together."""

AGAIN = "run again, what is finished is kept"

Job = TypeVar("Job")
Result = TypeVar("Result")


def resources(device: str) -> dict[str, float]:
    """Return the resources of one actor: a GPU if the cluster has one and `device` allows it, else a core.

    Raises ConfigError when the cluster has nothing of the kind.
    """
    import ray

    there = ray.cluster_resources()
    if there.get("GPU", 0) >= 1 and device != "cpu":
        return {"num_gpus": 1}
    if device.startswith("cuda"):
        raise ConfigError(
            "encoder.device asks for a GPU, but the Ray cluster has none: set it to auto or cpu"
        )
    if there.get("CPU", 0) < 1:
        raise ConfigError("the Ray cluster offers no CPU: start its machines with --num-cpus 1 or more")
    return {"num_cpus": 1}


def room(share: dict[str, float]) -> int:
    """Count the actors of this `share` that fit the cluster now, at least 1."""
    import ray

    there = ray.cluster_resources()
    names = {"num_gpus": "GPU", "num_cpus": "CPU"}
    return max(1, *(int(there.get(names[name], 0) / amount) for name, amount in share.items()))


@dataclass(frozen=True)
class _Box(Generic[Result]):
    """Wrapper that Ray Data keeps whole; it would split lists and dicts into columns."""

    value: Result


class _Actor(Generic[Job, Result]):
    def __init__(self, work: Callable[[Job], Result]) -> None:
        self.work = work

    def __call__(self, row: dict[str, _Box[Job]]) -> dict[str, _Box[Result | UniNoteError]]:
        try:
            return {"done": _Box(self.work(row["job"].value))}
        except UniNoteError as error:  # as a value: Ray would wrap it, and hide the reason
            return {"done": _Box(error)}
        except Exception as error:
            reason = f"{type(error).__name__}: {reason_of(error)}"
            return {"done": _Box(ModelError(f"a worker on {socket.gethostname()} failed: {reason}; {AGAIN}"))}


def over_cluster(
    work: Callable[[Job], Result], jobs: Sequence[Job], share: dict[str, float]
) -> Iterator[Result]:
    """Run `work` on every job once, and yield the results in the order in which they finish.

    Args:
        work: pickled to every actor and kept there, so that its caches are loaded once.
        share: resources of one actor, from `resources`.

    Raises:
        UniNoteError: the first error that `work` raised.
        ModelError: the cluster itself failed.
    """
    import ray
    from ray.data import ActorPoolStrategy, DataContext

    DataContext.get_current().enable_progress_bars = False
    rows = ray.data.from_items(
        [{"job": _Box(job)} for job in jobs], override_num_blocks=min(len(jobs), BLOCKS)
    )
    # All actors start at once, as loading takes longest; later the pool follows joining and leaving machines.
    pool = ActorPoolStrategy(min_size=1, initial_size=min(len(jobs), room(share)), max_size=None)
    finished = 0
    try:
        for row in rows.map(_Actor, fn_constructor_kwargs={"work": work}, compute=pool, **share).iter_rows():
            value = row["done"].value
            if isinstance(value, UniNoteError):
                raise value
            finished += 1
            yield value
    except ray.exceptions.RayError as error:
        reason = reason_of(error)
        raise ModelError(f"the Ray cluster failed: {reason}; {AGAIN}") from error
    if finished != len(jobs):
        raise ModelError(f"the Ray cluster gave back {finished} of {len(jobs)} jobs; {AGAIN}")
