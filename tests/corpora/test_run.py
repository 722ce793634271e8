import io
import json

import pytest
from PIL import Image
from typer.testing import CliRunner

from uninote.cli import app
from uninote.corpora import run
from uninote.corpora.pins import CorpusPins, Repository
from uninote.corpus.readers import read_notes
from uninote.corpus.skips import SkipReport
from uninote.errors import ConfigError
from uninote.settings import CorpusSettings

LONG = "Water rises and falls twice a day along most of the coasts of the world. " * 3


def picture(colour, size=(600, 300)):
    data = io.BytesIO()
    Image.new("RGB", size, colour).save(data, "PNG")
    return data.getvalue()


def module(title, body, figure="", licence=""):
    return (
        f'<document xmlns="http://cnx.rice.edu/cnxml"><title>{title}</title><content>'
        f'<figure><media alt="A picture"><image src="../../media/{figure}"/></media>'
        f"<caption>Seen from above. {licence}</caption></figure><para>{body}</para></content></document>"
    )


def book(title, licence, *modules):
    items = "".join(f'<module document="{each}"/>' for each in modules)
    return (
        '<collection xmlns="http://cnx.rice.edu/collxml" xmlns:md="http://cnx.rice.edu/mdml"><metadata>'
        f'<md:title>{title}</md:title><md:license url="{licence}"/></metadata><content><subcollection>'
        f"<md:title>Tides</md:title><content>{items}</content></subcollection></content></collection>"
    )


CC_BY = "http://creativecommons.org/licenses/by/4.0/"
TEXTBOOK = {
    "META-INF/books.xml": '<container><book href="../collections/sea.collection.xml"/>'
    '<book href="../collections/nc.collection.xml"/></container>',
    "collections/sea.collection.xml": book("The Sea", CC_BY, "m1", "m2", "m3", "m4", "m5", "m6", "m7"),
    "collections/nc.collection.xml": book("Not free", CC_BY.replace("by", "by-nc-sa"), "m8"),
    "modules/m1/index.cnxml": module("Introduction", LONG, "red.png"),
    "modules/m2/index.cnxml": module(
        "Moon", LONG + '<link document="m1">before</link> <link document="m7">gone</link>', "blue.png"
    ),
    "modules/m3/index.cnxml": module("Short", "Too short.", "red.png"),
    "modules/m4/index.cnxml": module("Restricted", LONG, "red.png", "(CC BY-NC 2.0)"),
    "modules/m5/index.cnxml": module("Broken picture", LONG, "broken.png"),
    "modules/m6/index.cnxml": "<document",
    "modules/m8/index.cnxml": module("Other", LONG, "red.png"),
    "media/red.png": picture("red"),
    "media/blue.png": picture("blue"),
    "media/broken.png": b"\x89PNG nothing",
}
DOCS = {
    "docs/start/a.md": f"---\ntitle: A\n---\n# Head\n{LONG}\n![shot](media/s.png)\n[b](../b.md) [c](c.md)",
    "docs/b.md": f"# B\n{LONG}\n![gone](none.png)\n![shot](start/media/s.png)\n![same](start/media/s.png)",
    "docs/no-alt.md": f"# C\n{LONG}\n![](start/media/s.png)",
    "docs/latin.md": b"\xff\xfe",
    "docs/huge.md": "x" * 5_000_001,
    "docs/start/media/s.png": picture("green", (100, 90)),
    "readme.md": f"# Not a page\n{LONG}\n![shot](docs/start/media/s.png)",
}


def textbook(tmp_path, commit_files, files=TEXTBOOK):
    commit = commit_files(tmp_path / "mirror" / "press" / "osbooks-sea", files)
    return CorpusPins(
        format="cnxml",
        corpus="openstax",
        lang="en",
        licence="CC BY 4.0",
        tags="chapter",
        repositories=(Repository(name="press/osbooks-sea", commit=commit),),
    )


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_textbooks_become_notes_with_the_benchmarks_fields(tmp_path, commit_files):
    pins, out = textbook(tmp_path, commit_files), tmp_path / "out"
    done = run.fetch_corpus(pins, out, mirror=str(tmp_path / "mirror"), progress=False)
    first, second = lines(done.path)
    assert (done.notes, done.pictures) == (2, 2)
    assert first | {"body": "", "images": []} == {
        "id": "openstax:sea/m1",
        "title": "Tides: introduction",
        "body": "",
        "images": [],
        "tags": ["Tides"],
        "category": "The Sea",
        "links": [],
        "source": "press/osbooks-sea:modules/m1/index.cnxml",
        "lang": "en",
        "corpus": "openstax",
        "licence": "CC BY 4.0",
    }
    assert first["body"] == LONG.strip()
    assert second["links"] == ["openstax:sea/m1"]  # m7 gave no note
    (image,) = first["images"]
    assert image | {"path": ""} == {
        "path": "",
        "alt": "A picture",
        "section": "",
        "src_w": 600,
        "src_h": 300,
        "src": "media/red.png",
        "caption": "Seen from above.",
    }
    with Image.open(out / image["path"]) as opened:
        assert opened.size == (448, 224)


def test_everything_left_out_is_reported_with_its_reason(tmp_path, commit_files):
    out = tmp_path / "out"
    done = run.fetch_corpus(
        textbook(tmp_path, commit_files), out, mirror=str(tmp_path / "mirror"), progress=False
    )
    reasons = {
        (skip["note_id"].rpartition("/")[2], skip["reason"].partition(":")[0])
        for skip in lines(out / "skipped.jsonl")
    }
    assert reasons == {
        ("m3", "too little text"),
        ("m4", "licence"),
        ("m4", "no picture"),
        ("m5", "bad picture"),
        ("m5", "no picture"),
        ("m6", "bad page"),
        ("m7", "missing page"),
        ("", "licence"),
    }
    assert sum(done.skipped.values()) == 8


