"""Puts pages that lie outside docs/ on the site, points links to where pages are, and looks for what is broken.

A link is written as it works in the repository: `../benchmarks/README.md` from a page in docs/. Here it is turned into
the link that works on the site. MkDocs fails for one that leads nowhere; `on_post_build` looks at raw HTML too, and for
anything that a page would fetch from the network. A notebook becomes a page with the outputs it holds.
"""

from __future__ import annotations

import os
import re
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote, urldefrag

from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File
from nbconvert import MarkdownExporter

ROOT = Path(__file__).parent.parent.parent
ELSEWHERE = {  # path in the repository: path on the site
    "README.md": "index.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "benchmarks/README.md": "benchmarks/README.md",
    "benchmarks/adaptation.md": "benchmarks/adaptation.md",
    "benchmarks/quality.md": "benchmarks/quality.md",
    "benchmarks/ranking.md": "benchmarks/ranking.md",
    "benchmarks/sounds.md": "benchmarks/sounds.md",
    "benchmarks/texts.md": "benchmarks/texts.md",
    "benchmarks/tunings.md": "benchmarks/tunings.md",
    "saved_models/README.md": "saved_models/README.md",
    "notebooks/tutorial.ipynb": "notebooks/tutorial.md",
    "notebooks/adaptation.ipynb": "notebooks/adaptation.md",
    "notebooks/choosing.ipynb": "notebooks/choosing.md",
    "notebooks/sentiment.ipynb": "notebooks/sentiment.md",
    "notebooks/spoken_digits.ipynb": "notebooks/spoken_digits.md",
}
_LINK = re.compile(r"(\]\()([^)\s]+)(\))")
_FETCHED = re.compile(r'<(?:script|img|iframe|source)[^>]*?\ssrc="([^"]+)"|<link[^>]*?\shref="([^"]+)"')
_LINKED = re.compile(r'<a[^>]*?\shref="([^"]+)"')


def on_files(files: Any, config: Any) -> Any:
    """Adds the pages from elsewhere."""
    for path, on_site in ELSEWHERE.items():
        if path.endswith(".ipynb"):
            for name, content in _of_notebook(ROOT / path).items():
                files.append(File.generated(config, f"notebooks/{name}", content=content))
        else:
            files.append(File.generated(config, on_site, abs_src_path=str(ROOT / path)))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Points links from where a page is in the repository to where it is on the site; code is left alone."""
    parts = re.split(r"(^```.*?^```$)", markdown, flags=re.DOTALL | re.MULTILINE)
    turned = [part if part.startswith("```") else _LINK.sub(_pointer(page), part) for part in parts]
    return "".join(turned)


def on_post_build(config: Any) -> None:
    """Fails if a page links to what is not there, or fetches something from the network."""
    site = Path(config.site_dir)
    wrong = []
    for html in site.rglob("*.html"):
        text = html.read_text()
        for target in (first or second for first, second in _FETCHED.findall(text)):
            if target.startswith(("http:", "https:", "//")):
                wrong.append(f"{html.relative_to(site)} fetches {target}")
        for target in [*_LINKED.findall(text), *(first or second for first, second in _FETCHED.findall(text))]:
            path = unquote(urldefrag(target).url)
            if not path or re.match(r"[a-z]+:|//|/", path) or html.name == "404.html":
                continue
            if not (html.parent / path).exists():
                wrong.append(f"{html.relative_to(site)} links to {target}, which is not there")
    if wrong:
        raise PluginError("\n".join(sorted(set(wrong))))


def _of_notebook(path: Path) -> dict[str, str | bytes]:
    """Returns a notebook as a page, and the pictures in its outputs, by name."""
    resources = {"unique_key": path.stem, "output_files_dir": f"{path.stem}_files"}
    text, made = MarkdownExporter().from_filename(str(path), resources=resources)
    return {f"{path.stem}.md": text, **made["outputs"]}


def _pointer(page: Any) -> Any:
    here = PurePosixPath(page.file.src_uri)
    back = {on_site: path for path, on_site in ELSEWHERE.items()}
    source = PurePosixPath(back.get(str(here), f"docs/{here}"))

    def point(found: re.Match) -> str:
        before, target, after = found.groups()
        if re.match(r"[a-z]+:|#|/", target):
            return found.group()
        path, hash_, anchor = target.partition("#")
        in_repository = os.path.normpath(source.parent / path).replace(os.sep, "/")
        on_site = ELSEWHERE.get(in_repository, in_repository.removeprefix("docs/"))
        return f"{before}{os.path.relpath(on_site, here.parent).replace(os.sep, '/')}{hash_}{anchor}{after}"

    return point
