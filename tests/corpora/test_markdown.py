import pytest

from uninote.corpora.markdown import read_page
from uninote.corpora.page import PageError

PAGE = """---
title: "Build a web part"
ms.date: 04/23/2018
---
# Build your *first* web part

Intro with **bold**, `code` and a [guide](../guide.md#top "t").
It goes on. See [the site](https://example.com) and [below](#x).

![The finished
part](../images/my%20part.png "title")

Second paragraph.

- one with <xref:System.Foo?text=x> inside
- two

  More of two.

  ```csharp
  var hidden = 1;
  ```

> [!NOTE]
> A note about [!INCLUDE [vs](../includes/vs.md)] that ends.

After the quote.

    indented code

::: moniker range=">=vs-2019"

## Steps

Choose **File**.

:::image type="content" source="media/file_menu_a.png" alt-text="The *File* menu, open.":::

| Name | Use |
|---|---|
| `Add` | adds |
| ![icon](media/icon.png) | last |

::: moniker-end

<p>Raw <b>html</b> <img src="media/raw.gif" alt="Raw picture"/><script>no()</script></p>
"""


def test_the_body_is_plain_text_in_the_benchmarks_lines():
    page = read_page(PAGE.encode())
    assert page.title == "Build a web part"
    assert page.body == (
        "Intro with bold, code and a guide. It goes on. See the site and below.\n\n"
        "Second paragraph.\n"
        "one with inside\n"
        "two\n\n"
        "More of two.\n"
        "A note about that ends.\n\n"
        "After the quote.\n"
        "Steps\n"
        "Choose File.\n\n"
        "Name Use Add adds last\n\n"
        "Raw html"
    )


def test_pictures_carry_alt_and_the_nearest_heading():
    assert [(f.src, f.alt, f.section, f.caption) for f in read_page(PAGE.encode()).figures] == [
        ("../images/my%20part.png", "The finished part", "Build your first web part", None),
        ("media/file_menu_a.png", "The File menu, open.", "Steps", None),
        ("media/icon.png", "icon", "Steps", None),
        ("media/raw.gif", "Raw picture", "Steps", None),
    ]


def test_links_are_those_within_the_repository():
    assert read_page(PAGE.encode()).links == ("../guide.md#top",)


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("# 标题\n\n正文", "标题"),
        ("---\ntitle: 设计器: 起始视图\n---\n# H", "设计器: 起始视图"),
        ("---\ntitle: [\n---\n# H", "["),
        ("---\n- a list\n---\n# H", "H"),
        ("\ufeff---\r\ntitle: T\r\n---\r\ntext", "T"),
        ("no heading", "file-name"),
        ("", "file-name"),
    ],
)
def test_titles(text, title):
    assert read_page(text.encode(), "file-name").title == title


def test_pictures_elsewhere_on_the_web_are_not_the_pages():
    page = read_page(b"![a](https://example.com/a.png) ![b](//x/b.png) ![c](data:image/png;base64,AA)")
    assert page.figures == ()


def test_deep_nesting_and_stray_directives_do_no_harm():
    text = (
        "> " * 2000
        + "deep\n\n"
        + "[" * 2000
        + "\n\n:::image source=\n\n[!INCLUDE [a\n\n:::image-end:::\n\nend"
    )
    assert read_page(text.encode()).body.endswith("end")


def test_bytes_that_are_not_utf8_are_an_error():
    with pytest.raises(PageError, match="not UTF-8"):
        read_page(b"\xff\xfe\x00")
