"""The run in about a dozen lines for a terminal; text from records is never read as markup."""

from __future__ import annotations

from pathlib import Path

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from validkit.report import text
from validkit.report.limits import notices
from validkit.report.page import Card
from validkit.report.records import HELD_OUT, NotAvailable, Run, dig, read_run
from validkit.report.sections import headline
from validkit.report.values import count, estimate

MOST_NOTICES = 5


def summary_of(folder: Path) -> RenderableType:
    """Headline numbers of the nomogram on held-out patients, what to beware of, and where the report is."""
    run = read_run(folder)
    parts: list[RenderableType] = []
    if run.synthetic:
        parts.append(
            Text(
                " SYNTHETIC  simulated patients; nothing here says how the model performs in people ", "black on yellow"
            )
        )
    parts += [_who(run), _numbers(run), _others(run)]
    found = notices(run)
    for notice in found[:MOST_NOTICES]:
        parts.append(Text.assemble(("! ", "bold yellow"), (text.clean(notice.title), "yellow")))
    if len(found) > MOST_NOTICES:
        parts.append(Text(f"! and {len(found) - MOST_NOTICES} more notices in the report", "yellow"))
    page = folder / "report.html"
    where = f"report: {page}" if page.is_file() else f"no report yet: validkit report {folder}"
    return Group(*parts, Text(where, "bold"))


def _who(run: Run) -> Text:
    held_out = text.counts(count(dig(run.info, "cohort.held_out.n")), count(dig(run.info, "cohort.held_out.events")))
    training = text.counts(count(dig(run.info, "cohort.training.n")), count(dig(run.info, "cohort.training.events")))
    return Text(f"Nomogram on held-out patients ({held_out}; trained on {training})", "bold")


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
        models = [m for m in run.compared() if m.get("family") != "nomogram"]
    except NotAvailable as reason:
        return Text(f"  other models: not available because {reason}")
    parts = []
    for model in models:
        e = estimate((model["sets"].get(HELD_OUT) or {}).get("auc"))
        parts.append(f"{text.clean(model.get('label') or model['name'])} {text.estimate(e)}")
    return Text(f"  AUC of the others: {'; '.join(parts) or 'none'}")
