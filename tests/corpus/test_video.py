import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from uninote.corpus import video
from uninote.corpus.decode import load_picture
from uninote.corpus.video import frames
from uninote.errors import PictureError
from uninote.items import Picture
from uninote.settings import CorpusSettings

Film = Callable[..., Path]


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
