"""The methods section of a paper, written from the protocol and the run, with its references."""

from validkit.report.methods.paragraph import Methods, Paragraph, methods
from validkit.report.methods.references import bibtex
from validkit.report.methods.written import methods_blocks, methods_markdown, references_bibtex, write_methods

__all__ = [
    "Methods",
    "Paragraph",
    "bibtex",
    "methods",
    "methods_blocks",
    "methods_markdown",
    "references_bibtex",
    "write_methods",
]
