"""The example of another team's repository is run by its test, as an outsider would, and not collected with ours."""

collect_ignore = ["outsider"]
