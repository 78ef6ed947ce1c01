"""Predictions made elsewhere, audited: a table with an outcome and one or more columns of risks."""
