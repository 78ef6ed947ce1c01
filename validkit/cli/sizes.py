"""`validkit sample-size`: how many patients a development, a validation or a comparison needs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from validkit.cli.options import AsJson, print_json

if TYPE_CHECKING:
    from validkit.stats.sample_size import SampleSize

app = typer.Typer(help="Say how many patients a study needs.", no_args_is_help=True)

Prevalence = Annotated[float, typer.Option(help="Share of patients with the event, between 0 and 1.")]
Auc = Annotated[float, typer.Option(help="The AUC (C statistic) that is expected, between 0.5 and 1.")]
Level = Annotated[float, typer.Option(help="Level of the intervals.")]


@app.command("development")
def development(
    parameters: Annotated[int, typer.Option(min=1, help="Candidate parameters: a factor of three levels has two.")],
    prevalence: Prevalence,
    auc: Annotated[float | None, typer.Option(help="The AUC that is expected; or --r2.")] = None,
    r2: Annotated[
        float | None, typer.Option("--r2", help="Cox and Snell's R2 that is expected, instead of --auc.")
    ] = None,
    shrinkage: Annotated[float, typer.Option(help="The least shrinkage factor, below 1.")] = 0.9,
    as_json: AsJson = False,
) -> None:
    """Patients to develop a model (Riley et al., BMJ 2020): little shrinkage, little optimism, a sure overall risk."""
    from validkit import stats
    from validkit.errors import InputError

    if (auc is None) == (r2 is None):
        raise InputError("give either --auc or --r2: how well the model is expected to do")
    found = stats.development_sample_size(
        parameters, prevalence=prevalence, c_statistic=auc, cox_snell_r2=r2, shrinkage=shrinkage
    )
    _tell(_sized("development", found, "Riley et al., BMJ 368 (2020) m441"), as_json)


@app.command("validation")
def validation(
    prevalence: Prevalence,
    auc: Auc,
    auc_width: Annotated[float, typer.Option(help="Width of the AUC's interval.")] = 0.1,
    oe_width: Annotated[float, typer.Option(help="Width of the interval of observed : expected.")] = 0.2,
    slope_width: Annotated[float, typer.Option(help="Width of the calibration slope's interval.")] = 0.2,
    threshold: Annotated[
        float | None, typer.Option(help="A threshold at which net benefit shall be known, as a risk.")
    ] = None,
    level: Level = 0.95,
    as_json: AsJson = False,
) -> None:
    """Patients to validate a model (Riley et al., Stat Med 2021): each interval no wider than asked.

    The linear predictor is taken as normal in either class, with the spread that the AUC implies.
    """
    from validkit import stats

    found = stats.validation_sample_size(
        prevalence=prevalence,
        c_statistic=auc,
        predictor=stats.LinearPredictor.binormal(auc, prevalence),
        oe_width=oe_width,
        slope_width=slope_width,
        c_width=auc_width,
        threshold=threshold,
        level=level,
    )
    _tell(_sized("validation", found, "Riley et al., Stat Med 40 (2021) 4230-4251"), as_json)


@app.command("comparison")
def comparison(
    auc: Auc,
    other: Annotated[float, typer.Option(help="AUC of the model it is compared with.")],
    prevalence: Prevalence,
    correlation: Annotated[
        float, typer.Option(help="Correlation of the two models' scores within patients of one outcome.")
    ] = 0.5,
    power: Annotated[float, typer.Option(help="How probably the difference shall be found.")] = 0.8,
    alpha: Annotated[float, typer.Option(help="Level of the test.")] = 0.05,
    as_json: AsJson = False,
) -> None:
    """Patients to tell two AUCs of the same patients apart (Obuchowski and McClish, Stat Med 1997)."""
    from validkit import stats
    from validkit.errors import InputError

    if not 0 < prevalence < 1:
        raise InputError(f"--prevalence must lie between 0 and 1, not {prevalence:g}")
    design = stats.binormal_design(
        auc,
        other,
        correlation_events=correlation,
        correlation_others=correlation,
        ratio=(1 - prevalence) / prevalence,
    )
    found = stats.comparison_sample_size(design, power=power, alpha=alpha)
    told = {"auc": auc, "other": other, "prevalence": prevalence, "correlation": correlation, "alpha": alpha}
    record = {
        "study": "comparison",
        "n": found.n_events + found.n_others,
        "events": float(found.n_events),
        "binding": f"test to have a power of {100 * power:g} %",
        "criteria": [],
        "assumptions": told,
        "method": found.method,
        "note": found.note,
    }
    _tell(record, as_json)


def _sized(study: str, found: SampleSize, method: str) -> dict[str, Any]:
    """What the criteria come to."""
    told = found.to_dict()
    kept = {key: told[key] for key in ("n", "binding", "criteria", "assumptions", "note")}
    return {"study": study, "events": found.n_events, "method": method, **kept}


def _tell(record: dict[str, Any], as_json: bool) -> None:
    """The answer, and what each demand alone would need."""
    if as_json:
        print_json(record, schema="sample-size")
        return
    from validkit.report import lines

    rows = [[one["name"], f"n = {one['n']:,}", f"target {one['target']:g}"] for one in record["criteria"]]
    told = [
        f"{key} {value:g}" if isinstance(value, float) else f"{key} {value}"
        for key, value in record["assumptions"].items()
        if value is not None
    ]
    title = f"{record['study'].capitalize()}: {record['n']:,} patients, {record['events']:,.4g} with the event"
    lines.show(
        Console(),
        lines.answer(
            lines.about(f"{title}, for the {record['binding']}"),
            lines.numbers(rows) if rows else None,
            lines.aside("; ".join(told)),
            lines.aside(record["method"]),
            lines.beware(record["note"]) if record["note"] else None,
        ),
    )
