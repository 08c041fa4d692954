"""Aligned columns that fit the terminal."""

import contextlib
import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextvars import ContextVar

from utilitarian_operator.cli.output import on_a_terminal, plain

_GAP = 3
_ENOUGH = 24
"""Cells in which a sentence can be read; with less it goes on lines of its own."""

_NARROWEST = 20


_FOR_A_FILE = ContextVar("_FOR_A_FILE", default=False)


@contextlib.contextmanager
def for_a_file() -> Iterator[None]:
    """While it lasts nothing limits a line, whatever terminal there is: the text is for a file."""
    token = _FOR_A_FILE.set(True)
    try:
        yield
    finally:
        _FOR_A_FILE.reset(token)


def terminal_width() -> int | None:
    """Columns that a line may have: of COLUMNS or of the terminal; None where nothing limits them, as in a pipe."""
    if _FOR_A_FILE.get():
        return None
    set_by_hand = os.environ.get("COLUMNS", "")
    if set_by_hand.isascii() and set_by_hand.isdigit() and 0 < len(set_by_hand) < _NARROWEST and int(set_by_hand):
        return max(int(set_by_hand), _NARROWEST)
    return max(shutil.get_terminal_size().columns, _NARROWEST) if on_a_terminal() else None


def columns(head: Sequence[str], rows: Iterable[Sequence[object]], *, indent: int = 0, one_line: bool = False) -> str:
    """Rows under a head, each column as wide as it must be; where that is too wide, the last one is broken into lines.

    Args:
        head: names of the columns.
        rows: their values.
        indent: cells that stand in front of each line.
        one_line: whether a row has one line whatever it costs: the last column is cut, or left out.
    """
    lines = [list(head), *([plain(" ".join(str(cell).split())) for cell in row] for row in rows)]
    most = terminal_width()
    fitted = _Fitted(lines, None if most is None else most - indent, one_line=one_line)
    return "\n".join(line.rstrip() for line in fitted)


def width_of(text: str) -> int:
    """Cells that a text takes on a terminal: two for each character of some alphabets."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


def cut(text: str, most: int) -> str:
    """A text in so many cells at most, with an ellipsis where something is missing."""
    if width_of(text) <= most:
        return text
    from rich.cells import set_cell_size

    return f"{set_cell_size(text, max(most - 1, 0)).rstrip()}…" if most > 0 else ""


def wrapped(text: str, most: int) -> list[str]:
    """A text in lines of so many cells at most, broken between words where that is possible."""
    lines, line = [], ""
    for word in text.split():
        for part in [word] if width_of(word) <= most else _chopped(word, most):
            longer = f"{line} {part}" if line else part
            if width_of(longer) <= most:
                line = longer
            else:
                lines.append(line)
                line = part
    return [*lines, line]


def _chopped(word: str, most: int) -> list[str]:
    from rich.cells import chop_cells

    return chop_cells(word, max(most, 2))


class _Fitted:
    """The lines of a table, in no more cells than there are.

    Args:
        rows: the head and all rows.
        most: cells of a line; None for as many as it takes.
        one_line: whether a row has one line.
    """

    def __init__(self, rows: Sequence[Sequence[str]], most: int | None, *, one_line: bool) -> None:
        self._rows, self._most, self._one_line = rows, most, one_line
        self._widths = [max(width_of(row[number]) for row in rows) for number in range(len(rows[0]))]

    def __iter__(self) -> Iterator[str]:
        most, last = self._most, self._widths[-1]
        for gap in (_GAP, 1):
            before = sum(self._widths[:-1]) + gap * (len(self._widths) - 1)
            if most is None or before + min(last, _ENOUGH) <= most:
                return self._side_by_side(gap, last if most is None else most - before)
        return self._below(most or _NARROWEST)

    def _side_by_side(self, gap: int, room: int) -> Iterator[str]:
        before = sum(self._widths[:-1]) + gap * (len(self._widths) - 1)
        for row in self._rows:
            first, *more = [cut(row[-1], room)] if self._one_line else wrapped(row[-1], room)
            yield self._padded(row[:-1], gap) + first
            yield from (" " * before + line for line in more)

    def _below(self, most: int) -> Iterator[str]:
        """Rows without the last column, which follows each on lines of its own, or is left out."""
        while (too_much := sum(self._widths[:-1]) + len(self._widths) - 2 - most) > 0:
            widest = max(range(len(self._widths) - 1), key=lambda number: self._widths[number])
            if self._widths[widest] <= 1:
                break
            self._widths[widest] -= min(too_much, max(self._widths[widest] // 2, 1))
        for number, row in enumerate(self._rows):
            yield cut(self._padded(row[:-1], 1).rstrip(), most)
            if number and not self._one_line and row[-1]:
                yield from (f"  {line}" for line in wrapped(row[-1], most - 2))

    def _padded(self, cells: Sequence[str], gap: int) -> str:
        room = zip(cells, self._widths, strict=False)
        return "".join(_padded(cut(cell, width), width) + " " * gap for cell, width in room)


def _padded(text: str, width: int) -> str:
    return text + " " * (width - width_of(text))
