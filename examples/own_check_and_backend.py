"""Cases from code, a check of one's own and a backend of one's own: no model, no file.

Run it from anywhere: python examples/own_check_and_backend.py
"""

import harness
from harness.backends import Request
from harness.scorers import Answer


@harness.check
def polite(answer: Answer, words: tuple[str, ...] = ("please", "thank")) -> bool:
    """The answer has one of the polite words."""
    return any(word in answer.text.lower() for word in words)


@harness.backend("shop")
def shop(request: Request) -> str:
    """Answer as the shop's assistant would; `curt` leaves the manners out."""
    question = request.prompt.messages[-1].content
    answer = "It is on its way." if "order" in question else "We open at nine."
    return answer if request.variant.name == "curt" else f"Thank you for asking! {answer}"


QUESTIONS = {"order-7": "Where is my order 7?", "order-8": "Where is order 8?", "hours": "Hours?"}
SUITE = harness.make_suite(
    "manners",
    [
        {"id": name, "user": question, "checks": [polite, {"words": {"max": 12}}]}
        for name, question in QUESTIONS.items()
    ],
    gate={"min_pass_rate": 0.9},
)

if __name__ == "__main__":
    report = harness.run(SUITE, backend="shop", variants={"curt": {"system": "Be brief."}})
    print(report)
    for result in report.results():
        print(result)
    print(report.scorecard.candidates()[0].summary)
