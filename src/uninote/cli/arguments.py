"""Arguments that a command does not take: the options that may have been meant."""

from __future__ import annotations

import shlex
from typing import Any

import typer
from typer.core import TyperCommand

MEANT = ("--text", "--url", "--index", "--notes", "--model", "--out")
"""Options whose values are given without their names most often, the likeliest first."""
OFFERED = 2


class Hinting(TyperCommand):
    """A command that answers an extra argument with the options that take such a value."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        ctx.allow_extra_args = True
        rest = super().parse_args(ctx, args)
        if ctx.args:
            own = {name for param in self.params for name in param.opts}
            given = " ".join(map(shlex.quote, ctx.args))
            offers = [f"{name} {shlex.quote(ctx.args[0])}" for name in MEANT if name in own][:OFFERED]
            hint = f"; did you mean {' or '.join(offers)}?" if offers else ""
            ctx.fail(f"Got unexpected extra argument(s): {given}{hint}")
        return rest


def hint_in(app: typer.Typer) -> None:
    """Make every command of `app`, and of the groups in it, a `Hinting` one."""
    for command in app.registered_commands:
        command.cls = Hinting
    for group in app.registered_groups:
        if group.typer_instance is not None:
            hint_in(group.typer_instance)
