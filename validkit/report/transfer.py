"""The chapter on a new centre: how its patients were checked, and why a locked model does otherwise there."""

from __future__ import annotations

from validkit.report import text
from validkit.report.fits import MEASURES
from validkit.report.page import Block, Cell, Row, Table, Text, measure, table
from validkit.report.records import Record, Run, dig
from validkit.report.subject import label
from validkit.report.values import count, estimate, number

PARTS = {"case_mix": "The patients", "baseline": "The baseline risk", "effects": "The predictor effects"}
ROWS = (
    ("auc", "AUC"),
    ("concordance", "of it, promised by the risks themselves (model-based concordance)"),
    ("gap", "of it, beyond what they promise (AUC less concordance)"),
    ("baseline", "Calibration in the large"),
)
UPDATES = {
    "none": "None",
    "in the large": "In the large",
    "logistic": "Logistic recalibration",
    "logistic recalibration": "Logistic recalibration",
    "platt": "Platt scaling",
    "isotonic": "Isotonic",
    "beta": "Beta calibration",
    "refit": "Refit with the clinical columns",
    "revision": "Refit",
    "closed test": "The closed test's choice",
}
DRIFTED, SHOWN = 0.05, 15
"""level of the test of an input's spread, and most inputs that are listed"""
MEASURED = {
    "oe": "Observed : expected",
    "slope": "Calibration slope",
    "auc": "AUC",
    "net_benefit": "Standardised net benefit",
}
VERDICT = {True: "differ", False: "not shown to differ", None: "not testable"}


def check_blocks(run: Run) -> list[Block]:
    """Everything in which this centre's patients lie outside what the model was developed on, and what was done."""
    checks = run.stage("bundle").get("checks") or []
    cases = count(run.stage("bundle").get("reference")) or 0
    blocks: list[Block] = [Text(_cases(cases))]
    if not checks:
        return [*blocks, Text("No patient here lies outside what the model was developed on.")]
    body: list[Row] = [
        [Cell(str(one.get("code")), head=True), Cell(str(one.get("finding")), wide=True), str(one.get("action"))]
        for one in checks
    ]
    return [*blocks, table("What was checked at this centre", ["Finding", "What was found", "What was done"], body)]


def transfer_blocks(run: Run) -> list[Block]:
    """The main model's answer, the parts of its difference, the tests, and the verdicts on every other model."""
    record = run.stage("transfer")
    if record.get("why"):
        return [Text(f"Nothing can be compared with home: {record['why']}.")]
    models = record["models"]
    main = run.reference
    found = models.get(str(main["name"])) if main else None
    if main is None or found is None:
        return [Text("The bundle does not tell how the main model's patients were spread."), _verdicts(run, models)]
    name = label(main)
    return [Text(f"{name}: {found['sentence']}."), _parts(found, name), _tests(found, name), _verdicts(run, models)]


def drift_blocks(run: Run) -> list[Block]:
    """The inputs whose spread here is not that at home, and how many were looked at."""
    record = run.stage("drift")
    rows = record["rows"]
    found = [row for row in rows if row.get("p_adjusted") is not None and row["p_adjusted"] < DRIFTED]
    level = f"{DRIFTED:g} level, Holm over {text.whole(count(record.get('tested')))}"
    said = f"{len(found)} of {len(rows)} inputs are spread otherwise here than at home ({level})."
    if not found:
        return [Text(said)]
    body: list[Row] = []
    for row in found[:SHOWN]:
        cells = [text.fine(number(row.get(key))) for key in ("mean_there", "mean_here", "shift", "spread")]
        p = text.p_value(number(row.get("p_adjusted")))
        shares = row.get("levels") or {}
        told = "; ".join(f"{level}: {text.percent(a)} to {text.percent(b)}" for level, (a, b) in shares.items())
        body.append([Cell(str(row["name"]), sub=told, head=True), *(Cell(one, numeric=True) for one in (*cells, p))])
    columns = ["Input", "Mean at home", "Mean here", "Shift, in SDs at home", "SD here / SD at home", "p, Holm"]
    note = "Chi-square over the strata between the quantiles at home, of values that are there; most different first."
    more = [f"{len(found) - SHOWN} more are in stages/drift.json."] if len(found) > SHOWN else []
    return [Text(said), table("Inputs that are spread otherwise here", columns, body, [note, *more])]


def updating_blocks(run: Run) -> list[Block]:
    """What each way of updating the main model would do at this centre, judged on others than it learnt from."""
    record = run.stage("updating")
    if record.get("why"):
        return [Text(f"No update was judged: {record['why']}.")]
    body: list[Row] = []
    taken: list[str] = []
    for one in record["judged"]:
        name = UPDATES.get(str(one["method"]), str(one["method"]))
        if one.get("why"):
            body.append([Cell(name, head=True), Cell(text.DASH, note=str(one["why"])), *("" for _ in range(5))])
            continue
        cells = [measure(estimate(one["estimates"].get(key)), words) for key, words in MEASURES]
        less = measure(estimate(one["differences"].get("brier")), "Brier score less that of no update", text.fine)
        body.append([Cell(name, head=True), *cells, "" if one["method"] == "none" else less])
        if one.get("chosen"):
            taken = [f"{UPDATES.get(k, k).lower()} {n} times" for k, n in sorted(one["chosen"].items())]
    folds, repeats = count(record.get("folds")), count(record.get("repeats"))
    notes = [
        f"Each update was fitted to all but one of {folds} parts of the patients and applied to that one; means over "
        f"{repeats} repeats, with the standard error of one. No update is judged on patients that it learnt from."
    ]
    notes += [f"The closed test (Vergouwe et al. 2017) chose, over all folds: {', '.join(taken)}."] if taken else []
    columns = ["Update", *(words for _, words in MEASURES), "Brier score less that of no update"]
    name = next((label(model) for model in run.models() if model["name"] == record.get("model")), "The model")
    return [table(f"{name}: what updating would do here", columns, body, notes)]


