"""Reports: the scorecard as JSON, HTML, Markdown and terminal text; progress during a run."""

from harness.reports.annotations import (
    Annotation,
    annotations_of,
    annotations_of_error,
    to_code_quality,
    to_github,
)
from harness.reports.calibration import print_calibration
from harness.reports.cases import print_case
from harness.reports.document import (
    Category,
    ScorecardDocument,
    VariantCard,
    publish,
    scorecard_schema,
)
from harness.reports.drawing import rate_strip
from harness.reports.files import LATEST, ReportPaths, check_writable, write_reports
from harness.reports.history import (
    all_rates,
    basis_of,
    keep_rates,
    kept_rates,
    kept_verdict,
    past_rates,
)
from harness.reports.html import headline_of, suites_markup
from harness.reports.html.cases import asked
from harness.reports.lines import LinePoint, changed_in, day, line_of, points_of, scale_of
from harness.reports.markdown import escaped, to_markdown
from harness.reports.notebook import NotebookView
from harness.reports.progress import Progress
from harness.reports.reading import SavedRun, load_run
from harness.reports.scorecard import Scorecard, VariantVerdict, build_scorecard
from harness.reports.sections import Extras, ExtrasCount, Section, collect_extras, people_extras
from harness.reports.templates import asset, content_policy, page_style, template
from harness.reports.terminal import LINE_EVERY, Display, print_summary, view_command
from harness.reports.words import because, label

__all__ = [
    "LATEST",
    "LINE_EVERY",
    "Annotation",
    "Category",
    "Display",
    "Extras",
    "ExtrasCount",
    "LinePoint",
    "NotebookView",
    "Progress",
    "ReportPaths",
    "SavedRun",
    "Scorecard",
    "ScorecardDocument",
    "Section",
    "VariantCard",
    "VariantVerdict",
    "all_rates",
    "annotations_of",
    "annotations_of_error",
    "asked",
    "asset",
    "basis_of",
    "because",
    "build_scorecard",
    "changed_in",
    "check_writable",
    "collect_extras",
    "content_policy",
    "day",
    "escaped",
    "headline_of",
    "keep_rates",
    "kept_rates",
    "kept_verdict",
    "label",
    "line_of",
    "load_run",
    "page_style",
    "past_rates",
    "people_extras",
    "points_of",
    "print_calibration",
    "print_case",
    "print_summary",
    "publish",
    "rate_strip",
    "scale_of",
    "scorecard_schema",
    "suites_markup",
    "template",
    "to_code_quality",
    "to_github",
    "to_markdown",
    "view_command",
    "write_reports",
]
