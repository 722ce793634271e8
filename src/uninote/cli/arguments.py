"""Arguments that a command does not take, with the options that may have been meant, and outputs it reads."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import typer
from typer.core import TyperCommand

from uninote.errors import ConfigError

MEANT = ("--text", "--url", "--index", "--notes", "--model", "--out")
"""Options whose values are given without their names most often, the likeliest first."""
OFFERED = 2


class Checked(TyperCommand):
    """A command that hints at options for an extra argument, and does not replace its own inputs."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        ctx.allow_extra_args = True
        rest = super().parse_args(ctx, args)
        if ctx.args:
            own = {name for param in self.params for name in param.opts}
            given = " ".join(map(shlex.quote, ctx.args))
            offers = [f"{name} {shlex.quote(ctx.args[0])}" for name in MEANT if name in own][:OFFERED]
            hint = f"; did you mean {' or '.join(offers)}?" if offers else ""
            ctx.fail(f"Got unexpected extra argument(s): {given}{hint}")
        if not ctx.resilient_parsing:
            keep_inputs(ctx.params)
        return rest


def keep_inputs(params: Mapping[str, Any]) -> None:
    """Raise ConfigError if `--out` names a file or folder that another parameter names."""
    out = params.get("out")
    others = [value for name, value in params.items() if name != "out"]
    for path in (path for value in others for path in (value if isinstance(value, list) else [value])):
        if out and isinstance(path, Path) and path.exists() and out.exists() and path.samefile(out):
            raise ConfigError(
                f"{out} is an input of this command, which would replace it: name another --out"
            )


def check_in(app: typer.Typer) -> None:
    """Make every command of `app`, and of the groups in it, a `Checked` one."""
    for command in app.registered_commands:
        command.cls = Checked
    for group in app.registered_groups:
        if group.typer_instance is not None:
            check_in(group.typer_instance)
