"""Hooks of mkdocs: the pages that are made from the code, and links that lead out of docs/.

`index.md` is the README. `reference/` holds the command line as typer's own utility documents it, the routes
of docs/openapi.json, the public names of the package, the example configuration and the changelog. Files
outside docs/ that a page links to, such as the result of a benchmark, are copied into the site.
"""

from __future__ import annotations

import json
import posixpath
import re
from collections import defaultdict
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parent.parent
SHIM, OWN_SHIM = "https://unpkg.com/iframe-worker/shim", "javascripts/iframe-worker.js"
_ELSEWHERE = re.compile(
    r"<(?:script|img|iframe)\b[^>]*\bsrc=[\"']?(?:https?:)?//[^>]*>"
    r"|<link\b(?=[^>]*\brel=[\"']?(?:stylesheet|preconnect|preload|icon))[^>]*\bhref=[\"']?(?:https?:)?//[^>]*>"
)
_LINK = re.compile(r"(!?\[[^\]]*\]\()([^)\s#]+)(#[^)\s]*)?\)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the generated pages, and the files that pages link to outside docs/."""
    made = {
        "index.md": (ROOT / "README.md").read_text("utf-8"),
        "reference/changelog.md": (ROOT / "CHANGELOG.md").read_text("utf-8"),
        "reference/cli.md": command_line(),
        "reference/http.md": routes(json.loads((ROOT / "docs" / "openapi.json").read_text("utf-8"))),
        "reference/python.md": public_names(),
        "reference/configuration.md": configuration(),
    }
    homes = {"index.md": ".", "reference/changelog.md": "."}
    pages = {name: _from_home(text, name, homes.get(name, "docs")) for name, text in made.items()}
    for name, text in pages.items():
        files.append(File.generated(config, name, content=text))
    sources = dict(pages)
    sources |= {
        one.src_uri: one.content_string for one in files.documentation_pages() if one.src_uri not in pages
    }
    for name, text in sources.items():
        for link in _LINK.findall(text):
            target = posixpath.normpath(posixpath.join(posixpath.dirname(name), _inside(link[1])))
            source = ROOT / target.removeprefix("source/")
            if target.startswith("source/") and source.is_file() and files.get_file_from_path(target) is None:
                files.append(File.generated(config, target, content=source.read_bytes()))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Point the links of pages that leave docs/ to the copies."""
    return _LINK.sub(lambda found: f"{found[1]}{_inside(found[2])}{found[3] or ''})", markdown)


def on_post_page(output: str, page: Page, config: MkDocsConfig) -> str:
    return alone(output, posixpath.dirname(page.url))


def on_post_template(output_content: str, template_name: str, config: MkDocsConfig) -> str:
    return alone(output_content, "") if template_name.endswith(".html") else output_content


def alone(html: str, folder: str) -> str:
    """Replace the one script that the theme loads from another host by the site's own copy.

    Raises PluginError for anything else that a browser would load from another host.
    """
    html = html.replace(SHIM, posixpath.relpath(OWN_SHIM, folder or "."))
    if elsewhere := _ELSEWHERE.search(html):
        raise PluginError(f"a page loads from another host: {elsewhere[0]}")
    return html


def command_line() -> str:
    """Return the page of every command, as typer's utility writes it."""
    import typer
    from typer.cli import get_docs_for_click

    from uninote.cli import app

    command = typer.main.get_command(app)
    return get_docs_for_click(obj=command, ctx=typer.Context(command), name="uninote", title="Command line")


def routes(document: dict[str, Any]) -> str:
    """Return the page of an OpenAPI document: its operations by tag, and a link to the document itself."""
    by_tag: dict[str, list[str]] = defaultdict(list)
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            by_tag[(operation.get("tags") or ["other"])[0]].append(_operation(method, path, operation))
    lines = [
        "# HTTP API",
        "",
        document["info"]["description"],
        "",
        "The whole document, with every schema: [openapi.json](../openapi.json). A running service has it at "
        "`/openapi.json`. First steps: [the service](../service.md); rules that all routes share: "
        "[reference](../service-reference.md).",
        "",
    ]
    for tag, found in sorted(by_tag.items()):
        lines += [f"## {tag.capitalize()}", "", *found]
    lines += ["## Schemas", ""]
    for name, schema in sorted(document["components"]["schemas"].items()):
        lines += [
            f"### {name} {{ #{_anchor(name)} }}",
            "",
            schema.get("description", ""),
            "",
            *_fields(schema),
        ]
    return "\n".join(lines)


def _fields(schema: dict[str, Any]) -> list[str]:
    rows = [
        f"| `{field}`{' (required)' if field in schema.get('required', ()) else ''} | {_type(one)} | "
        f"{one.get('description', '')} |"
        for field, one in schema.get("properties", {}).items()
    ]
    return ["| field | type | meaning |", "|---|---|---|", *rows, ""] if rows else []


def _anchor(schema: str) -> str:
    return f"schema-{schema.lower()}"


def _operation(method: str, path: str, operation: dict[str, Any]) -> str:
    lines = [f"### `{method.upper()} {path}`", "", operation.get("description") or operation["summary"], ""]
    role = operation.get("x-role")
    facts = [f"Role: `{role}`." if role else "No key needed."]
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
    facts += [f"Body: {_type(body)}."] if body else []
    answer = (
        operation["responses"].get("200", {}).get("content", {}).get("application/json", {}).get("schema")
    )
    facts += [f"Answer: {_type(answer)}."] if answer else []
    lines += [" ".join(facts), ""]
    parameters = operation.get("parameters", [])
    if parameters:
        lines += ["| parameter | in | type | meaning |", "|---|---|---|---|"]
        lines += [
            f"| `{one['name']}`{' (required)' if one.get('required') else ''} | {one['in']} | "
            f"{_type(one['schema'])} | {one.get('description', '')} |"
            for one in parameters
        ]
        lines += [""]
    return "\n".join(lines)


def _type(schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[`{name}`](#{_anchor(name)})"
    if "enum" in schema:
        return " or ".join(f"`{value}`" for value in schema["enum"])
    if "anyOf" in schema:
        return " or ".join(_type(one) for one in schema["anyOf"])
    if schema.get("type") == "array":
        return f"list of {_type(schema['items'])}"
    return f"`{schema.get('format') or schema.get('type', 'any')}`"


def public_names() -> str:
    """Return the page of the names that `import uninote` offers, each with its signature and docstring."""
    import uninote

    lines = [
        "# Python",
        "",
        "The names of `from uninote import ...`. Examples: [the start page](../index.md).",
        "",
    ]
    for name in uninote.__all__:
        module = getattr(uninote, name).__module__
        lines += [f"::: {module}.{name}", ""]
    return "\n".join(lines)


def configuration() -> str:
    """Return the page of the example file, which holds every option."""
    example = (ROOT / "docs" / "config.example.yaml").read_text("utf-8")
    return f"# Configuration\n\n[config.example.yaml](../config.example.yaml):\n\n```yaml\n{example}```\n"


def _from_home(text: str, name: str, home: str) -> str:
    """Rewrite the links of a page that was written for the folder `home`, relative to its new place."""
    if home == "docs":
        return text

    def moved(found: re.Match[str]) -> str:
        link = found[2]
        if "://" in link:
            return found[0]
        link = link.removeprefix("docs/") if link.startswith("docs/") else f"source/{link}"
        link = "reference/changelog.md" if link == "source/CHANGELOG.md" else link
        return f"{found[1]}{posixpath.relpath(link, posixpath.dirname(name) or '.')}{found[3] or ''})"

    return _LINK.sub(moved, text)


def _inside(link: str) -> str:
    """Return the copy in the site that `../PATH` of a page in docs/ stands for."""
    return (
        link.replace("../", "source/", 1) if re.match(r"\.\./(benchmarks|src|scripts|tests)/", link) else link
    )
