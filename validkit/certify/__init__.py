"""Coverage of every interval and error rates of every test, by simulation from populations whose truth is known.

A cell is a population and a sample size; a group is what is computed on one simulated sample; a tally counts how often
the truth lay inside, below or above, and how often a test rejected. Tables of tallies name, for every method, the cells
where it keeps what it promises and those where it does not.
"""

from __future__ import annotations

from validkit.certify.cells import GRIDS, Cell
from validkit.certify.groups import GROUPS, Group
from validkit.certify.limits import known_limits
from validkit.certify.page import page
from validkit.certify.running import certify
from validkit.certify.table import COLUMNS, coverage_rows, summary_rows, verdict, write_csv

__all__ = [
    "COLUMNS",
    "GRIDS",
    "GROUPS",
    "Cell",
    "Group",
    "certify",
    "coverage_rows",
    "known_limits",
    "page",
    "summary_rows",
    "verdict",
    "write_csv",
]
