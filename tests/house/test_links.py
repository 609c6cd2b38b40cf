"""Documents hang together: links lead somewhere, sizes and versions are as promised."""

import re
from pathlib import Path

import pytest

from paddle_serving_client import __version__
from tests.house import documents
from tests.house.documents import LINK, without_blocks
from tests.serving import ROOT


def slug(heading: str) -> str:
    """The anchor that a heading gets."""
    words = re.sub(r"[^\w\- ]", "", heading.replace("`", "").strip().lower())
    return words.replace(" ", "-")


def anchors(path: Path) -> set[str]:
    return {slug(m) for m in re.findall(r"^#+ (.+)$", without_blocks(path.read_text(encoding="utf-8")), re.MULTILINE)}


def broken(path: Path) -> list[str]:
    """The relative links of a document that lead nowhere."""
    found = []
    for link in LINK.findall(without_blocks(path.read_text(encoding="utf-8"))):
        target, _, anchor = link.partition("#")
        if re.match(r"[a-z]+:", target):
            continue
        file = (path.parent / target).resolve() if target else path
        if not file.exists() or (anchor and anchor not in anchors(file)):
            found.append(link)
    return found


@pytest.mark.parametrize("document", documents.ALL, ids=lambda path: path.name)
def test_every_link_leads_somewhere(document: Path) -> None:
    assert broken(document) == []


def test_a_broken_link_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "# Its `title`, so\n[a](page.md#its-title-so) [b](no.md) [c](#nowhere) [d](https://e.x) <http://f.x>"
    )
    assert broken(page) == ["no.md", "#nowhere"]


def test_every_document_is_reachable_from_the_readme() -> None:
    linked = set(LINK.findall(documents.READMES[0].read_text(encoding="utf-8")))
    assert {f"docs/{path.name}" for path in documents.PAGES} <= linked


def test_contributing_fits_on_a_page() -> None:
    lines = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").splitlines()
    assert sum(1 + len(line) // 100 for line in lines) <= 60


def test_the_changelog_knows_this_version() -> None:
    headings = re.findall(r"^## \[(.+?)\] - (.+)$", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert headings[0][0] == __version__
    assert all(re.fullmatch(r"Unreleased|\d{4}-\d\d-\d\d", date) for _, date in headings)
