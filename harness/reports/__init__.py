"""Reports: the scorecard as JSON, HTML, Markdown and terminal text; progress during a run."""

from harness.reports.document import ScorecardDocument, publish, scorecard_schema
from harness.reports.files import ReportPaths, check_writable, write_reports
from harness.reports.history import keep_rates, kept_verdict, past_rates, rates_key
from harness.reports.markdown import to_markdown
from harness.reports.progress import Progress
from harness.reports.reading import SavedRun, load_run
from harness.reports.scorecard import Scorecard, VariantVerdict, build_scorecard
from harness.reports.sections import Extras, ExtrasCount, Section, collect_extras
from harness.reports.terminal import print_summary

__all__ = [
    "Extras",
    "ExtrasCount",
    "Progress",
    "ReportPaths",
    "SavedRun",
    "Scorecard",
    "ScorecardDocument",
    "Section",
    "VariantVerdict",
    "build_scorecard",
    "check_writable",
    "collect_extras",
    "keep_rates",
    "kept_verdict",
    "load_run",
    "past_rates",
    "print_summary",
    "publish",
    "rates_key",
    "scorecard_schema",
    "to_markdown",
    "write_reports",
]
