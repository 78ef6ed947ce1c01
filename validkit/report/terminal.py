"""The run in about a dozen lines for a terminal; text from records is never read as markup."""

from __future__ import annotations

from pathlib import Path

from rich.console import RenderableType
from rich.text import Text

from validkit.report import lines, text
from validkit.report.acceptance import acceptance_line, declared, verdict_of
from validkit.report.frontpage import design_words, headline, opening_words, sentinel_words
from validkit.report.notices import deviations, notices
from validkit.report.records import NotAvailable, Run, dig, read_run
from validkit.report.subject import score, subject_title
from validkit.report.values import count

SENT = {"updated.zip": "updated model", "site-summary.json": "what may leave this centre"}
"""what a run wrote for others, and what that is"""


def summary_of(folder: Path) -> RenderableType:
    """Headline numbers of the reference model, what to beware of, and where the report is."""
    run = read_run(folder)
    changed = deviations(run)
    found = [
        lines.beware(lines.in_short(notice.title, notice.text))
        for notice in sorted(notices(run), key=lambda notice: notice in changed)
    ]
    several = "notices" if len(found) > lines.MOST + 1 else "notice"
    page = folder / "report.html"
    return lines.answer(
        lines.simulated() if run.synthetic else None,
        lines.about(subject_title(run), _sizes(run)),
        _numbers(run),
        _others(run),
        *_binding(run),
        *lines.bewares(found, f"{several} in the report"),
        *(lines.fact(f"{what}: {folder / name}") for name, what in SENT.items() if (folder / name).is_file()),
        lines.where(f"report: {page}" if page.is_file() else f"no report yet: validkit report {folder}"),
    )


def _sizes(run: Run) -> str:
    sizes = {
        part: text.counts(count(dig(run.info, f"cohort.{part}.n")), count(dig(run.info, f"cohort.{part}.events")))
        for part in ("training", "held_out")
    }
    return f"{sizes['held_out']}; trained on {sizes['training']}" if run.design == "holdout" else sizes["held_out"]


def _binding(run: Run) -> list[Text]:
    """Design, seal, openings and acceptance, on a line each where they were recorded."""
    found = []
    if run.info.get("design"):
        found.append(f"design: {design_words(run)}")
    if run.info.get("sealed"):
        found.append(f"{dig(run.info, 'sealed.sentence')}; {opening_words(run)}")
    if run.info.get("sentinels"):
        found.append(f"sentinels: {sentinel_words(run).lower().rstrip('.')}")
    return [
        *map(lines.fact, found),
        *([lines.accepted(acceptance_line(run), verdict_of(run)[1])] if declared(run) else []),
    ]


def _numbers(run: Run) -> RenderableType:
    try:
        cards = headline(run)
    except NotAvailable as reason:
        return lines.fact(f"not available because {reason}")
    rows = [(card.label, card.value, f"[{card.interval}]", card.behind or card.note) for card in cards]
    return lines.numbers(rows)


def _others(run: Run) -> Text:
    """AUCs of the other models compared, on one line."""
    try:
        reference = run.reference
        models = [m for m in run.compared() if m is not reference]
    except NotAvailable as reason:
        return lines.fact(f"other models: not available because {reason}")
    parts = []
    for model in models:
        e = score(model["sets"].get(run.primary) or {}, "auc")
        parts.append(f"{model.get('label') or model['name']} {text.estimate(e)}")
    return lines.fact(f"AUC of the others: {'; '.join(parts) or 'none'}")
