"""The pages of the documentation as a reader meets them: their prose, its sentences, and where their links lead."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
START = ROOT / "README.md"

_LINK = re.compile(r"\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
_ITEM = re.compile(r"^\s*([-*]|\d+\.) ")
_END = re.compile(r"(?<=[.!?])[\"')*_]*\s+")
_NO_END = re.compile(r"\b(e\.g|i\.e|etc|vs|cf)\.$")


@dataclass(frozen=True)
class Line:
    """A line with its number; `code` and `table` are what isn't wrapped: a block of code, a row of a table."""

    number: int
    text: str
    code: bool
    table: bool


def lines(text: str) -> Iterator[Line]:
    """All lines of a page."""
    code = False
    for number, line in enumerate(text.splitlines(), 1):
        fence = line.lstrip().startswith("```")
        code ^= fence
        yield Line(number, line, code or fence, line.lstrip().startswith("|"))


def blocks(text: str) -> Iterator[str]:
    """Paragraphs, items of lists and cells of tables, each as one line; no code, no headings."""
    block: list[str] = []
    for line in lines(text):
        ends = line.code or line.table or not line.text.strip() or line.text.startswith("#")
        if block and (ends or _ITEM.match(line.text)):
            yield " ".join(block)
            block = []
        if line.table:
            yield from (cell.strip() for cell in line.text.strip().strip("|").split(" | "))
        elif not ends:
            block.append(_ITEM.sub("", line.text).strip())
    if block:
        yield " ".join(block)


def sentences(text: str) -> Iterator[str]:
    """The sentences of a page. A colon or semicolon ends one, too: a reader may breathe there."""
    for block in blocks(text):
        yield from _END.split(re.sub(r"`[^`]*`", "``", block))


def words(sentence: str) -> int:
    """How many words a sentence has; names in backticks don't count, and of a link its text does."""
    return len(re.findall(r"[\w']+", _LINK.sub("]", sentence)))


def links(page: Path) -> Iterator[tuple[str, Path, str]]:
    """Each link to a file: as it is written, the file, and the heading after `#`, empty without one."""
    text = "\n".join(line.text for line in lines(page.read_text()) if not line.code)
    for target in _LINK.findall(re.sub(r"`[^`]*`", "", text)):
        if "://" not in target and not target.startswith("mailto:"):
            name, _, heading = target.partition("#")
            yield target, (page.parent / name).resolve() if name else page, heading


def anchors(page: Path) -> set[str]:
    """What the headings of a page can be linked by, as GitHub makes it of their words."""
    text = "\n".join(line.text for line in lines(page.read_text()) if not line.code)
    plain = (re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading) for heading in _HEADING.findall(text))
    return {re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-") for heading in plain}


def reachable(start: Path = START) -> set[Path]:
    """Every page that a reader comes to by following links from the start."""
    found, ahead = set[Path](), [start]
    while ahead:
        page = ahead.pop()
        if page in found or page.suffix != ".md" or not page.is_file():
            continue
        found.add(page)
        ahead += [target for _, target, _ in links(page)]
    return found


def pages() -> list[Path]:
    """All pages of the repository that are for readers, in the order of their paths."""
    folders = ("docs", "charts", "examples", "worker")
    below = [page for folder in folders for page in (ROOT / folder).rglob("*.md")]
    return sorted([START, ROOT / "CHANGELOG.md", *below])
