"""The report of a run: it draws and prints what earlier stages computed."""

from bigpush_est.report.page import write_report

__all__ = ["write_report"]
