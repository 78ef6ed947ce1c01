"""The deep branch: how each backbone trained, and where it looked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from validkit.report import text
from validkit.report.figures import style
from validkit.report.figures.base import Display

PANEL = 4.7
"""width of a patient's panel, inches"""


@dataclass(frozen=True, repr=False)
class TrainingDisplay(Display):
    """Loss and validation AUC over the epochs of one backbone.

    epochs, train_loss, validation_loss, validation_auc : (epochs,) NaN where not recorded
    """

    name: str
    detail: str
    epochs: np.ndarray
    train_loss: np.ndarray
    validation_loss: np.ndarray
    validation_auc: np.ndarray
    best: int | None

    @property
    def title(self) -> str:
        """The backbone and what it was validated on."""
        return f"{self.name} ({self.detail})" if self.detail else self.name

    def alt(self) -> str:
        """Number of epochs and the best one."""
        return f"Training of {self.title}: {len(self.epochs)} epochs, best {text.whole(self.best)}"

    def draw(self) -> Figure:
        """Loss above, AUC below, the best epoch marked."""
        figure = style.blank(4.7, 4.5)
        above, below = figure.subplots(2, 1, sharex=True, height_ratios=(1.5, 1.0))
        marker = "o" if len(self.epochs) < 30 else None
        training: dict[str, Any] = {"color": style.BLUE, "linewidth": 1.5, "marker": marker, "ms": 3}
        validation: dict[str, Any] = {
            "color": style.VERMILLION,
            "linewidth": 1.5,
            "marker": marker,
            "ms": 3,
            "linestyle": (0, (4, 2)),
        }
        above.plot(self.epochs, self.train_loss, **training)
        above.plot(self.epochs, self.validation_loss, **validation)
        below.axhline(0.5, color=style.SOFT, linewidth=0.8, linestyle=(0, (1, 2)))
        below.plot(self.epochs, self.validation_auc, **validation)
        handles = [Line2D([], [], **training), Line2D([], [], **validation)]
        labels = ["training patients", "inner validation patients"]
        if self.best is not None:
            for axes in (above, below):
                axes.axvline(self.best, color=style.INK, linewidth=0.9, linestyle=(0, (1, 1.2)))
            handles.append(Line2D([], [], color=style.INK, linewidth=0.9, linestyle=(0, (1, 1.2))))
            labels.append(f"epoch kept ({self.best})")
        lowest = float(np.nanmin(self.validation_auc)) if np.isfinite(self.validation_auc).any() else 0.5
        below.set(ylim=(min(0.45, lowest - 0.05), 1.02), ylabel="AUC", xlabel="Epoch")
        below.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        above.set(ylabel="Loss")
        style.head(above, self.title)
        figure.align_ylabels()
        style.key_below(figure, handles, labels, columns=2)
        return figure

    def frame(self) -> pd.DataFrame:
        """epoch, train_loss, validation_loss, validation_auc."""
        return pd.DataFrame(
            {
                "epoch": self.epochs,
                "train_loss": self.train_loss,
                "validation_loss": self.validation_loss,
                "validation_auc": self.validation_auc,
            }
        )


@dataclass(frozen=True, repr=False)
class SaliencyDisplay(Display):
    """Grad-CAM of one patient: image (H, W) 0..255, heat map (H, W) in [0, 1], outline (H, W) bool."""

    raster: ClassVar[bool] = True

    patient: str
    outcome: str
    probability: float
    backbone: str
    image: np.ndarray
    heat: np.ndarray
    outline: np.ndarray

    @property
    def title(self) -> str:
        """Patient, outcome and predicted probability."""
        return f"{text.clean(self.patient)}: {text.clean(self.outcome)}, probability {text.number(self.probability)}"

    def alt(self) -> str:
        """What the three pictures are."""
        return f"Image, outline and Grad-CAM heat map of {self.backbone}. {self.title}"

    def draw(self) -> Figure:
        """Image, image with outline, image under the heat map."""
        height, width = self.image.shape
        side = (PANEL - 4 * style.MARGIN) / 3
        tall = min(side * height / width, 2.5)
        figure = style.blank(PANEL, tall + 0.62)
        figure.set_layout_engine("none")
        whole = figure.get_figheight()
        for i, label in enumerate(("Image", "Outline", "Grad-CAM")):
            left = style.MARGIN + i * (side + style.MARGIN)
            axes = figure.add_axes((left / PANEL, style.MARGIN / whole, side / PANEL, tall / whole))
            axes.imshow(self.image, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
            if label == "Outline" and self.outline.any() and not self.outline.all():
                axes.contour(self.outline, levels=[0.5], colors=[style.ORANGE], linewidths=1.3)
            if label == "Grad-CAM":
                colours = matplotlib.colormaps["inferno"](np.clip(self.heat, 0, 1))
                colours[..., 3] = 0.65 * np.clip(self.heat, 0, 1)
                axes.imshow(colours, interpolation="nearest")
            axes.set_axis_off()
            flat = label == "Grad-CAM" and float(np.ptp(self.heat)) < 1e-6
            axes.set_title(f"{label} (flat)" if flat else label, fontsize=8.5, fontweight="normal", loc="center", pad=3)
        words = self.title if len(self.title) <= 60 else f"{self.title[:59]}…"
        top = 1 - style.MARGIN / whole
        figure.text(style.MARGIN / PANEL, top, words, fontsize=9, fontweight="bold", va="top")
        return figure

    def frame(self) -> pd.DataFrame:
        """One row: patient, outcome, probability, backbone and the share of heat inside the outline."""
        total = float(self.heat.sum())
        inside = float(self.heat[self.outline].sum()) / total if total > 0 else float("nan")
        row = (self.patient, self.outcome, self.probability, self.backbone, inside)
        return pd.DataFrame([row], columns=["patient", "outcome", "probability", "backbone", "heat_inside_outline"])
