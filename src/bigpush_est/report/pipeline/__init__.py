"""The report of a pipeline run, and of two side by side: what their results hold, drawn; nothing is computed here."""

from bigpush_est.report.pipeline.comparison import write_comparison
from bigpush_est.report.pipeline.comparison_tables import printed_comparison
from bigpush_est.report.pipeline.contents import printed_tables
from bigpush_est.report.pipeline.page import write_pipeline_report

__all__ = ["printed_comparison", "printed_tables", "write_comparison", "write_pipeline_report"]
