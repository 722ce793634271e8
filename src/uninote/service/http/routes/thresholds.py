"""Routes of thresholds: history, setting, and calibration."""

from __future__ import annotations

from fastapi import APIRouter

from uninote.service.app import thresholds
from uninote.service.http.access import needs
from uninote.service.http.dependencies import Caller, Service
from uninote.service.http.errors import RESPONSES
from uninote.service.schemas import gallery as wire
from uninote.service.schemas.common import Before, Limit, RequiredName

router = APIRouter(tags=["thresholds"], responses=RESPONSES)


@router.get("/v1/thresholds", openapi_extra=needs("read"))
async def read_thresholds(
    category: RequiredName, service: Service, before: Before = None, limit: Limit = 100
) -> wire.Thresholds:
    """List the thresholds of a category with their history, the newest first."""
    found = await thresholds.history(service, category, before, limit + 1)
    return wire.Thresholds(thresholds=found[:limit], more=len(found) > limit)


@router.put("/v1/thresholds", openapi_extra=needs("operate"))
async def put_threshold(body: wire.ThresholdIn, service: Service, caller: Caller) -> wire.ThresholdPut:
    """Set a threshold for every note that is stored after this answer; the one in force is not set again.

    The answer says what it replaced.
    """
    return await thresholds.put(service, body, caller.actor)


@router.post("/v1/calibrations", openapi_extra=needs("read"))
async def calibrate(body: wire.CalibrationIn, service: Service) -> wire.CalibrationOut:
    """Propose a threshold for a number of hits, a precision or a recall. Nothing is changed."""
    return await thresholds.calibrate(service, body)
