"""The process that trains: `python -m harness.training.sft.worker JOB.json FD`."""
