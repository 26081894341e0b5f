"""What stands against a release, and its addresses."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
import yaml

from harness import __version__
from tests.embedded import ROOT
from website.release import with_links, with_urls, wrong_with


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The files that a release is read from, of version 1.2.3."""
    (tmp_path / "harness").mkdir()
    (tmp_path / "harness" / "__init__.py").write_text('__version__ = "1.2.3"\n')
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "x"\nversion = "1.2.3"\n')
    (tmp_path / "CHANGELOG.md").write_text("# Changelog\n\n## Unreleased\n\n## 1.2.3\n\nNews.\n")
    return tmp_path


def test_a_release_that_is_as_it_must_be(project: Path) -> None:
    assert wrong_with("v1.2.3", project) == []


@pytest.mark.parametrize("tag", ["1.2.3", "v1.2", "v1.2.3-rc1"])
def test_a_tag_that_is_none(project: Path, tag: str) -> None:
    assert wrong_with(tag, project) == [f"{tag}: no tag of a release; expected: vX.Y.Z"]


def test_everything_that_is_wrong_is_told(project: Path) -> None:
    (project / "harness" / "__init__.py").write_text('__version__ = "1.2.2"\n')

    assert wrong_with("v1.3.0", project) == [
        "pyproject.toml: the version is 1.2.3, and the tag says 1.3.0",
        "harness/__init__.py: __version__ is not 1.2.3",
        'CHANGELOG.md: no section "## 1.3.0"; rename "## Unreleased"',
    ]


def test_the_addresses_are_those_of_the_repository_that_releases() -> None:
    text = with_urls((ROOT / "pyproject.toml").read_text(encoding="utf-8"), "https://h.example/a/b")

    assert tomllib.loads(text)["project"]["urls"]["Changelog"] == (
        "https://h.example/a/b/blob/main/CHANGELOG.md"
    )
    with pytest.raises(ValueError, match="already"):
        with_urls(text, "https://h.example/a/b")


def test_the_page_of_the_index_leads_to_the_repository() -> None:
    page = "![a](docs/a.png) [b](docs/b.md#c) [d](https://e.example) [f](#g)"

    assert with_links(page, "https://h.example/a/b") == (
        "![a](https://h.example/a/b/raw/main/docs/a.png) "
        "[b](https://h.example/a/b/blob/main/docs/b.md#c) [d](https://e.example) [f](#g)"
    )


def test_the_version_is_said_once() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

    assert project["version"] == __version__


def test_the_workflow_publishes_without_a_kept_token() -> None:
    text = (ROOT / ".github" / "workflows" / "release.yml").read_text(encoding="utf-8")
    publish = yaml.safe_load(text)["jobs"]["publish"]

    assert publish["permissions"] == {"id-token": "write"}
    assert "secrets." not in text and "password" not in text


def test_the_old_name_of_the_distribution_is_nowhere() -> None:
    """It reads like a part of another project: docs/decisions.md."""
    old = "adapter-gate" + "-harness"
    told = {ROOT / "CHANGELOG.md", ROOT / "docs" / "decisions.md"}
    files = [
        *(ROOT / "harness").rglob("*.py"), *(ROOT / "docs").glob("*.md"), *ROOT.glob("*.md"),
        ROOT / "pyproject.toml",
    ]  # fmt: skip

    assert [path for path in files if path not in told and old in path.read_text("utf-8")] == []
