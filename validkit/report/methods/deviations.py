"""Where the run departed from its protocol, or from what a protocol should be; and that it did not."""

from __future__ import annotations

from validkit.report import text
from validkit.report.acceptance import declared
from validkit.report.methods.design import looked
from validkit.report.methods.saying import cut, named, percent, quoted, said, spelled, times, told
from validkit.report.notices import AFTER, FAILED, PLACE, findings, opening_words
from validkit.report.records import NotAvailable, Run, dig, need
from validkit.report.values import count, number

__all__ = ["deviations_text"]

MOST_OVERRIDES = 12


def deviations_text(run: Run) -> str:
    """Every deviation that the records show; else that they show none."""
    found = told(run, (_unfinished, _overrides, _unsealed, _opened, _looks, _before, _sentinels, _undone, _criteria))
    return found or "The records of the run show no deviation from its protocol."


def _unfinished(run: Run) -> str:
    status = str(run.info.get("status") or "unknown")
    if status == "complete":
        raise NotAvailable("the run is complete")
    return f"The run was not complete (status: {said(status)})."


def _overrides(run: Run) -> str:
    changed = [item.partition("=") for item in map(str, run.info.get("overrides") or [])]
    listed = [_override(run, path.strip(), value.strip()) for path, _, value in changed if path.strip() != PLACE]
    verb = "was" if len(need(listed, "overrides")) == 1 else "were"
    words = f"{spelled(len(listed))} setting{'' if len(listed) == 1 else 's'}"
    return f"{words} of the protocol file {verb} changed when the run was started: {named(listed, MOST_OVERRIDES)}."


def _override(run: Run, path: str, value: str) -> str:
    before = dig(run.original, path)
    instead = f" instead of {before}" if before is not None and str(before) != value else ""
    return f"{path} was {value}{instead}"


def _unsealed(run: Run) -> str:
    state = dig(run.info, "sealed.state")
    if state == AFTER:
        return "The protocol was sealed only after these outcomes had been opened, so it was no declaration ahead."
    if state == "unsealed":
        return (
            "The protocol was not sealed: that it was written before the outcomes were seen rests on its authors' word."
        )
    raise NotAvailable("the protocol was sealed, or nothing is recorded of it")


def _opened(run: Run) -> str:
    opening = run.info.get("opening") or {}
    n, share = count(opening.get("times")) or 0, number(opening.get("share"))
    if n < 2:
        raise NotAvailable("the outcomes were opened once")
    earlier = f"; {percent(round(share, 3))} of them by an earlier run" if share > 0 else ""
    words = cut(opening_words(run)).replace("held-out outcomes opened", "Held-out outcomes had been opened", 1)
    return f"{text.capital(words)}{earlier}, so that choices may have been made in knowledge of them."


def _looks(run: Run) -> str:
    stages, looks = need(looked(run), "looks"), run.info["looks"]
    splits = {str(look.get("split") or "") for look in looks}
    often = f", {times(len(looks))} in {len(splits)} splits" if len(splits) > 1 else ""
    return (
        f"Held-out outcomes were used for choices during development (stage{'s' if len(stages) > 1 else ''} "
        f"{named(stages)}{often}); held-out figures that depend on these choices are optimistic."
    )


def _before(run: Run) -> str:
    before = run.setting("model.before_split") or run.records_of("estimators").get("before_split")
    return (
        f"As the protocol declares, {named(need(before, 'leaks'))} was learnt from all patients before the split, "
        "those held out included; held-out figures are optimistic by it."
    )


def _sentinels(run: Run) -> str:
    failed = [one for one in findings(run) if one.get("outcome") == FAILED]
    ran = [one for one in findings(run) if one.get("outcome") in ("pass", FAILED)]
    listed = [f"{quoted(one.get('code'))} ({cut(one.get('question') or 'no question recorded')})" for one in failed]
    n = len(need(failed, "failed sentinels"))
    return f"{spelled(n)} of {len(ran)} leakage sentinels failed: {text.listed(listed)}."


def _undone(run: Run) -> str:
    planned, made = (count(dig(run.info, f"fits.{key}")) for key in ("planned", "made"))
    if planned is None or made is None or planned == made:
        raise NotAvailable("every planned fit was made")
    return f"The plan foresaw {text.whole(planned)} fits, and {text.whole(made)} were made."


def _criteria(run: Run) -> str:
    if declared(run):
        raise NotAvailable("criteria were declared")
    return "No acceptance criteria had been declared: nothing said ahead what performance would be enough."
