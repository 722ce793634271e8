"""Video frames: JPEG pictures sampled uniformly in time, with a cap on the number of decoded frames.

A sample is the frame shown at the middle of one of equal segments of the time. A short video is read from
start to end: its packets tell the time, which needs neither a duration nor a frame count in the header. A
long video is sampled by seeking. Without time stamps the frames count as equally long.

With `corpus.frame_rate` frames are taken by rate instead (`frame_rate.py`), each with its `Moment`.
"""

from __future__ import annotations

import io
from collections import deque
from collections.abc import Container, Iterator, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any

from uninote.corpus.formats import CONTAINERS
from uninote.corpus.frame_rate import DEFAULT_FPS, chosen
from uninote.errors import PictureError, TooLargePicture, UnsupportedPicture, reason_of
from uninote.extras import needs
from uninote.items import Moment, Picture
from uninote.settings import CorpusSettings

with needs("video"):
    import av

# Playlists and scripts (HLS, concat) open further files and addresses: only plain containers are allowed.
_OPTIONS = {
    "format_whitelist": "mov,matroska,webm,avi,m4v,mpeg,mpegts,flv",
    "protocol_whitelist": "file",
}
_SHORT_SECONDS = 30.0
_MAX_DECODED = 20_000
"""Most frames decoded per video: bounds the time that a hostile file can cost."""
_SEEK_SECONDS = 5.0
"""Time between two frames sampled by rate beyond which those between them are not decoded."""
_COMPLETE = 0.9
"""Smallest share of the frames announced in the header that a complete file has."""
_JPEG_QUALITY = 90


def frames(path: str | Path, max_frames: int, settings: CorpusSettings) -> list[Picture]:
    """Sample at most `max_frames` (and `settings.most_frames`) frames, uniform in time, in time order.

    There are fewer where one frame is shown for several segments, or where `settings.frame_rate` asks for
    fewer. Each is an upright JPEG `Picture` held in memory. Raises PictureError when the file is missing,
    truncated, not a video of an allowed container, or when its frames exceed the pixel caps.
    """
    path = Path(path)
    count = min(max_frames, settings.most_frames)
    if count < 1:
        return []
    if not path.is_file():
        raise PictureError(f"video {path} does not exist or is not a file")
    try:
        if settings.frame_rate:
            sampled = [_picture(frame, moment) for frame, moment in _by_rate(path, count, settings)]
        else:
            sampled = [_picture(frame) for frame in _sample(path, count, settings)]
    except PictureError:
        raise
    except Exception as error:  # on crafted bytes the bindings raise other types than their own
        raise UnsupportedPicture(
            f"video {path} cannot be decoded, it is truncated, damaged or of no allowed container "
            f"({CONTAINERS}): {reason_of(error)}"
        ) from error
    if not sampled:
        raise PictureError(f"video {path} has no frame that can be decoded")
    return sampled


def _by_rate(path: Path, count: int, settings: CorpusSettings) -> list[tuple[Any, Moment]]:
    with av.open(str(path), options=_OPTIONS) as container:
        stream = _stream(container, path, settings)
        fps, base = stream.average_rate or DEFAULT_FPS, stream.time_base
        total, stamps, end = _timeline(container, stream, path)
    if stamps:
        times, seconds = [float((one - stamps[0]) * base) for one in stamps], float((end - stamps[0]) * base)
    else:
        total = min(total, _MAX_DECODED)
        times, seconds = [float(index / fps) for index in range(total)], float(total / fps)
    if not times:
        return []
    taken, moments = chosen(times, seconds, settings.frame_rate, count)
    with av.open(str(path), options=_OPTIONS) as container:
        stream = _stream(container, path, settings)
        if stamps:
            found = _at(container, stream, [stamps[index] for index in taken])
        else:
            found = _at_indices(container, stream, set(taken), total)
    return list(zip(found, moments, strict=False))


def _sample(path: Path, count: int, settings: CorpusSettings) -> list[Any]:
    with av.open(str(path), options=_OPTIONS) as container:
        stream = _stream(container, path, settings)
        seconds = _seconds(container, stream)
        if seconds is not None and seconds > _SHORT_SECONDS:
            sampled = _by_seeking(container, stream, count, seconds)
            if sampled:
                return sampled
    # The video is short, or its duration is missing or wrong, or it cannot seek: read it from start to end.
    with av.open(str(path), options=_OPTIONS) as container:
        total, stamps, end = _timeline(container, _stream(container, path, settings), path)
    if total > _MAX_DECODED:
        total, end = _MAX_DECODED, stamps[_MAX_DECODED - 1] if stamps else 0
    if stamps and total > count:
        with av.open(str(path), options=_OPTIONS) as container:
            if sampled := _by_time(container, _stream(container, path, settings), count, stamps[0], end):
                return sampled
    with av.open(str(path), options=_OPTIONS) as container:
        return _by_index(container, _stream(container, path, settings), count, total)


def _stream(container: Any, path: Path, settings: CorpusSettings) -> Any:
    if not container.streams.video:
        raise PictureError(f"video {path} has no picture track")
    stream = container.streams.video[0]
    if stream.codec_context is None:
        raise UnsupportedPicture(f"video {path} has pictures of an unknown codec; save it as MP4 (H.264)")
    stream.thread_type = "AUTO"
    width, height = stream.codec_context.width, stream.codec_context.height
    if width * height > settings.max_picture_pixels:
        raise TooLargePicture(f"video {path} has too many pixels a frame: {width} x {height}")
    if min(width, height) < settings.min_picture_side:
        raise PictureError(f"video {path} is too small: {width} x {height}")
    return stream


