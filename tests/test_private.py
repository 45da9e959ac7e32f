"""What is ours alone is written so that nobody else reads it, and whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from fhirbridge import private


def test_nobody_else_reads_it_whatever_was_there(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    path.write_bytes(b"old")
    path.chmod(0o666)
    before = os.umask(0)
    try:
        private.write(path, b"new")
    finally:
        os.umask(before)
    assert path.read_bytes() == b"new"
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_a_link_is_replaced_and_not_followed(tmp_path: Path) -> None:
    theirs, path = tmp_path / "theirs", tmp_path / "case.json"
    theirs.write_bytes(b"theirs")
    path.symlink_to(theirs)
    (tmp_path / "case.json.new").symlink_to(theirs)  # laid where the draft is written
    private.write(path, b"ours")
    assert (theirs.read_bytes(), path.read_bytes()) == (b"theirs", b"ours")
    assert not path.is_symlink()


def test_a_crash_leaves_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "keys.json"
    private.write(path, b"old")

    def full(_: int) -> None:
        raise OSError("disk full")

    monkeypatch.setattr("fhirbridge.private.os.fsync", full)
    with pytest.raises(OSError, match="disk full"):
        private.write(path, b"new")
    assert path.read_bytes() == b"old"
