"""FastAPI dependencies of routes and pages: the services, and the identity of the caller."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request

from uninote.service.app.services import Services
from uninote.service.domain.base.identity import Identity


# `async`, though they wait for nothing: FastAPI would run plain functions on a thread each time.
async def _services(request: Request) -> Services:
    services: Services = request.app.state.services
    return services


async def _identity(request: Request) -> Identity:
    identity: Identity = request.state.identity
    return identity


Service = Annotated[Services, Depends(_services)]
Caller = Annotated[Identity, Depends(_identity)]
