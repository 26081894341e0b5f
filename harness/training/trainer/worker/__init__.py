"""The process that trains: `python -m harness.training.trainer.worker JOB.json FD`."""
