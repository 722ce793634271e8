"""ASGI application of one process: the API and the console, each inside its guard."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI

from uninote.service.app.services import Services
from uninote.service.console.app import Console
from uninote.service.http.app import routes
from uninote.service.http.fast_path import direct_routes
from uninote.service.http.middleware import Guard
from uninote.service.main.lifecycle import running


def create_app(services: Services) -> FastAPI:
    """Return the application. Its lifespan runs the background work and closes the services."""
    app = routes()
    app.state.services = services

    @asynccontextmanager
    async def lifespan(_: Any) -> AsyncIterator[None]:
        async with running(services):
            yield

    app.router.lifespan_context = lifespan
    app.add_middleware(
        Guard, services=services, routes=app.routes, direct=direct_routes(app.routes, services)
    )
    app.add_middleware(Console, services=services)
    return app
