"""The phantom: a simulated cohort whose truth is known.

Ultrasound is simulated as what it is (`ultrasound`), of tissue with a lesion in it (`anatomy`, `lesion`), in patients
whose lymph nodes, clinical columns and lesion share a latent aggressiveness (`patients`), at centres that differ
(`sites`). Everything follows from the number of patients, the number of sites and one seed.
"""

from validkit.cohort.phantom.patients import describe, simulate_table
from validkit.cohort.phantom.tables import write_table_phantom
from validkit.cohort.phantom.write import draw_pictures, write_phantom

__all__ = ["describe", "draw_pictures", "simulate_table", "write_phantom", "write_table_phantom"]