def precision_blocks(run: Run) -> list[Block]:
    """How wide the main model's intervals are here, how wide they may be, and the patients that would take."""
    record = run.stage("precision")
    body: list[Row] = []
    for row in record["rows"]:
        more = count(row.get("more"))
        enough = {True: "reached", False: "not reached", None: "undefined"}[row.get("reached")]
        cells = [text.number(number(row.get(key))) for key in ("width", "target")]
        needed = [text.whole(count(row.get("needed"))), text.whole(more)]
        body.append(
            [
                Cell(MEASURED.get(str(row["measure"]), str(row["measure"])), head=True),
                measure(estimate(row.get("estimate"))),
                *(Cell(one, numeric=True) for one in cells),
                enough,
                *(Cell(one, numeric=True) for one in needed),
            ]
        )
    notes = [
        "Patients needed: after Riley et al. (2021), at the prevalence, C statistic and risks observed here, for a "
        "calibrated model. The targets are those of the protocol (evaluation.precision)."
    ]
    notes += [f"{str(record['why'])[:1].upper()}{str(record['why'])[1:]}."] if record.get("why") else []
    columns = ["Measure", "Here", "Width of the interval", "At most", "", "Patients needed", "More than here"]
    return [table("Is this centre large enough?", columns, body, notes)]


def _cases(cases: int) -> str:
    if not cases:
        return "The bundle has no reference cases: nothing shows that this machine predicts as the one at home."
    return (
        f"Before any patient was predicted, the bundle's {cases} reference cases were, and their risks were within "
        "0.000001 of those at home."
    )


def _parts(found: Record, name: str) -> Table:
    body: list[Row] = []
    for key, words in ROWS:
        one = found.get(key) or {}
        cells = [measure(estimate(one.get(where)), words) for where in ("there", "here", "difference")]
        body.append([Cell(words, head=True, level=words.startswith("of it")), *cells])
    standardised = measure(estimate(found.get("standardised")), "AUC, standardised")
    body.append([Cell("AUC, risks spread as at home", head=True), "", standardised, ""])
    note = (
        "In brackets, confidence intervals. The model-based concordance is the AUC that these patients would give if "
        "every predicted risk were true (van Klaveren et al. 2016): it moves with the patients alone. The two parts "
        "add up to the difference of the AUCs. Standardised: patients weighted so that their risks are spread as at "
        "home."
    )
    title = f"{name}: at home and here, and what makes the difference"
    return table(title, ["Part", "At home", "Here", "Difference"], body, [note])


def _tests(found: Record, name: str) -> Table:
    lp = found.get("lp") or {}
    mean, sd = (
        f"{text.number(number(lp.get(f'{k}_there')))} at home, {text.number(number(lp.get(f'{k}_here')))} here"
        for k in ("mean", "sd")
    )
    tests: list[tuple[str, str, Record]] = []
    members = dig(found, "membership.test")
    if members:
        c = estimate(dig(found, "membership.concordance"))
        said = f"membership concordance {text.number(c.value)}, of {', '.join(found['membership']['columns'])}"
        tests.append(("case_mix", f"clinical columns: {said}", members))
    tests.append(("case_mix", f"mean log odds: {mean}", found["lp_mean"]))
    tests.append(("case_mix", f"standard deviation of the log odds: {sd}", found["lp_sd"]))
    tests.append(("effects", f"coefficients of {', '.join(found.get('columns') or []) or 'nothing'}", found["effects"]))
    body: list[Row] = []
    for part, what, test in tests:
        cells = [text.number(number(test.get("statistic"))), text.p_value(number(test.get("p_value")))]
        body.append(
            [
                Cell(PARTS[part], head=True),
                Cell(what, wide=True),
                *(Cell(c, numeric=True) for c in cells),
                str(test.get("method") or ""),
            ]
        )
    baseline = estimate(dig(found, "baseline.difference"))
    p = text.p_value(number(dig(found, "p_values.baseline")))
    what = f"calibration in the large, here less at home: {text.number(baseline.value)}"
    body.insert(-1, [Cell(PARTS["baseline"], head=True), Cell(what, wide=True), "", Cell(p, numeric=True), "normal"])
    return table(f"{name}: the tests", ["Part", "What is compared", "Statistic", "p", "Method"], body)


def _p(value: float) -> str:
    said = text.p_value(value)
    return f"p {said}" if said[0] in "<>" else f"p = {said}"


def _verdicts(run: Run, models: Record) -> Table:
    body: list[Row] = []
    for model in run.models():
        found = models.get(str(model["name"]))
        if found is None:
            continue
        differs, p = found.get("differs") or {}, found.get("p_adjusted") or {}
        cells = [Cell(VERDICT[differs.get(part)], sub=_p(number(p.get(part)))) for part in PARTS]
        body.append([Cell(label(model), head=True), *cells])
    note = "p values of each model corrected by Holm over the three questions; not over the models."
    return table("What differs from home, model by model", ["Model", *PARTS.values()], body, [note])
