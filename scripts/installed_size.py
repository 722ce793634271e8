"""Installed size of the core and of each extra, as the table of docs/install.md.

Usage: .venv/bin/python scripts/installed_size.py [--write]

Sums the files of every distribution that an extra requires, directly or not, in this environment. `--write`
puts the table into docs/install.md. torch is left out: its size depends on its build (CPU or CUDA).
"""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Iterable
from functools import cache
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs/install.md"
TABLE = re.compile(r"(?<=<!-- sizes -->\n).*?(?=<!-- /sizes -->)", re.DOTALL)
MEGABYTE = 1e6


def project() -> dict[str, list[str]]:
    """Return the requirements of the core (key "") and of each extra, as pyproject.toml states them."""
    table = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    return {"": table["dependencies"], **table["optional-dependencies"]}


def closure(extra: str) -> set[str]:
    """Return the names of all distributions that `uninote[extra]` installs; "" is the core alone."""
    stated = project()
    seen: set[tuple[str, str]] = set()
    waiting = [Requirement(text) for text in (*stated[""], *stated[extra])]
    while waiting:
        wanted = waiting.pop()
        name = canonicalize_name(wanted.name)
        if name == "uninote":
            waiting += [Requirement(text) for one in wanted.extras for text in stated[one]]
            continue
        for chosen in {"", *wanted.extras}:
            if (name, chosen) not in seen:
                seen.add((name, chosen))
                waiting += _required(name, chosen)
    return {name for name, _ in seen}


def _required(name: str, extra: str) -> Iterable[Requirement]:
    """Yield what a distribution requires on this machine for one of its extras."""
    for text in metadata.requires(name) or ():
        wanted = Requirement(text)
        if wanted.marker is None or wanted.marker.evaluate({"extra": extra}):
            yield wanted


@cache
def size(name: str) -> int:
    """Return the bytes of a distribution's files."""
    found = (Path(str(file.locate())) for file in metadata.files(name) or ())
    return sum(path.stat().st_size for path in found if path.is_file())


def table() -> str:
    """Return the Markdown table: what each extra adds to the core, in megabytes."""
    core = closure("")
    torch = {name for name in core if name == "torch" or name.startswith(("nvidia-", "triton", "cuda-"))}
    rows = [("(core)", sum(map(size, core - torch)), f"{len(core - torch)} packages without torch")]
    for extra in sorted(project()):
        if extra:
            added = closure(extra) - core
            largest = ", ".join(sorted(added, key=size, reverse=True)[:3])
            what = f"{len(added)} package{'s' * (len(added) > 1)}: {largest}"
            rows.append((f"`{extra}`", sum(map(size, added)), what))
    lines = [f"| {name} | {count / MEGABYTE:,.0f} | {what} |" for name, count, what in rows]
    return "\n".join(["| extra | adds, MB | largest |", "|---|---|---|", *lines, ""])


def main(write: bool) -> None:
    if write:
        page = PAGE.read_text("utf-8")
        PAGE.write_text(TABLE.sub(lambda _: table(), page), "utf-8")
    else:
        print(table(), end="")


if __name__ == "__main__":
    main("--write" in sys.argv[1:])
