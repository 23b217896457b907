"""Fixtures that several tests share."""

from collections.abc import Callable
from pathlib import Path

import pytest

SHIPPED = Path(__file__).parents[1] / "models" / "published.toml"


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
