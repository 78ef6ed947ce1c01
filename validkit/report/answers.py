"""What stands on the first screen of a run: the answer, how sure it is, and what must not be overlooked."""

from __future__ import annotations

from validkit.report import text
from validkit.report.acceptance import verdict_of
from validkit.report.figures.catalogue import FIRST
from validkit.report.frontpage import headline, headline_sentence, opening_words, sentinel_words
from validkit.report.notices import notices
from validkit.report.page import Answer
from validkit.report.records import NotAvailable, Run, dig
from validkit.report.values import count

__all__ = ["run_answer"]


def run_answer(run: Run) -> Answer:
    """The reference model on the patients that answer the question."""
    verdict, state, criteria = verdict_of(run)
    card, reason = None, ""
    try:
        card = headline(run)[0]
    except NotAvailable as missing:
        reason = str(missing)
    return Answer(
        sentence=headline_sentence(run) if card else "",
        verdict=verdict,
        state=state,
        criteria=criteria,
        facts=tuple(_facts(run)),
        beware=tuple(text.clean(notice.title) for notice in notices(run) if notice.severity == "warning"),
        card=card,
        plate=FIRST,
        reason=reason,
    )


def _facts(run: Run) -> list[str]:
    """Of whom; sealed or not; how often outcomes were opened; what the sentinels found."""
    n, events = (count(dig(run.info, f"cohort.{key}")) for key in ("patients", "events"))
    kind = "simulated patients (synthetic)" if run.synthetic else "real patients"
    sites = len(dig(run.info, "cohort.sites") or {})
    where = f" from {sites} {'site' if sites == 1 else 'sites'}" if sites else ""
    return [
        f"{text.whole(n)} {kind}, {text.whole(events)} with {run.positive}{where}",
        text.capital(str(dig(run.info, "sealed.sentence") or "not recorded whether the protocol was sealed")),
        text.capital(opening_words(run)),
        f"Sentinels: {sentinel_words(run).lower().rstrip('.')}",
    ]
