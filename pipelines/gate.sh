#!/usr/bin/env bash
# A gate for any pipeline: `bash gate.sh [OPTION ...]`, in the folder of the project.
#
#   HARNESS_COMMAND   run (the default), or score for recorded answers
#   HARNESS_SUMMARY   where the verdict is written as Markdown; harness-summary.md
#
# Its exit code is the harness's: 0 may go on, 1 a gate failed, 2 wrong input, 3 machinery failed,
# 4 too few cases to tell. Keep .harness/store.db between runs: what was answered is not asked again.
set -uo pipefail

summary="${HARNESS_SUMMARY:-harness-summary.md}"
code=0
harness "${HARNESS_COMMAND:-run}" "$@" --summary "$summary" || code=$?
case "$code" in
0) echo "gate: may go on" ;;
1) echo "gate: must not go on" ;;
2) echo "gate: the input is wrong, and nothing was run" ;;
3) echo "gate: the machinery failed, and nothing was decided" ;;
4) echo "gate: too few cases to tell" ;;
*) echo "gate: ended with $code" ;;
esac
exit "$code"
