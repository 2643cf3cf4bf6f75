"""Proposals that a person edits: privacy marks, types, checks, tables, found in a file and written as a pipeline.

`personal.propose_marks`, `study.propose_normal_form`, `draft.draft_pipeline` and `reports.report` are the doors.
"""
