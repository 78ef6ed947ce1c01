"""The run in about a dozen lines for a terminal; text from records is never read as markup."""

from __future__ import annotations

import textwrap
from pathlib import Path

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from validkit.report import text
from validkit.report.acceptance import acceptance_line, declared
from validkit.report.frontpage import design_words, headline, opening_words, sentinel_words
from validkit.report.notices import notices
from validkit.report.page import Card, Notice
from validkit.report.records import NotAvailable, Run, dig, read_run
from validkit.report.subject import score, subject_title
from validkit.report.values import count

LINE = 110
"""characters of a notice"""
MOST_NOTICES = 5


def summary_of(folder: Path) -> RenderableType:
    """Headline numbers of the reference model, what to beware of, and where the report is."""
    run = read_run(folder)
    parts: list[RenderableType] = []
    if run.synthetic:
        parts.append(
            Text(
                " SYNTHETIC  simulated patients; nothing here says how the model performs in people ", "black on yellow"
            )
        )
    parts += [_who(run), _numbers(run), _others(run), *_binding(run)]
    found = notices(run)
    for notice in found[:MOST_NOTICES]:
        parts.append(Text.assemble(("! ", "bold yellow"), (_in_short(notice), "yellow")))
    if len(found) > MOST_NOTICES:
        more = len(found) - MOST_NOTICES
        parts.append(Text(f"! and {more} more {'notice' if more == 1 else 'notices'} in the report", "yellow"))
    page = folder / "report.html"
    where = f"report: {page}" if page.is_file() else f"no report yet: validkit report {folder}"
    return Group(*parts, Text(where, "bold"))


def _in_short(notice: Notice) -> str:
    """Its title whole, and as much of its text as the line still takes."""
    title = text.clean(notice.title)
    return textwrap.shorten(f"{title}: {text.clean(notice.text)}", max(LINE, len(title) + 5), placeholder=" ...")


def _who(run: Run) -> Text:
    return Text(f"{text.clean(subject_title(run))} ({_sizes(run)})", "bold")


def _sizes(run: Run) -> str:
    sizes = {
        part: text.counts(count(dig(run.info, f"cohort.{part}.n")), count(dig(run.info, f"cohort.{part}.events")))
        for part in ("training", "held_out")
    }
    return f"{sizes['held_out']}; trained on {sizes['training']}" if run.design == "holdout" else sizes["held_out"]


def _binding(run: Run) -> list[RenderableType]:
    """Design, seal, openings and acceptance, on a line each where they were recorded."""
    lines = []
    if run.info.get("design"):
        lines.append(f"design: {text.clean(design_words(run))}")
    if run.info.get("sealed"):
        lines.append(f"{text.clean(dig(run.info, 'sealed.sentence'))}; {text.clean(opening_words(run))}")
    if declared(run):
        lines.append(text.clean(acceptance_line(run)))
    if run.info.get("sentinels"):
        lines.append(f"sentinels: {sentinel_words(run).lower().rstrip('.')}")
    return [Text(f"  {line}") for line in lines]


def _numbers(run: Run) -> RenderableType:
    try:
        cards = headline(run)
    except NotAvailable as reason:
        return Text(f"  not available because {reason}")
    grid = Table.grid(padding=(0, 2))
    for card in cards:
        grid.add_row(*_row(card))
    return grid


def _row(card: Card) -> tuple[Text, Text, Text, Text]:
    behind = card.behind or card.note
    return (
        Text(f"  {card.label}"),
        Text(card.value, "bold"),
        Text(f"[{card.interval}]"),
        Text(text.clean(behind), "dim"),
    )


def _others(run: Run) -> Text:
    """AUCs of the other models compared, on one line."""
    try:
        reference = run.reference
        models = [m for m in run.compared() if m is not reference]
    except NotAvailable as reason:
        return Text(f"  other models: not available because {reason}")
    parts = []
    for model in models:
        e = score(model["sets"].get(run.primary) or {}, "auc")
        parts.append(f"{text.clean(model.get('label') or model['name'])} {text.estimate(e)}")
    return Text(f"  AUC of the others: {'; '.join(parts) or 'none'}")
