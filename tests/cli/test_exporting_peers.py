"""An exported run in the libraries that people analyse with; `make test-peers`."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.cli import main
from tests.recorded_project import Record

SHARDS = "out/*.parquet"

pytestmark = pytest.mark.peers


@pytest.fixture(autouse=True)
def exported(record: Record) -> None:
    record({"base": "++++++++++++", "new": "+++++++-----"})
    main(["run"])
    assert main(["export", "--to", "parquet", "--shards", "3", "--into", "out"]) == 0


def test_polars_reads_the_shards_lazily() -> None:
    polars = pytest.importorskip("polars")
    found = (
        polars.scan_parquet(SHARDS)
        .group_by("variant")
        .agg(polars.col("passed").sum(), polars.len().alias("rows"))
        .sort("variant")
        .collect()
    )
    assert found.rows() == [("base", 12, 12), ("new", 7, 12)]
    checks = polars.read_parquet(SHARDS)["checks"]
    assert checks.str.json_decode(polars.List(polars.Struct({"check": polars.String}))).len() == 24


def test_duckdb_reads_the_shards() -> None:
    duckdb = pytest.importorskip("duckdb")
    query = f"select variant, avg(passed::int), count(*) from '{SHARDS}' group by all order by 1"
    assert duckdb.sql(query).fetchall() == [
        ("base", 1.0, 12),
        ("new", pytest.approx(7 / 12), 12),
    ]
    first = "select responses[1] from read_parquet('out/*.parquet') where \"case\" = 'c00' limit 1"
    assert duckdb.sql(first).fetchall() == [("red",)]
    assert sorted(path.suffix for path in Path("out").iterdir()) == [".parquet"] * 3
