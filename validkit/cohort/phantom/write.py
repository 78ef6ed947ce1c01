"""A phantom on disk: a cohort folder, written whole or not at all."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from validkit.cohort.phantom.anatomy import draw_anatomy
from validkit.cohort.phantom.lesion import READER_A, READER_B, draw_habit, draw_lesion, outline, rasterize
from validkit.cohort.phantom.patients import phantom_record, simulate_patients
from validkit.cohort.phantom.sites import SMALLEST_SITE, Site, draw_sites
from validkit.cohort.phantom.staging import refuse_content, whole_folder, write_record
from validkit.cohort.phantom.ultrasound import Acquisition, simulate_image
from validkit.engine import Reporter, is_local, map_tasks

SECOND_READER_PATIENTS = 50
DESCRIPTION = (
    "Simulated patients, not real ones: B-mode ultrasound images, outlines and clinical columns were drawn by "
    "validkit's phantom after the published effects of Wang et al., Front Oncol 2025, 10.3389/fonc.2025.1681029."
)
FOLDERS = ("images", "masks_a", "masks_a2", "masks_b")


@dataclass(frozen=True)
class Case:
    """One patient's images to be drawn; picklable, and complete in itself."""

    name: str
    number: int
    seed: int
    site: Site
    diameter_mm: float
    heterogeneity: float
    roughness: float
    second_reader: bool


def write_phantom(
    out: Path,
    *,
    patients: int = 421,
    sites: int = 1,
    seed: int = 42,
    engine: str = "loky",
    reporter: Reporter | None = None,
) -> Path:
    """Write a simulated cohort and return its folder.

    out : the folder to make; it must not exist, or be empty
    patients, sites : how many patients, and over how many centres they are divided
    engine : see `validkit.engine.map_tasks`; the files are the same bytes whichever, and drawn on this machine: under
        an engine of several machines by "loky"

    The folder holds `cohort.csv`, `images/`, `masks_a/`, `masks_a2/`, `masks_b/` (reader B on 50 patients) and
    `phantom.json` with the truth. It appears under its name only when complete.
    """
    out = Path(out)
    refuse_content(out)
    local = engine if is_local(engine) else "loky"
    table, latent = simulate_patients(patients, sites, seed)
    second = _second_reader(patients, seed)
    table = _with_paths(table, second)
    cases = _cases(table, latent, draw_sites(sites, seed), seed, second)
    with whole_folder(out) as folder:
        for name in FOLDERS:
            (folder / name).mkdir()
        map_tasks(CaseWriter(folder), cases, engine=local, label="Simulating ultrasound", reporter=reporter)
        write_record(folder, table, phantom_record(DESCRIPTION, patients, sites, seed))
    return out


@dataclass(frozen=True)
class CaseWriter:
    """Draws a case and writes its image and outlines below `folder`."""

    folder: Path

    def __call__(self, case: Case) -> None:
        """Write the PNG files of a case."""
        from PIL import Image

        for kind, pixels in draw_case(case).items():
            Image.fromarray(pixels).save(
                self.folder / kind / f"{case.name}.png", format="PNG", optimize=False, compress_level=6
            )