def test_the_package_reads_what_was_fetched_and_ocr_is_left_to_annotate(tmp_path, commit_files):
    out = tmp_path / "out"
    run.fetch_corpus(textbook(tmp_path, commit_files), out, mirror=str(tmp_path / "mirror"), progress=False)
    notes = read_notes(out, CorpusSettings(), report := SkipReport())
    assert [note.id for note in notes] == ["openstax:sea/m1", "openstax:sea/m2"]
    assert notes[0].pictures[0].ocr is None
    assert not len(report)


def test_a_killed_fetch_resumes_with_the_same_result(tmp_path, commit_files, monkeypatch):
    pins, mirror = textbook(tmp_path, commit_files), str(tmp_path / "mirror")
    whole = run.fetch_corpus(pins, tmp_path / "whole", mirror=mirror, progress=False)
    real, made = run.make_note, []

    def killed(page, *rest):
        made.append(page.id)
        if len(made) == 2:
            raise KeyboardInterrupt
        return real(page, *rest)

    out = tmp_path / "out"
    monkeypatch.setattr(run, "make_note", killed)
    with pytest.raises(KeyboardInterrupt):
        run.fetch_corpus(pins, out, mirror=mirror, progress=False)
    assert not (out / "notes.jsonl").exists()
    (journal,) = (out / ".fetch").glob("*.jsonl")
    with journal.open("a") as file:
        file.write('{"id": "openstax:sea/m2", "no')  # cut short by the kill
    done = run.fetch_corpus(pins, out, mirror=mirror, progress=False)
    assert made.count("openstax:sea/m1") == 1
    assert done.path.read_bytes() == whole.path.read_bytes()
    assert (out / "skipped.jsonl").read_bytes() == (tmp_path / "whole" / "skipped.jsonl").read_bytes()
    assert not (out / ".fetch").exists()


def test_a_finished_fetch_does_nothing_and_other_notes_are_not_overwritten(tmp_path, commit_files):
    pins, mirror, out = textbook(tmp_path, commit_files), str(tmp_path / "mirror"), tmp_path / "out"
    first = run.fetch_corpus(pins, out, mirror=mirror, progress=False)
    assert run.fetch_corpus(pins, out, mirror="/nowhere", progress=False) == first
    other = pins.model_copy(update={"corpus": "other"})
    with pytest.raises(ConfigError, match="holds other notes"):
        run.fetch_corpus(other, out, mirror=mirror, progress=False)


def test_lost_pictures_are_made_again(tmp_path, commit_files):
    pins, mirror, out = textbook(tmp_path, commit_files), str(tmp_path / "mirror"), tmp_path / "out"
    run.fetch_corpus(pins, out, mirror=mirror, keep=True, progress=False)
    for path in [out / "notes.jsonl", *(out / "images").iterdir()]:
        path.unlink()
    run.fetch_corpus(pins, out, mirror=mirror, keep=True, progress=False)
    assert len(list((out / "images").iterdir())) == 2


def test_a_repository_without_notes_is_an_error(tmp_path, commit_files):
    pins = textbook(tmp_path, commit_files, {"README.md": "nothing"})
    with pytest.raises(ConfigError, match="no page of press/osbooks-sea"):
        run.fetch_corpus(pins, tmp_path / "out", mirror=str(tmp_path / "mirror"), progress=False)


def test_the_command_fetches_markdown_notes(tmp_path, commit_files):
    commit = commit_files(tmp_path / "mirror" / "org" / "docs", DOCS)
    pins = {
        "format": "markdown",
        "corpus": "sharepoint",
        "lang": "en",
        "licence": "CC BY 4.0 (docs), MIT (code)",
        "tags": "folders",
        "repositories": [{"name": "org/docs", "commit": commit}],
    }
    (tmp_path / "pins.json").write_text(json.dumps({"sharepoint": pins}))
    out = tmp_path / "out"
    call = ["corpus", "fetch", "sharepoint", "--out", str(out), "--mirror", str(tmp_path / "mirror")]
    result = CliRunner().invoke(app, [*call, "--pins", str(tmp_path / "pins.json"), "--json"])
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["count"] == 2
    b, a = lines(out / "notes.jsonl")
    assert (a["id"], a["title"], a["category"], a["tags"], a["links"]) == (
        "sharepoint:docs/start/a.md",
        "A",
        "docs/start",
        ["docs", "start"],
        ["sharepoint:docs/b.md"],
    )
    assert [image["src"] for image in b["images"]] == ["docs/start/media/s.png"]
    assert "caption" not in b["images"][0]
    reasons = [skip["reason"].partition(":")[0] for skip in lines(out / "skipped.jsonl")]
    assert sorted(reasons) == ["bad encoding", "bad page", "bad picture", "no picture", "not described"]


def test_the_command_refuses_a_corpus_that_the_pins_lack(tmp_path):
    (tmp_path / "pins.json").write_text("{}")
    call = [
        "corpus",
        "fetch",
        "openstax",
        "--out",
        str(tmp_path / "out"),
        "--pins",
        str(tmp_path / "pins.json"),
    ]
    result = CliRunner().invoke(app, call)
    assert isinstance(result.exception, ConfigError)
    assert "does not name openstax" in str(result.exception)
