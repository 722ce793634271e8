import hashlib
import io

import pytest
from PIL import Image

from uninote.corpora.pictures import convert
from uninote.errors import PictureError


def picture(size, kind="PNG", **options):
    data = io.BytesIO()
    Image.linear_gradient("L").resize(size).convert("RGB").save(data, kind, **options)
    return data.getvalue()


@pytest.mark.parametrize(
    ("size", "made"),
    [((1200, 726), (448, 271)), ((651, 896), (325, 448)), ((244, 326), (244, 326)), ((512, 64), (448, 56))],
)
def test_pictures_are_made_as_in_the_benchmark(tmp_path, size, made):
    (tmp_path / "a.png").write_bytes(picture(size))
    entry = convert(tmp_path, "a.png", tmp_path / "out")
    data = (tmp_path / "out" / entry["path"]).read_bytes()
    with Image.open(io.BytesIO(data)) as image:
        assert (image.format, image.size, image.mode) == ("JPEG", made, "RGB")
        # Tables of the published pictures: quality 80.
        assert image.quantization[0][:6] == [6, 4, 4, 6, 10, 16]
    assert entry["path"] == f"images/{hashlib.sha256(data).hexdigest()[:20]}.jpg"
    assert (entry["src_w"], entry["src_h"]) == size
    assert convert(tmp_path, "a.png", tmp_path / "out") == entry


def frames():
    return picture((80, 80), "GIF", save_all=True, append_images=[Image.new("RGB", (80, 80), "red")])


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (picture((63, 200)), "too small"),
        (picture((64, 520)), "times longer than wide"),
        (frames(), "animation"),
        (picture((200, 200))[:300], "cannot be decoded|truncated"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "is SVG"),
        (b"", "empty"),
    ],
)
def test_pictures_that_the_benchmark_left_out_are_refused(tmp_path, data, reason):
    (tmp_path / "a.gif").write_bytes(data)
    with pytest.raises(PictureError, match=reason):
        convert(tmp_path, "a.gif", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_path_out_of_the_checkout_is_refused(tmp_path):
    (tmp_path / "secret.png").write_bytes(picture((80, 80)))
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "link.png").symlink_to(tmp_path / "secret.png")
    for path in ("../secret.png", "link.png", str(tmp_path / "secret.png")):
        with pytest.raises(PictureError, match="outside"):
            convert(tmp_path / "in", path, tmp_path / "out")
