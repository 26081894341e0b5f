"""The documentation as a site, and its command blocks: read, parsed and run."""
