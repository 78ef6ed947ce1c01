"""What leaves with the reader beside the page: a workbook, a document and LaTeX of the same tables."""
