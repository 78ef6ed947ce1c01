"""The PLNM model, stage by stage, as scikit-learn estimators."""