def draw_case(case: Case) -> dict[str, NDArray[np.uint8]]:
    """Image and outlines of a case, (rows, columns) uint8 by folder; outlines are 0 and 255."""
    streams = np.random.SeedSequence(case.seed, spawn_key=(1, case.number)).spawn(3)
    shape_rng, image_rng, reader_rng = (np.random.default_rng(stream) for stream in streams)
    site, shape = case.site, (case.site.rows, case.site.columns)
    wanted = site.lesion_pixels * np.exp(shape_rng.normal(0.0, 0.10))
    depth_mm = min(site.depths_mm, key=lambda depth: abs(np.log(case.diameter_mm / depth * site.rows / wanted)))
    pixel_mm = depth_mm / site.rows
    lesion = draw_lesion(
        shape_rng,
        diameter=case.diameter_mm / pixel_mm,
        roughness=margin_roughness(case.roughness),
        shape=shape,
        rows=(0.32, 0.58),
    )
    anatomy = draw_anatomy(
        image_rng, lesion, heterogeneity_db=heterogeneity_db(case.heterogeneity), pixel_mm=pixel_mm, shape=shape
    )
    drawn = {"images": simulate_image(image_rng, anatomy, _acquisition(image_rng, site, depth_mm, lesion.centre[0]))}
    habit_a, habit_b = draw_habit(reader_rng), draw_habit(reader_rng)
    readings = {"masks_a": (READER_A, habit_a), "masks_a2": (READER_A, habit_a)}
    if case.second_reader:
        readings["masks_b"] = (READER_B, habit_b)
    for kind, (reader, habit) in readings.items():
        mask = rasterize(lesion.centre, outline(lesion, reader, habit, reader_rng), shape)
        drawn[kind] = np.where(mask, 255, 0).astype(np.uint8)
    return drawn


def draw_pictures(count: int, *, seed: int) -> list[tuple[NDArray[np.uint8], NDArray[np.uint8]]]:
    """Image and reader A's outline (0 and 255) of the first `count` patients of a phantom, (rows, columns) each."""
    patients = max(count, SMALLEST_SITE)
    table, latent = simulate_patients(patients, 1, seed)
    cases = _cases(table, latent, draw_sites(1, seed), seed, np.zeros(patients, dtype=bool))
    drawn = (draw_case(case) for case in cases[:count])
    return [(one["images"], one["masks_a"]) for one in drawn]


def heterogeneity_db(latent: float) -> float:
    """Standard deviation of the echogenicity inside a lesion, dB, from the latent heterogeneity."""
    return float(np.clip(2.5 * np.exp(0.42 * latent), 0.7, 6.5))


def margin_roughness(latent: float) -> float:
    """Standard deviation of the rough margin, share of the radius, from the latent roughness."""
    return float(np.clip(0.028 * np.exp(0.50 * latent), 0.005, 0.085))


def _acquisition(rng: np.random.Generator, site: Site, depth_mm: float, row: float) -> Acquisition:
    return Acquisition(
        frequency_mhz=site.frequency_mhz * float(np.clip((60.0 / depth_mm) ** 0.35, 0.7, 1.1)),
        fractional_bandwidth=site.fractional_bandwidth,
        f_number=site.f_number,
        depth_mm=depth_mm,
        focus_mm=row / site.rows * depth_mm * rng.uniform(0.8, 1.2),
        gain_db=site.gain_db + rng.normal(0.0, 1.5),
        dynamic_range_db=site.dynamic_range_db,
        tgc_error_db_cm=rng.normal(0.0, 0.35),
        noise_db=rng.normal(84.0, 4.0),
    )


def _second_reader(patients: int, seed: int) -> NDArray[np.bool_]:
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(3,)))
    chosen = rng.choice(patients, size=min(SECOND_READER_PATIENTS, patients), replace=False)
    return np.isin(np.arange(patients), chosen)


def _with_paths(table: pd.DataFrame, second: NDArray[np.bool_]) -> pd.DataFrame:
    files = table["patient_id"] + ".png"
    paths = {"image": "images/" + files, "mask_a": "masks_a/" + files, "mask_a2": "masks_a2/" + files}
    return table.assign(**paths, mask_b=("masks_b/" + files).where(second))


def _cases(
    table: pd.DataFrame, latent: pd.DataFrame, sites: list[Site], seed: int, second: NDArray[np.bool_]
) -> list[Case]:
    by_name = {site.name: site for site in sites}
    names, places, diameters = (table[column].tolist() for column in ("patient_id", "site", "max_diameter"))
    latents = (latent[column].tolist() for column in ("heterogeneity", "roughness"))
    rows = zip(names, places, diameters, *latents, second.tolist(), strict=True)
    return [
        Case(name, number, seed, by_name[place], diameter, heterogeneity, roughness, by_b)
        for number, (name, place, diameter, heterogeneity, roughness, by_b) in enumerate(rows)
    ]
