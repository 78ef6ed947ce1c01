"""What this installation can do: extras, weights, device, and the traps that are guarded."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from importlib import metadata
from typing import Any

from validkit.engine import cpu_count
from validkit.extras import EXTRAS, missing


@dataclass(frozen=True)
class Finding:
    """outcome : "ok", "absent" or "guarded"."""

    part: str
    outcome: str
    text: str

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        return asdict(self)


def examine() -> list[Finding]:
    """Every finding, extras first; nothing heavy is loaded for an extra that is absent."""
    findings = [_extra(name, packages) for name, packages in EXTRAS.items()]
    present = {finding.part for finding in findings if finding.outcome == "ok"}
    if "extra deep" in present:
        findings += [_device(), *_weights()]
    if "extra imaging" in present:
        findings += [_eight_bit(), _feature_counts()]
    return findings


def _extra(name: str, packages: tuple[str, ...]) -> Finding:
    absent = missing(name)
    if absent:
        return Finding(f"extra {name}", "absent", f"{', '.join(absent)} not installed; pip install 'validkit[{name}]'")
    return Finding(f"extra {name}", "ok", ", ".join(packages))


def _device() -> Finding:
    import torch

    if torch.cuda.is_available():
        names = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
        return Finding("device", "ok", f"CUDA: {', '.join(names)}; {cpu_count()} processors")
    return Finding("device", "ok", f"no CUDA device; {cpu_count()} processors (everything runs, more slowly)")


def _weights() -> list[Finding]:
    from validkit.errors import InputError
    from validkit.plnm.deep.weights import find_weights
    from validkit.sections import BACKBONES

    findings = []
    for name in BACKBONES:
        try:
            found = find_weights(name, "imagenet", fetch=False)
            findings.append(Finding(f"weights {name}", "ok", f"ImageNet weights: {found.path}"))
        except (InputError, ImportError) as error:
            findings.append(Finding(f"weights {name}", "absent", str(error).splitlines()[0]))
    return findings


def _eight_bit() -> Finding:
    pair = f"PyRadiomics {metadata.version('pyradiomics')} with NumPy {metadata.version('numpy')}"
    text = (
        f"{pair} wraps the grey levels of eight-bit images when it bins them; "
        "images are given to it as float64, and the report counts the lesions concerned"
    )
    return Finding("eight-bit images", "guarded", text)


def _feature_counts() -> Finding:
    from validkit.plnm.radiomics import feature_names

    counts = {preset: len(feature_names(preset)) for preset in ("paper1561", "sound2d")}
    text = ", ".join(f"{preset} {count:,}" for preset, count in counts.items())
    return Finding("radiomic features", "ok", f"{text}; names and count are asserted after every extraction")
