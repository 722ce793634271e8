import struct
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from uninote.corpus import video
from uninote.corpus.decode import load_picture
from uninote.corpus.video import frames
from uninote.errors import PictureError
from uninote.items import Picture
from uninote.settings import CorpusSettings

Film = Callable[..., Path]


def paced(path: Path, shown: Sequence[tuple[float, int]], last: float, codec: str = "mpeg4") -> Path:
    """Write a video of variable rate: frames of (seconds, grey), the last one shown for `last` seconds."""
    with av.open(str(path), "w") as out:
        stream = out.add_stream(codec, rate=30)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        for seconds, grey in shown:
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), grey, np.uint8), format="rgb24")
            frame.pts, frame.time_base = int(1000 * seconds), Fraction(1, 1000)
            for packet in stream.encode(frame):
                if (seconds, grey) == shown[-1]:
                    packet.duration = int(1000 * last)
                out.mux(packet)
        out.mux(stream.encode())
    return path


BURST = [(n / 30, 20) for n in range(30)]
"""A second of 30 equal frames."""


def greys(pictures: list[Picture], settings: CorpusSettings) -> list[float]:
    return [float(np.asarray(load_picture(picture, settings)).mean()) for picture in pictures]


@pytest.mark.parametrize(
    ("name", "container"),
    [
        ("a.mp4", None),
        ("a.mkv", None),
        ("a.avi", None),
        ("a.m4v", "m4v"),
    ],  # mkv, m4v: no count; m4v: no times
)
def test_frames_are_uniform_with_and_without_metadata(
    film: Film, settings: CorpusSettings, name: str, container: str | None
) -> None:
    pictures = frames(film(name, count=50, container=container), 4, settings)
    assert len(pictures) == 4
    assert all(picture.data and picture.path is None and picture.frame for picture in pictures)
    assert load_picture(pictures[0], settings).size == (64, 48)
    assert greys(pictures, settings) == pytest.approx([32, 96, 160, 223], abs=6)


