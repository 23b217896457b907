"""The report of a quantitative run: it draws and prints what ``results.json`` and ``figures.npz`` hold."""

from bigpush_est.report.quantitative.contents import printed_tables
from bigpush_est.report.quantitative.page import write_quantitative_report

__all__ = ["printed_tables", "write_quantitative_report"]
