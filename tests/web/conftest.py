from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bridge.estate import Estate, people


@pytest.fixture
def estate(tmp_path: Path) -> Iterator[Estate]:
    """A small hospital with one person known on all three servers, nothing told yet."""
    made = Estate(tmp_path)
    people(made)
    yield made
    made.close()
