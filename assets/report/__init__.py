"""Reports that need no network and no program but a browser: one page for a run, one for a comparison of runs."""

from assets.report.comparison_page import comparison_page
from assets.report.record import RunRecord, read_record
from assets.report.run_page import RunReport, run_report

__all__ = ["RunRecord", "RunReport", "comparison_page", "read_record", "run_report"]