def test_long_videos_are_sampled_by_seeking(
    film: Film, settings: CorpusSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = film(count=400, fps=10)  # 40 s
    expected = greys(frames(path, 8, settings), settings)
    assert expected == pytest.approx([255 * (step + 0.5) / 8 for step in range(8)], abs=6)
    decoded = []
    original = video._decoded

    def counted(*args: object) -> object:
        for frame in original(*args):
            decoded.append(frame.pts)
            yield frame

    monkeypatch.setattr(video, "_decoded", counted)
    frames(path, 8, settings)
    assert 0 < len(decoded) < 200  # far fewer than the 400 of the whole


@pytest.mark.parametrize(("asked", "setting", "given"), [(3, 8, 3), (99, 5, 5), (8, 8, 8), (0, 8, 0)])
def test_the_frame_cap_holds(film: Film, asked: int, setting: int, given: int) -> None:
    capped = CorpusSettings(max_frames=setting)
    assert len(frames(film(count=21), asked, capped)) == given
    assert len(frames(film("long.mp4", count=70, fps=2), asked, capped)) == given


def test_a_clip_with_fewer_frames_yields_all_of_them(film: Film, settings: CorpusSettings) -> None:
    assert len(frames(film(count=3), 8, settings)) == 3
    assert len(frames(film("slides.mp4", count=5, fps=1), 8, settings)) == 5


def test_decoding_stops_at_its_bound(
    film: Film, settings: CorpusSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(video, "_MAX_DECODED", 10)
    assert max(greys(frames(film(count=30), 4, settings), settings)) < 100


def test_a_video_cut_before_its_index_is_refused(film: Film, settings: CorpusSettings) -> None:
    path = film(noisy=True)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(PictureError, match=r"clip\.mp4 cannot be decoded, it is truncated"):
        frames(path, 4, settings)


@pytest.mark.parametrize("fps", [10, 1])
def test_a_video_cut_after_its_index_is_refused(film: Film, settings: CorpusSettings, fps: int) -> None:
    path = film(noisy=True, count=40, fps=fps, movflags="faststart")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(PictureError, match="truncated"):
        frames(path, 4, settings)


def test_other_files_are_refused(tmp_path: Path, film: Film, settings: CorpusSettings) -> None:
    with pytest.raises(PictureError, match="does not exist"):
        frames(tmp_path / "gone.mp4", 4, settings)
    for name, data in (("empty.mp4", b""), ("text.mp4", b"hello" * 100)):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(PictureError, match="cannot be decoded"):
            frames(tmp_path / name, 4, settings)
    film("real.mp4")
    (tmp_path / "list.mp4").write_text("#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:3,\nreal.mp4\n")
    with pytest.raises(PictureError, match="cannot be decoded"):
        frames(tmp_path / "list.mp4", 4, settings)


def test_pixel_caps_hold_for_frames(film: Film) -> None:
    with pytest.raises(PictureError, match="too many pixels a frame: 64 x 48"):
        frames(film(), 4, CorpusSettings(max_picture_pixels=1000))
    with pytest.raises(PictureError, match="too small: 64 x 48"):
        frames(film(), 4, CorpusSettings(min_picture_side=50))


@pytest.mark.parametrize("settings", [CorpusSettings(), CorpusSettings().by_rate()], ids=["even", "by rate"])
def test_rotation_is_applied(film: Film, settings: CorpusSettings) -> None:
    path = film(noisy=True, count=2)
    upright = np.asarray(load_picture(frames(path, 1, settings)[0], settings)).astype(int)
    data = bytearray(path.read_bytes())
    matrix = data.index(b"tkhd") + 44
    data[matrix : matrix + 36] = struct.pack(">9i", 0, 1 << 16, 0, -(1 << 16), 0, 0, 0, 0, 1 << 30)
    path.write_bytes(data)  # shown a quarter turn clockwise, as phones store portrait
    turned = np.asarray(load_picture(frames(path, 1, settings)[0], settings)).astype(int)
    assert turned.shape == (64, 48, 3)
    clockwise = np.rot90(upright, -1)
    counter = np.rot90(upright, 1)
    assert np.abs(turned - clockwise).mean() < np.abs(turned - counter).mean() / 3


@pytest.mark.parametrize(("name", "codec"), [("a.mp4", "mpeg4"), ("a.mkv", "mpeg4"), ("a.flv", "flv1")])
def test_short_videos_of_variable_rate_are_sampled_by_time(
    tmp_path: Path, settings: CorpusSettings, name: str, codec: str
) -> None:
    path = paced(tmp_path / name, [*BURST, (1.0, 120), (5.0, 220)], 4.0, codec)  # 9 s in all
    # The middles of three parts are 1.5, 4.5 and 7.5 s; of nine parts 0.5, 1.5, 2.5, ...
    assert greys(frames(path, 3, settings), settings) == pytest.approx([120, 220], abs=6)
    assert greys(frames(path, 8, settings), settings) == pytest.approx([20, 120, 220], abs=6)


@pytest.mark.parametrize(
    ("name", "codec", "last"),
    [("a.mp4", "mpeg4", 8.0), ("a.mkv", "mpeg4", 8.0), ("a.flv", "flv1", 8.0), ("a.mp4", "mpeg4", 70.0)],
)
def test_a_long_last_frame_takes_its_share(
    tmp_path: Path, settings: CorpusSettings, name: str, codec: str, last: float
) -> None:
    path = paced(tmp_path / name, [*BURST, (1.0, 200)], last, codec)
    assert greys(frames(path, 2, settings), settings) == pytest.approx([200], abs=6)


def test_frames_of_a_slow_part_of_a_long_video_are_those_shown(
    tmp_path: Path, settings: CorpusSettings
) -> None:
    shown = [*BURST, (1.0, 60), (20.0, 120), (38.0, 180), (39.9, 240)]
    path = paced(tmp_path / "a.mp4", shown, 0.1)
    # The middles of four parts are 5, 15, 25 and 35 s.
    assert greys(frames(path, 4, settings), settings) == pytest.approx([60, 120], abs=6)


def test_an_avi_of_variable_rate_is_whole(tmp_path: Path, settings: CorpusSettings) -> None:
    path = paced(tmp_path / "a.avi", [*BURST, (1.0, 120), (8.9, 220)], 0.1)
    assert greys(frames(path, 3, settings), settings) == pytest.approx([120], abs=6)


def test_without_time_stamps_frames_count_as_equally_long(
    film: Film, settings: CorpusSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = film(count=40)
    expected = greys(frames(path, 4, settings), settings)
    times = video._timeline
    monkeypatch.setattr(video, "_timeline", lambda *args: (times(*args)[0], [], 0))
    assert greys(frames(path, 4, settings), settings) == pytest.approx(expected, abs=4)
    monkeypatch.undo()

    class Unstamped:
        def __init__(self, frame: av.VideoFrame) -> None:
            self.frame, self.time, self.rotation = frame, None, 0
            self.to_image = frame.to_image

    original = video._decoded
    monkeypatch.setattr(video, "_decoded", lambda *args: map(Unstamped, original(*args)))
    assert greys(frames(path, 4, settings), settings) == pytest.approx(expected, abs=4)


def test_a_rotated_video_of_variable_rate(tmp_path: Path, settings: CorpusSettings) -> None:
    path = paced(tmp_path / "a.mp4", [*BURST, (1.0, 120), (5.0, 220)], 4.0)
    data = bytearray(path.read_bytes())
    matrix = data.index(b"tkhd") + 44
    data[matrix : matrix + 36] = struct.pack(">9i", 0, 1 << 16, 0, -(1 << 16), 0, 0, 0, 0, 1 << 30)
    path.write_bytes(data)
    pictures = frames(path, 8, settings)
    assert {load_picture(picture, settings).size for picture in pictures} == {(48, 64)}
    assert greys(pictures, settings) == pytest.approx([20, 120, 220], abs=6)


def test_a_trimmed_video_is_whole(tmp_path: Path, settings: CorpusSettings) -> None:
    path = tmp_path / "trimmed.mp4"
    with av.open(str(path), "w") as container:  # an edit list shows the last two of 60 frames
        stream = container.add_stream("mpeg4", rate=30)
        stream.width, stream.height, stream.pix_fmt, stream.gop_size = 64, 64, "yuv420p", 10
        for number in range(60):
            frame = av.VideoFrame.from_ndarray(np.full((64, 64, 3), 4 * number, np.uint8))
            frame.pts = number - 58
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    assert greys(frames(path, 4, settings), settings) == pytest.approx([232, 236], abs=4)


@pytest.mark.parametrize("fps", [10, 1])
def test_a_broken_frame_costs_itself(film: Film, settings: CorpusSettings, fps: int) -> None:
    path = film("clip.mkv", count=40, fps=fps, codec="mjpeg", layout="yuvj420p")
    with av.open(str(path)) as container:
        packets = [bytes(packet) for packet in container.demux() if packet.size]
    data = path.read_bytes()
    for packet in packets[10:14]:
        data = data.replace(packet, bytes(len(packet)))
    path.write_bytes(data)
    found = frames(path, 40, settings.model_copy(update={"max_frames": 40}))
    assert 36 <= len(found) <= 37  # for a segment of a broken frame, the one before or after is shown
    for packet in packets:
        data = data.replace(packet, bytes(len(packet)))
    path.write_bytes(data)
    with pytest.raises(PictureError, match="has no frame that can be decoded"):
        frames(path, 8, settings)
