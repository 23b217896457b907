"""The robustness report of a pipeline run: what its results hold, drawn; nothing is computed here."""

from bigpush_est.report.pipeline.page import write_pipeline_report

__all__ = ["write_pipeline_report"]
