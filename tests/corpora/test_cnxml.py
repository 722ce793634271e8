import pytest

from uninote.corpora.cnxml import read_books, read_collection, read_module
from uninote.corpora.page import PageError

MODULE = """<document xmlns="http://cnx.rice.edu/cnxml">
<title>Tides</title>
<metadata xmlns:md="http://cnx.rice.edu/mdml"><md:title>Tides</md:title>
<md:abstract><para>An abstract.</para></md:abstract></metadata>
<content>
<section class="learning-objectives"><title>Learning Objectives</title>
<para>By the end of this section, you will be able to:</para>
<list><item>Say what a <term>tide</term> is</item></list></section>
<figure><media alt="A  bay
 at low tide."><image src="../../media/bay.jpg"/></media>
<caption>The bay <emphasis>empties</emphasis>.<footnote>Twice.</footnote> (credit: A. Author)</caption>
</figure>
<para>The Moon<newline/>pulls<footnote>Hidden.</footnote> (see <link target-id="f1"/>), as
<link document="m2">Orbits</link>
says.<!-- a comment --></para>
<table><tgroup><tbody><row><entry>cell</entry></row></tbody></tgroup></table>
<section><title>Spring &amp; neap</title>
<para>Twice a month:<list><item>spring</item><item>neap</item></list></para>
<code>print(1)</code>
<exercise><problem><para>Why?</para></problem></exercise>
<note><title>Look closer</title><para>A note.</para>
<figure><subfigure><media alt="Left"><image src="../../media/a.png"/></media></subfigure>
<subfigure><media alt="Right"><image src="../../media/b.png"/></media></subfigure>
<caption>Both.</caption></figure></note>
<media alt="bare"><image src="../../media/c.png"/></media>
<media alt="a film"><video src="x.mp4"/></media>
</section>
</content></document>"""


def test_a_module_has_title_body_and_links():
    page = read_module(MODULE.encode())
    assert page.title == "Tides"
    assert page.body.splitlines() == [
        "Say what a tide is",
        "The Moon pulls (see ), as Orbits says.",
        "Spring & neap",
        "Twice a month:",
        "spring",
        "neap",
        "Look closer",
        "A note.",
    ]
    assert page.links == ("m2",)


def test_figures_carry_alt_caption_and_the_nearest_title():
    figures = read_module(MODULE.encode()).figures
    assert [(f.src, f.alt, f.section, f.caption) for f in figures] == [
        ("../../media/bay.jpg", "A bay at low tide.", "", "The bay empties. (credit: A. Author)"),
        ("../../media/a.png", "Left", "Look closer", "Both."),
        ("../../media/b.png", "Right", "Look closer", "Both."),
        ("../../media/c.png", "bare", "Spring & neap", ""),
    ]


def test_long_alt_and_caption_are_cut():
    long = MODULE.replace("A. Author", "x" * 700).replace("at low tide", "y" * 700)
    first = read_module(long.encode()).figures[0]
    assert (len(first.alt), len(first.caption)) == (500, 600)


BOMB = """<!DOCTYPE document [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;">]>
<document xmlns="http://cnx.rice.edu/cnxml"><title>&c;</title><content><para>&c;</para></content></document>"""
OUTSIDE = """<!DOCTYPE d [<!ENTITY x SYSTEM "file:///etc/passwd">]>
<d xmlns="http://cnx.rice.edu/cnxml"><content><para>&x;</para></content></d>"""


@pytest.mark.parametrize("text", [BOMB, OUTSIDE])
def test_a_document_type_is_refused(text):
    with pytest.raises(PageError, match="document type"):
        read_module(text.encode())


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "not well-formed"),
        (b"<document", "not well-formed"),
        (b'<document xmlns="http://cnx.rice.edu/cnxml"/>', "no <content>"),
        (b"<d>" * 5000 + b"</d>" * 5000, "not well-formed"),
    ],
)
def test_a_broken_module_is_an_error_with_the_reason(data, reason):
    with pytest.raises(PageError, match=reason):
        read_module(data)


def test_a_collection_lists_modules_with_their_innermost_chapter():
    book = read_collection(b"""<col:collection xmlns:col="http://cnx.rice.edu/collxml"
xmlns:md="http://cnx.rice.edu/mdml"><col:metadata><md:title>Seas</md:title>
<md:license url="http://creativecommons.org/licenses/by/4.0/">CC</md:license></col:metadata><col:content>
<col:module document="m0"/><col:subcollection><md:title>Unit</md:title><col:content><col:subcollection>
<md:title>Water</md:title><col:content><col:module document="m1"/></col:content></col:subcollection>
<col:module document="m2"/></col:content></col:subcollection></col:content></col:collection>""")
    assert book.title == "Seas"
    assert book.licence.endswith("/by/4.0/")
    assert book.modules == (("m0", ""), ("m1", "Water"), ("m2", "Unit"))


def test_books_are_read_in_order():
    data = b'<container xmlns="x"><book href="../b.xml"/><book href="../a.xml"/></container>'
    assert read_books(data) == ["../b.xml", "../a.xml"]
