"""The items of the guidelines, numbered as published and told in our own words; the last word names what answers them.

TRIPOD+AI: Collins et al., BMJ 385 (2024) e078378. PROBAST+AI: Moons et al., BMJ 388 (2025) e082505, whose 16 signalling
questions on development and 18 on evaluation are numbered by domain in either part, so the chapter tells which part.
CLEAR: Kocak et al., Insights Imaging 14 (2023) 75. METRICS: Kocak et al., Insights Imaging 15 (2024) 8, with the weight
of each item.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["CLEAR", "METRICS", "PROBAST_AI", "TRIPOD_AI", "Item"]


@dataclass(frozen=True)
class Item:
    """number : as published; chapter; text : what is asked; answer : name in `answers.ANSWERS`, "" for the authors

    weight : of METRICS' score; None for guidelines without one
    """

    number: str
    chapter: str
    text: str
    answer: str = ""
    weight: float | None = None


def _items(chapter: str, *rows: tuple[str, str] | tuple[str, str, str]) -> tuple[Item, ...]:
    return tuple(Item(row[0], chapter, row[1], row[2] if len(row) > 2 else "") for row in rows)


TRIPOD_AI = (
    *_items("Title and abstract",
        ("1", "Title tells that a prediction model is developed or evaluated, in whom, and for what outcome"),
        ("2", "Abstract as TRIPOD+AI for abstracts asks")),
    *_items("Introduction",
        ("3a", "Health care setting, why the model is wanted, and models that exist"),
        ("3b", "For whom the model is meant, at which point of care, and who is to use it"),
        ("3c", "Known health inequalities between groups of patients"),
        ("4", "Objectives, and whether the study develops, evaluates or both", "question")),
    *_items("Methods",
        ("5a", "Where the data come from, for development and evaluation apart; how representative they are", "source"),
        ("5b", "Dates of the collected data, start and end of accrual and follow-up"),
        ("6a", "Setting: care level, number and place of centres", "sites"),
        ("6b", "Eligibility of patients", "eligibility"),
        ("6c", "Treatments received, and how they were handled"),
        ("7", "Preparation and quality checks of the data, alike for all groups", "leaks"),
        ("8a", "Outcome: what it is, its horizon, how it was assessed, why it was chosen", "outcome"),
        ("8b", "If assessing the outcome takes judgement, who the assessors are"),
        ("8c", "Blinding of the outcome's assessment"),
        ("9a", "Choice of the first predictors, and any selection before the model was built"),
        ("9b", "Every predictor: definition, when and how it was measured", "predictors"),
        ("9c", "If measuring predictors takes judgement, who the assessors are"),
        ("10", "How the size of the study was arrived at, for development and evaluation apart"),
        ("11", "Missing data: how they were handled, and why patients were left out", "missing"),
        ("12a", "How data were used, and parted into sets for development and evaluation", "partition"),
        ("12b", "How predictors entered the analyses: form, scaling, transformation"),
        ("12c", "Type of the model, why, all steps of building it, hyperparameters, internal validation", "model"),
        ("12d", "Differences between clusters such as hospitals: handled and measured how", "heterogeneity"),
        ("12e", "Measures and plots of performance, and comparison of models", "measures"),
        ("12f", "Updating after evaluation, overall or for groups", "recalibration"),
        ("12g", "For evaluation: how predictions were computed", "specification"),
        ("13", "If classes were balanced: why, how, and recalibration afterwards"),
        ("14", "What was done for fairness, and why"),
        ("15", "What the model gives: risks or classes, and how thresholds were found", "threshold"),
        ("16", "How evaluation differs from development: setting, eligibility, outcome, predictors", "drift"),
        ("17", "Ethics committee, and informed consent or its waiver")),
    *_items("Open science",
        ("18a", "Funding, and what the funders did"),
        ("18b", "Conflicts of interest"),
        ("18c", "Where the protocol is found", "seeds"),
        ("18d", "Registration"),
        ("18e", "Availability of the data"),
        ("18f", "Availability of the analysis code", "code")),
    *_items("Patient and public involvement",
        ("19", "How patients and the public took part, or that they did not")),
    *_items("Results",
        ("20a", "Flow of patients, with and without the outcome", "flow"),
        ("20b", "Characteristics overall and by setting, with missing values", "table_one"),
        ("20c", "For evaluation: how predictors are spread against development", "drift"),
        ("21", "Patients and events in every analysis", "sizes"),
        ("22", "The whole model, so that others can predict with it and evaluate it", "specification"),
        ("23a", "Performance with intervals, in groups that matter too", "results"),
        ("23b", "Differences of performance between clusters", "heterogeneity"),
        ("24", "Results of updating, and performance afterwards", "recalibration")),
    *_items("Discussion",
        ("25", "Interpretation against the objectives and earlier studies, with fairness"),
        ("26", "Limitations, and what they do to bias, uncertainty and generalisability"),
        ("27a", "Use: how poor or missing input would be handled"),
        ("27b", "Use: what users must do and know"),
        ("27c", "Next steps, with an eye to applicability and generalisability")),
)  # fmt: skip


DEVELOPMENT, EVALUATION = "Development", "Evaluation"


def _domains(
    part: str, rated: str, *domains: tuple[str, tuple[tuple[str, str] | tuple[str, str, str], ...]]
) -> tuple[Item, ...]:
    """The signalling questions of a part, each domain ending in the ratings that an assessor gives it."""
    asked: list[Item] = []
    for k, (domain, rows) in enumerate(domains, start=1):
        chapter = f"{part}, domain {k}: {domain}"
        asked += _items(chapter, *rows, (f"{k} rating", f"{rated}, with its rationale"))
        if domain != "analysis":
            asked += _items(chapter, (f"{k} applicability", f"Applicability of the {domain} to the intended use"))
    return (
        *asked,
        *_items(f"{part}, overall", ("overall", f"{rated} over the domains, and applicability over the first three")),
    )


PROBAST_AI = (
    *_domains(DEVELOPMENT, "Concern about the quality of development",
        ("participants and data sources", (
            ("1.1", "Data sources that suit the purpose", "developed_from"),
            ("1.2", "A study design that suits the purpose"),
            ("1.3", "Inclusions and exclusions that leave a representative set of patients", "developed_flow"))),
        ("predictors", (
            ("2.1", "Predictors defined and assessed alike in all patients", "developed_predictors"),
            ("2.2", "Predictors pre-processed alike in all patients", "developed_processing"),
            ("2.3", "Predictors assessed without knowing the outcome"),
            ("2.4", "Predictors at hand when the model is to be used"))),
        ("outcome", (
            ("3.1", "Outcome defined and assessed properly", "developed_outcome"),
            ("3.2", "Outcome defined and assessed alike in all patients"),
            ("3.3", "Outcome assessed without using or knowing the predictors"),
            ("3.4", "A fitting time between predictors and outcome"))),
        ("analysis", (
            ("4.1", "Evidence that the sample size is reasonable", "developed_sizes"),
            ("4.2", "Continuous and categorical predictors handled properly", "developed_handling"),
            ("4.3", "Patients with missing or censored data handled properly", "developed_missing"),
            ("4.4", "Where classes were balanced: model or risks recalibrated afterwards", "developed_balance"),
            ("4.5", "Overfitting countered", "developed_restraint")))),
    *_domains(EVALUATION, "Risk of bias of the evaluation",
        ("participants and data sources", (
            ("1.1", "Data sources that suit the purpose", "source"),
            ("1.2", "A study design that suits the purpose"),
            ("1.3", "Inclusions and exclusions that leave a representative set of patients", "flow"))),
        ("predictors", (
            ("2.1", "Predictors defined and assessed alike in all patients", "predictors"),
            ("2.2", "Predictors pre-processed alike in all patients", "processing"),
            ("2.3", "Predictors assessed without knowing the outcome"),
            ("2.4", "Predictors at hand when the model is to be used"))),
        ("outcome", (
            ("3.1", "Outcome defined and assessed properly", "outcome"),
            ("3.2", "Outcome defined and assessed alike in all patients"),
            ("3.3", "Outcome assessed without using or knowing the predictors"),
            ("3.4", "A fitting time between predictors and outcome"))),
        ("analysis", (
            ("4.1", "More than apparent performance was evaluated", "partition"),
            ("4.2", "Evidence that the sample size is reasonable", "judged_sizes"),
            ("4.3", "Patients with missing or censored data handled properly", "missing"),
            ("4.4", "Where classes were balanced: evaluated on patients whose classes were not", "judged_balance"),
            ("4.5", "Where data were split: evidence that nothing leaked", "guarded"),
            ("4.6", "Where data were resampled: every step of development repeated in each sample", "repeated"),
            ("4.7", "Performance evaluated properly: calibration, discrimination, net benefit", "performance")))),
)  # fmt: skip

CLEAR = (
    *_items("Title, abstract, keywords",
        ("1", "Title that tells the radiomic method"),
        ("2", "Structured summary with what matters"),
        ("3", "Keywords of radiomics")),
    *_items("Introduction",
        ("4", "Scientific or clinical background"),
        ("5", "Why a radiomic approach"),
        ("6", "Objectives", "question")),
    *_items("Study design",
        ("7", "Guidelines or checklists followed"),
        ("8", "Ethics: approval, consent, protection of data"),
        ("9", "How the sample's size was found"),
        ("10", "Nature of the study: prospective or retrospective"),
        ("11", "Eligibility", "eligibility"),
        ("12", "Flowchart of the technical pipeline")),
    *_items("Data",
        ("13", "Where data come from, centres, dates", "source"),
        ("14", "Overlap with data of earlier studies"),
        ("15", "How data were split", "partition"),
        ("16", "Imaging protocol: acquisition and processing"),
        ("17", "Predictors that are not radiomic", "predictors"),
        ("18", "Reference standard of the outcome", "outcome")),
    *_items("Segmentation",
        ("19", "Strategy of segmentation", "outlines"),
        ("20", "Who segmented")),
    *_items("Pre-processing",
        ("21", "Details of image pre-processing"),
        ("22", "Resampling of pixels or voxels"),
        ("23", "Discretisation of intensities", "radiomics"),
        ("24", "Image types: original, filtered", "image_types")),
    *_items("Feature extraction",
        ("25", "Method and software", "radiomics"),
        ("26", "Feature classes", "feature_classes"),
        ("27", "Number of features", "radiomics"),
        ("28", "That all other settings are the software's defaults")),
    *_items("Data preparation",
        ("29", "Missing data", "missing"),
        ("30", "Imbalance of classes"),
        ("31", "Reliability of segmentations", "reproducibility"),
        ("32", "Scaling of features"),
        ("33", "Reduction of dimensions", "selection")),
    *_items("Modelling",
        ("34", "Algorithms", "model"),
        ("35", "Training and tuning", "tuning"),
        ("36", "Confounders", "leaks"),
        ("37", "How the final model was chosen", "tuning")),
    *_items("Evaluation",
        ("38", "Testing: internal, external", "partition"),
        ("39", "Measures of performance, and why", "measures"),
        ("40", "Uncertainty of the measures", "measures"),
        ("41", "Statistical comparison of performance", "compared"),
        ("42", "Comparison with models without radiomics, and combined", "compared"),
        ("43", "Interpretation and explanation", "explained")),
    *_items("Results",
        ("44", "Characteristics of patients", "table_one"),
        ("45", "Flow of patients", "flow"),
        ("46", "Statistics of features: reproducibility, selection", "selection"),
        ("47", "Performance", "results"),
        ("48", "Comparison with models without radiomics, and combined", "compared")),
    *_items("Discussion",
        ("49", "Overview of the findings"),
        ("50", "Earlier work, and differences from it"),
        ("51", "Meaning for practice"),
        ("52", "Strengths and limitations")),
    *_items("Open science",
        ("53", "Images and segmentations shared"),
        ("54", "Radiomic features shared"),
        ("55", "Scripts or settings of pre-processing shared", "seeds"),
        ("56", "Modelling code shared", "code"),
        ("57", "Final model shared", "specification"),
        ("58", "A system ready to use shared")),
)  # fmt: skip


def _weighed(chapter: str, *rows: tuple[int, str, float, str]) -> tuple[Item, ...]:
    return tuple(Item(str(number), chapter, words, answer, weight) for number, words, weight, answer in rows)


METRICS = (
    *_weighed("Study design",
        (1, "A guideline for radiomics or machine learning was followed", 0.0368, ""),
        (2, "Eligibility criteria that describe a representative population", 0.0735, ""),
        (3, "A reference standard of high quality, clearly defined", 0.0919, "")),
    *_weighed("Imaging data",
        (4, "Several centres", 0.0438, "sites"),
        (5, "Images as the clinic makes them", 0.0292, ""),
        (6, "Imaging protocol with acquisition parameters", 0.0438, ""),
        (7, "Time between imaging and reference standard", 0.0292, "")),
    *_weighed("Segmentation",
        (8, "Segmentation described openly", 0.0337, "outlines"),
        (9, "Automatic segmentation evaluated formally", 0.0225, ""),
        (10, "Test set outlined by one reader or tool", 0.0112, "")),
    *_weighed("Image processing and feature extraction",
        (11, "Pre-processing that suits, described openly", 0.0622, ""),
        (12, "Software that follows the standard", 0.0311, "radiomics"),
        (13, "Parameters of extraction reported", 0.0415, "radiomics")),
    *_weighed("Feature processing",
        (14, "Features that are not robust removed", 0.0200, "reproducibility"),
        (15, "Redundant features removed", 0.0200, "selection"),
        (16, "Dimensions in proportion to the data", 0.0300, "selection"),
        (17, "Robustness of deep pipelines assessed", 0.0200, "")),
    *_weighed("Preparation for modelling",
        (18, "Data parted properly", 0.0599, "partition"),
        (19, "Confounders handled", 0.0300, "leaks")),
    *_weighed("Metrics and comparison",
        (20, "Measures that suit the task", 0.0352, "measures"),
        (21, "Uncertainty considered", 0.0234, "results"),
        (22, "Calibration assessed", 0.0176, "results"),
        (23, "One imaging parameter, or proof that it is inferior", 0.0117, ""),
        (24, "Compared with an approach without radiomics, or added value shown", 0.0293, "compared"),
        (25, "Compared with simple or classical models", 0.0176, "compared")),
    *_weighed("Testing",
        (26, "Internal testing", 0.0375, "partition"),
        (27, "External testing", 0.0749, "external")),
    *_weighed("Open science",
        (28, "Data available", 0.0075, ""),
        (29, "Code available", 0.0075, "code"),
        (30, "Model available", 0.0075, "specification")),
)  # fmt: skip
