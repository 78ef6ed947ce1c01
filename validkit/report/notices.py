"""What the reader must not overlook: it stands above the numbers, and in the terminal."""

from __future__ import annotations

import math
from typing import Any

from validkit.report import text
from validkit.report.page import Notice
from validkit.report.records import Record, Run, dig
from validkit.report.values import count, number

SHORTENING = ("epochs", "patience")
FAILED = "fail"
AFTER = "sealed after opening"
PLACE = "model.file"
"""where a bundle lies, which is no part of the protocol: its SHA-256 is"""


def notices(run: Run) -> list[Notice]:
    """Looks at held-out outcomes, openings under other protocols, deviations, failed sentinels, faults, warnings."""
    found: list[Notice] = []
    status = str(run.info.get("status") or "unknown")
    if status != "complete":
        found.append(Notice("warning", f"The run is not complete (status: {status})", "Some records may be missing."))
    _, wrong = run.integrity()
    if wrong:
        found.append(Notice("warning", "Records are missing or were changed after the run", f"{'; '.join(wrong)}."))
    found += looked_at(run) + opened(run) + deviations(run) + failed_sentinels(run)
    warnings = [x for x in remarks(run) if x.get("severity") == "warning"]
    found += [Notice("warning", f"Warning from {x.get('stage')}", str(x.get("text"))) for x in warnings]
    return found


def looked_at(run: Run) -> list[Notice]:
    """One notice a stage that chose by held-out outcomes; those of many splits together."""
    by_stage: dict[str, list[Record]] = {}
    for look in run.info.get("looks") or []:
        by_stage.setdefault(str(look.get("stage")), []).append(look)
    found = []
    for stage, looks in by_stage.items():
        splits = list(dict.fromkeys(str(look.get("split") or "") for look in looks))
        where = f", {len(looks)} times in {len(splits)} splits" if len(looks) > 1 else ""
        first = "First: " if len(looks) > 1 else ""
        title = f"Held-out outcomes were looked at ({stage}){where}"
        found.append(Notice("warning", title, f"{first}{text.capital(str(looks[0].get('text')))}"))
    return found


def opened(run: Run) -> list[Notice]:
    """Where the held-out outcomes were opened under another protocol too, or before the protocol was sealed."""
    found = []
    sealed, opening = run.info.get("sealed") or {}, run.info.get("opening") or {}
    if sealed.get("state") == AFTER:
        words = f"{text.capital(str(sealed.get('sentence') or AFTER))}."
        found.append(Notice("warning", "The protocol was sealed after its held-out outcomes had been opened", words))
    if (count(opening.get("protocols")) or 0) > 1:
        found.append(Notice("warning", text.capital(opening_words(run)), _openings(opening)))
    return found


def opening_words(run: Run) -> str:
    """`held-out outcomes opened 3 times under 2 protocols`."""
    opening = run.info.get("opening") or {}
    times, protocols = count(opening.get("times")), count(opening.get("protocols"))
    if times is None:
        return "not recorded"
    plural = "" if protocols == 1 else "s"
    words = "once" if times == 1 else f"{times} times under {text.whole(protocols)} protocol{plural}"
    return str(opening.get("sentence") or f"held-out outcomes opened {words}")


def _openings(opening: dict[str, Any]) -> str:
    share = number(opening.get("share"))
    names = list(dict.fromkeys(str(o.get("protocol_name") or "?") for o in opening.get("others") or []))
    parts = ["" if math.isnan(share) else f"{text.percent(share)} of these outcomes were opened by an earlier run."]
    parts += [f"Earlier protocols: {text.listed(names)}."] if names else []
    parts += ["A choice made after an earlier opening may have been made by what was seen; figures may be too good."]
    return " ".join(part for part in parts if part)


def findings(run: Run) -> list[Record]:
    """What the sentinels found, in the order of the records."""
    return [one for one in run.info.get("sentinels") or [] if isinstance(one, Record)]


def failed_sentinels(run: Run) -> list[Notice]:
    """One notice a sentinel that found a leak."""
    return [
        Notice(
            "warning",
            f"Sentinel failed ({finding.get('code')}): {_question(finding)}",
            " ".join(filter(None, [_why(finding), str(finding.get("advice") or "")])),
        )
        for finding in findings(run)
        if finding.get("outcome") == FAILED
    ]


def _why(finding: Record) -> str:
    return text.capital(str(finding.get("why") or "no reason was recorded")).rstrip(".") + "."


def _question(finding: Record) -> str:
    return str(finding.get("question") or finding.get("code")).rstrip(".")


def remarks(run: Run) -> list[Record]:
    """The run's own notices, without those that repeat an override: `deviations` tells these with what was replaced."""
    overrides = list(map(str, run.info.get("overrides") or []))
    return [
        notice
        for notice in run.info.get("notices") or []
        if not any(item in str(notice.get("text")) for item in overrides)
    ]


def deviations(run: Run) -> list[Notice]:
    """One notice a stage that overrides changed, with what protocol.toml says where it says something else."""
    by_stage: dict[str, list[tuple[str, str, bool]]] = {}
    for item in map(str, run.info.get("overrides") or []):
        path, _, value = (part.strip() for part in item.partition("="))
        if path == PLACE:
            continue
        parts = path.split(".")
        stage = parts[1] if parts[0] == "model" and len(parts) > 2 else parts[0]
        before: Any = dig(run.original, path)
        x, y = number(before), _as_number(value)
        shorter = parts[-1] in SHORTENING and not math.isnan(x) and y < x
        instead = f" instead of {before}" if before is not None and str(before) != value else ""
        by_stage.setdefault(stage, []).append((item, f"{path} is {value}{instead}", shorter))
    found = []
    for stage, changes in by_stage.items():
        verb = "shortened" if any(shorter for *_, shorter in changes) else "changed"
        how = "an override" if len(changes) == 1 else "overrides"
        title = (
            f"{stage.capitalize().replace('_', ' ')} stage {verb} by {how}: {', '.join(item for item, *_ in changes)}"
        )
        words = "; ".join(words for _, words, _ in changes)
        found.append(Notice("warning", title, f"The run departs from the protocol file: {words}."))
    return found


def _as_number(value: str) -> float:
    try:
        return float(value)
    except ValueError:
        return math.nan
