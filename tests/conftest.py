"""Fixtures that several tests share."""

from collections.abc import Callable
from pathlib import Path

import pytest

#: Where the longest tests are.  `make test` shares files out in this order, so that no worker ends alone with one.
LONGEST = ("tests/pipeline/", "tests/test_cli.py", "tests/test_docs.py", "tests/test_stages.py", "tests/report/")
SHIPPED = Path(__file__).parents[1] / "models" / "published.toml"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest files first, all else as it was."""

    def place(item: pytest.Item) -> int:
        return next((k for k, part in enumerate(LONGEST) if part in item.path.as_posix()), len(LONGEST))

    items.sort(key=place)


@pytest.fixture
def study_text() -> str:
    """The shipped study without its variants: the text that tests edit."""
    return SHIPPED.read_text(encoding="utf-8").split("[[variants]]")[0]


@pytest.fixture
def write_study(tmp_path: Path, study_text: str) -> Callable[..., Path]:
    """Write the shipped study with replacements and return its path."""

    def write(*replacements: tuple[str, str], extra: str = "") -> Path:
        text = study_text
        for old, new in replacements:
            assert old in text, old
            text = text.replace(old, new, 1)
        path = tmp_path / "study.toml"
        path.write_text(text + extra, encoding="utf-8")
        return path

    return write
