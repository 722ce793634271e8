"""What routes ask for: the running service, and who calls."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request

from uninote.service.app.services import Runtime
from uninote.service.http.access import Identity


# `async`, though they wait for nothing: others are run on a thread each time.
async def _runtime(request: Request) -> Runtime:
    runtime: Runtime = request.app.state.runtime
    return runtime


async def _identity(request: Request) -> Identity:
    identity: Identity = request.state.identity
    return identity


Service = Annotated[Runtime, Depends(_runtime)]
Caller = Annotated[Identity, Depends(_identity)]
