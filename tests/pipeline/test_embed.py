import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.encoder.compact.small_towers import small_encoder

from uninote.corpus.readers import read_notes
from uninote.corpus.skips import SkipReport
from uninote.encoder import Encoder
from uninote.errors import ItemError, PartError, StoreError
from uninote.items import Item, Moment, Note, Picture
from uninote.pipeline import embed
from uninote.pipeline.embed import catalogue, embed_entries
from uninote.pipeline.embeddings import open_embeddings, read_records
from uninote.settings import load_settings
from uninote.store.protocol import CONTENT_KEY


@pytest.fixture(scope="module")
def notes(sample: Path) -> list[Note]:
    return read_notes(sample, load_settings().corpus, SkipReport())[:6]


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return small_encoder()


def test_catalogue_has_each_note_and_each_picture_once(notes: list[Note]) -> None:
    entries = catalogue([*notes, notes[0]])
    pictures = {picture.digest for note in notes for picture in note.pictures}
    assert [entry.id for entry in entries if entry.kind == "note"] == [n.id for n in [*notes, notes[0]]]
    assert len([entry for entry in entries if entry.kind == "image"]) == len(pictures)


def test_catalogue_has_a_video_sampled_by_rate_once() -> None:
    frames = tuple(Picture(f"frame {n}", frame=True, moment=Moment(n / 2, 0.5)) for n in range(6))
    entries = catalogue(
        [Note("n", "t", pictures=(Picture("still"), *frames)), Note("m", "t", pictures=frames)]
    )
    video = Item.of(*frames)
    assert [entry.id for entry in entries] == ["n", "m", "image:still", f"video:{video.key[:24]}"]
    assert entries[-1].item == video


def test_shards_round_trip_and_a_lost_one_is_made_again(
    notes: list[Note], encoder: Encoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embed, "SHARD", 8)
    entries = catalogue(notes)
    assert embed_entries(encoder, entries, tmp_path / "e") == {}
    records = [record for shard in read_records(open_embeddings(tmp_path / "e")) for record in shard]
    assert [record.id for record in records] == [entry.id for entry in entries]
    expected = encoder.encode([entry.item for entry in entries])
    np.testing.assert_allclose(np.stack([np.asarray(r.vector) for r in records]), expected, atol=1e-5)

    whole = tmp_path / "e" / "part-00000.parquet"
    kept, lost = whole.stat().st_mtime_ns, tmp_path / "e" / "part-00001.parquet"
    lost.unlink()
    embed_entries(encoder, entries, tmp_path / "e")
    assert lost.is_file()
    assert whole.stat().st_mtime_ns == kept


def test_shards_without_a_rendering_are_those_of_the_first(
    notes: list[Note], encoder: Encoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entries = catalogue(notes[:1])
    embed_entries(encoder, entries, tmp_path)
    manifest, part = tmp_path / "manifest.json", tmp_path / "part-00000.parquet"
    plan = json.loads(manifest.read_text())
    assert plan.pop("rendering") == 1
    manifest.write_text(json.dumps(plan))
    written = part.stat().st_mtime_ns
    embed_entries(encoder, entries, tmp_path)
    assert open_embeddings(tmp_path).version == encoder.version
    assert part.stat().st_mtime_ns == written
    monkeypatch.setattr(embed, "RENDERING", 2)
    embed_entries(encoder, entries, tmp_path)
    assert part.stat().st_mtime_ns > written


def test_shards_of_other_notes_are_replaced(notes: list[Note], encoder: Encoder, tmp_path: Path) -> None:
    embed_entries(encoder, catalogue(notes), tmp_path / "e")
    embed_entries(encoder, catalogue(notes[:1]), tmp_path / "e")
    ids = [record.id for shard in read_records(open_embeddings(tmp_path / "e")) for record in shard]
    assert ids == [entry.id for entry in catalogue(notes[:1])]


@pytest.mark.parametrize("left", ["", '{"version": "m', "[]", "{}"])
def test_a_damaged_manifest_is_written_again(
    notes: list[Note], encoder: Encoder, tmp_path: Path, left: str
) -> None:
    entries = catalogue(notes)
    embed_entries(encoder, entries, tmp_path)
    whole = (tmp_path / "manifest.json").read_text()
    (tmp_path / "manifest.json").write_text(left)
    embed_entries(encoder, entries, tmp_path)
    assert (tmp_path / "manifest.json").read_text() == whole
    assert list(read_records(open_embeddings(tmp_path)))


def test_a_bad_entry_is_told_and_the_rest_is_embedded(
    notes: list[Note], encoder: Encoder, tmp_path: Path
) -> None:
    broken = embed.Entry("bad", "image", Item.of(Picture.from_bytes(b"no picture")), "", {})
    errors = embed_entries(encoder, [broken, *catalogue(notes[:1])], tmp_path / "e")
    assert set(errors) == {"bad"}
    assert "bad" not in [
        record.id for shard in read_records(open_embeddings(tmp_path / "e")) for record in shard
    ]


def test_a_bad_picture_costs_its_note_nothing_else(
    notes: list[Note], encoder: Encoder, tmp_path: Path
) -> None:
    lost = tmp_path / "lost.png"
    Image.new("RGB", (20, 20), "teal").save(lost)
    picture = Picture.from_path(lost)
    whole = replace(notes[0], pictures=(*notes[0].pictures, picture))
    only = Note("only", pictures=(picture,))
    lost.unlink()  # after reading, before embedding
    for _ in range(2):  # the second time from the shard
        errors = embed_entries(encoder, catalogue([whole, only]), tmp_path / "e")
        kinds = {name: type(error) for name, error in errors.items()}
        image = f"image:{picture.digest[:24]}"
        assert kinds == {whole.id: PartError, "only": ItemError, image: ItemError}
        assert all("lost.png cannot be read: No such file" in str(error) for error in errors.values())
    records = [record for shard in read_records(open_embeddings(tmp_path / "e")) for record in shard]
    assert [record.id for record in records if record.kind == "note"] == [whole.id]
    np.testing.assert_allclose(records[0].vector, encoder.encode([notes[0].item()])[0], atol=1e-5)
    assert CONTENT_KEY not in records[0].payload  # its vector is not that of the whole content


def test_an_empty_folder_names_the_command(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="uninote embed"):
        open_embeddings(tmp_path)
