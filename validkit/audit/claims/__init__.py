"""What a paper reports, checked against itself and against what such a study can show."""
