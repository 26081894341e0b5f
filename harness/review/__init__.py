"""People judge the answers of a run: blind, in a browser or in a file, saved after each key."""

from harness.review.files import ReviewImport, read_review, write_review
from harness.review.opening import OpenReview, open_review
from harness.review.planning import plan_review
from harness.review.session import Review
from harness.review.values import (
    Asked,
    By,
    ReviewItem,
    ReviewOptions,
    ShownAnswer,
    check_rater,
    in_order,
)

__all__ = [
    "Asked",
    "By",
    "OpenReview",
    "Review",
    "ReviewImport",
    "ReviewItem",
    "ReviewOptions",
    "ShownAnswer",
    "check_rater",
    "in_order",
    "open_review",
    "plan_review",
    "read_review",
    "write_review",
]