def _seconds(container: Any, stream: Any) -> float | None:
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    return container.duration / av.time_base if container.duration else None


def _by_seeking(container: Any, stream: Any, count: int, seconds: float) -> list[Any]:
    """Return the distinct frames shown at the middle of `count` equal segments.

    Empty where a segment's frame is not followed by another: the duration may be wrong, or the bound reached.
    """
    start = float((stream.start_time or 0) * stream.time_base)
    found: dict[int, Any] = {}
    for segment in range(count):
        target = start + seconds * (segment + 0.5) / count
        container.seek(int(target / stream.time_base), stream=stream)
        shown = None
        for frame in _decoded(container, stream, _MAX_DECODED // count):
            if frame.time is not None and frame.time > target:
                shown = shown or frame
                break
            shown = frame
        else:
            return []
        found[shown.pts] = shown
    return [found[pts] for pts in sorted(found)]


def _timeline(container: Any, stream: Any, path: Path) -> tuple[int, list[int], int]:
    """Return the number of frames, their time stamps in order, and when the last one ends.

    The stamps are empty where frames have none, or all the same. Read from the packets, without decoding.
    Raises PictureError for a truncated file.
    """
    packets = [
        (one.pts, one.duration or 0) for one in container.demux(stream) if one.size and not one.is_discard
    ]
    total, seconds = len(packets), _seconds(container, stream)
    known = sorted(packets) if all(pts is not None for pts, _ in packets) else []
    first, last = (known[0][0], known[-1][0]) if known else (0, 0)
    length = int(seconds / stream.time_base) if seconds else 0
    # Some containers count slots of time, most of them empty where the rate varies: then the time decides.
    if total < _COMPLETE * (stream.frames or 0) and last - first < _COMPLETE * (length or 1):
        there = _packets(path)
        if there < _COMPLETE * stream.frames:
            raise PictureError(f"video {path} is truncated: {there} of {stream.frames} frames are there")
    if first == last:
        return total, [], 0
    end = last + (known[-1][1] or (last - first) // (total - 1))
    if seconds and seconds <= _SHORT_SECONDS and not known[-1][1]:
        end = max(end, first + length)
    return total, [pts for pts, _ in known], end


def _packets(path: Path) -> int:
    """Return the number of frames in the file, those included that an edit list cuts off."""
    with av.open(str(path), options=_OPTIONS | {"ignore_editlist": "1"}) as container:
        return sum(bool(packet.size) for packet in container.demux(video=0))


def _by_time(container: Any, stream: Any, count: int, first: int, end: int) -> list[Any]:
    """Return the distinct frames shown at the middle of `count` equal segments of a time, in its base.

    Empty if a frame has no time stamp.
    """
    middles = (first + (end - first) * (segment + 0.5) / count for segment in range(count))
    targets = deque(float(middle * stream.time_base) for middle in middles)
    found: list[Any] = []
    shown = None
    for frame in _decoded(container, stream, _MAX_DECODED):
        if frame.time is None:
            return []
        passed = 0
        while targets and frame.time > targets[0]:
            passed += 1
            targets.popleft()
        if passed:
            found.append(shown or frame)
        if not targets:
            return found
        shown = frame
    return [*found, shown] if shown else found


def _by_index(container: Any, stream: Any, count: int, total: int) -> list[Any]:
    """Return the middle frames of `count` equal runs of `total` frames, or all of at most `count`."""
    wanted = {int((run + 0.5) * total / count) for run in range(count)} if total > count else range(total)
    return _at_indices(container, stream, wanted, total)


def _at_indices(container: Any, stream: Any, wanted: Container[int], total: int) -> list[Any]:
    return [frame for index, frame in enumerate(_decoded(container, stream, total)) if index in wanted]


def _at(container: Any, stream: Any, stamps: Sequence[int]) -> list[Any]:
    """Return the frame of each time stamp, or the next one; none for stamps after the last frame.

    Far from the last frame, decoding continues at the key frame before the stamp.
    """
    found: list[Any] = []
    frames = _decoded(container, stream, _MAX_DECODED)
    for stamp in stamps:
        if found and (stamp - found[-1].pts) * stream.time_base > _SEEK_SECONDS:
            container.seek(stamp, stream=stream)
            frames = _decoded(container, stream, _MAX_DECODED // len(stamps))
        frame = next((one for one in frames if one.pts is not None and one.pts >= stamp), None)
        if frame is None:
            break
        found.append(frame)
    return found


def _decoded(container: Any, stream: Any, limit: int) -> Iterator[Any]:
    def usable() -> Iterator[Any]:
        for packet in container.demux(stream):
            with suppress(av.FFmpegError):  # a broken packet costs its frames only
                yield from packet.decode()

    return islice(usable(), limit)


def _picture(frame: Any, moment: Moment | None = None) -> Picture:
    image = frame.to_image()
    if frame.rotation:  # phones store portrait as landscape plus a rotation (degrees, counter-clockwise)
        image = image.rotate(frame.rotation, expand=True)
    encoded = io.BytesIO()
    image.save(encoded, "JPEG", quality=_JPEG_QUALITY)
    return Picture.from_bytes(encoded.getvalue(), frame=True, moment=moment)
