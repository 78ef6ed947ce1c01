"""Deep transfer learning on lesion crops: image bank, augmentation, backbones, training, embedding, saliency.

Every module but `estimator` needs torch, torchvision and numpy only, so that it runs on a bare GPU machine.
"""

from importlib.util import find_spec

from validkit.errors import MissingExtraError

for _package in ("torch", "torchvision"):
    if find_spec(_package) is None:
        raise MissingExtraError(_package, "deep", "deep transfer learning")
