"""The tables that go into a manuscript: those of the page, each with a name, in the order of a paper."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

from validkit.report import views
from validkit.report.page import Block, Cell, Table
from validkit.report.records import NotAvailable, Record, Run
from validkit.report.transfer import transfer_blocks, updating_blocks

SYNTHETIC = "Synthetic data: the patients were simulated, nobody was examined."
WIDE = 95
"""characters in a line above which a table is printed across a page turned on its side"""
SENTENCE = 34
"""characters of a cell that is broken into lines"""
CANDIDATES = {
    "radiomics": "Performance of the classifiers on radiomic features",
    "deep": "Performance of the backbones",
    "fusion": "Performance of the classifiers on fused columns",
}


@dataclass(frozen=True)
class Printed:
    """A table for print: `name` is its file and its label."""

    name: str
    table: Table

    @property
    def title(self) -> str:
        """The caption, without a full stop."""
        return self.table.title.rstrip(". ")

    @property
    def grid(self) -> list[list[Cell]]:
        """The body, every row as long as there are columns; empty cells lie under one that spans rows."""
        width = len(self.table.columns)
        open_rows = [0] * width
        found = []
        for row in self.table.rows:
            cells = iter(row)
            line: list[Cell] = []
            for j in range(width):
                if open_rows[j]:
                    open_rows[j] -= 1
                    line.append(Cell(""))
                    continue
                cell = next(cells, Cell(""))
                open_rows[j] = cell.rows - 1
                line.append(cell)
            found.append(line)
        return found

    @property
    def widths(self) -> list[int]:
        """Characters that each column needs, a sentence broken into lines."""
        found = []
        for j, head in enumerate(self.table.columns):
            words = [max(map(len, head.text.split()), default=0), len(head.text) // 2]
            longest = [max(len(row[j].text) + len(row[j].mark), len(row[j].sub)) for row in self.grid]
            found.append(max(4, *words, min(SENTENCE, max(longest, default=0))))
        return found

    @property
    def wide(self) -> bool:
        """Whether it needs a page turned on its side."""
        return sum(width + 2 for width in self.widths) > WIDE

    @property
    def notes(self) -> list[tuple[str, str]]:
        """(letter, note) of what stands under the table; remarks on the whole have no letter."""
        return [*(("", note) for note in self.table.notes), *self.table.footnotes]


def manuscript(run: Run) -> list[Printed]:
    """Every such table that this run has."""
    found: list[Printed] = []
    for name, build in BUILDERS.items():
        try:
            table = build(run)
        except NotAvailable:
            continue
        notes = (SYNTHETIC, *table.notes) if run.synthetic else table.notes
        found.append(Printed(name, replace(table, notes=notes)))
    return found


def _recorded(stage: str, name: str, title: str) -> Callable[[Run], Table]:
    def build(run: Run) -> Table:
        found = views.recorded(run.stage(stage)[name], title)
        if not found.rows:
            raise NotAvailable(f"{title} has no rows")
        return found

    return build


def _compared(run: Run) -> Table:
    return views.performance(run.compared(), "Performance of the models", words=run.sets)


def _candidates(family: str) -> Callable[[Run], Table]:
    def build(run: Run) -> Table:
        return views.performance(run.candidates(family), CANDIDATES[family], mark_chosen=True, words=run.sets)

    return build


def _others(run: Run) -> Table:
    """Models that no other table of performance shows."""
    shown = [*run.compared(), *(m for family in CANDIDATES for m in run.candidates(family))]
    names = {str(m["name"]) for m in shown}
    models: list[Record] = [m for m in run.models() if str(m["name"]) not in names]
    return views.performance(models, "Performance of the other models", words=run.sets)


def _of(blocks: Callable[[Run], Iterable[Block]], position: int = 0) -> Callable[[Run], Table]:
    """The table at that place among those of a chapter on a locked model."""

    def build(run: Run) -> Table:
        if run.kind != "bundle":
            raise NotAvailable("no locked model was applied")
        tables: Iterator[Table] = (block for block in blocks(run) if isinstance(block, Table))
        for i, table in enumerate(tables):
            if i == position:
                return table
        raise NotAvailable("the chapter has no such table")

    return build


BUILDERS: dict[str, Callable[[Run], Table]] = {
    "table1": _recorded("cohort", "table1", "Table 1"),
    "table2": _recorded("clinical", "table2", "Table 2"),
    "performance": _compared,
    **{f"performance-{family}": _candidates(family) for family in CANDIDATES},
    "performance-others": _others,
    "comparisons": views.comparisons,
    "transfer": _of(transfer_blocks),
    "transfer-tests": _of(transfer_blocks, 1),
    "transfer-verdicts": _of(transfer_blocks, 2),
    "updating": _of(updating_blocks),
}
"""name of each table and what builds it"""
