"""Switches the harness on: `pytest suites/` collects the YAML suites of this project."""

pytest_plugins = ["harness.pytest_plugin"]
