"""When files that changed are read again; and that every way of changing them shows."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from proxy.stamps import Stamp, stamp
from proxy.watching import PATIENCE, Vigil

CONFIG, SECRET = Path("/c.yaml"), Path("/secret")
STRANGER = Path("/other")


def state(number: int) -> Stamp:
    return (1, number, number, number, number)


OLD = {CONFIG: state(1), SECRET: state(1)}
NEW = {CONFIG: state(2), SECRET: state(1)}


def test_what_is_as_it_was_is_not_read() -> None:
    vigil = Vigil(OLD)
    assert not any(vigil.look(dict(OLD)) for _ in range(10))


def test_a_change_is_read_once_it_is_quiet() -> None:
    """From one look to the next nothing happened: whoever writes is done. After that it counts as known."""
    vigil = Vigil(OLD)
    assert [vigil.look(dict(NEW)) for _ in range(5)] == [False, True, False, False, False]


def test_a_burst_of_changes_is_read_once() -> None:
    vigil = Vigil(OLD)
    looks = [{**OLD, CONFIG: state(number)} for number in (2, 3, 4, 4, 4, 4)]
    assert [vigil.look(one) for one in looks] == [False, False, False, True, False, False]


def test_a_writer_who_never_rests_is_read_now_and_then() -> None:
    vigil = Vigil(OLD)
    read = [vigil.look({**OLD, CONFIG: state(number)}) for number in range(2, 2 + 3 * PATIENCE)]
    assert [number for number, one in enumerate(read, 1) if one] == [PATIENCE, 2 * PATIENCE, 3 * PATIENCE]


def test_a_change_that_was_taken_back_is_none() -> None:
    vigil = Vigil(OLD)
    assert [vigil.look(one) for one in (NEW, OLD, NEW, OLD, OLD)] == [False] * 5


def test_a_file_that_vanishes_for_a_moment_is_waited_for() -> None:
    """Quiet is not enough then: its successor is on the way."""
    vigil = Vigil(OLD)
    gone = {**OLD, CONFIG: None}
    assert [vigil.look(one) for one in (gone, gone, gone, NEW, NEW, NEW)] == [False, False, False, False, True, False]


def test_a_file_that_stays_away_is_told_of_once() -> None:
    vigil = Vigil(OLD)
    gone = {**OLD, CONFIG: None}
    assert [vigil.look(gone) for _ in range(2 * PATIENCE)].index(True) == PATIENCE - 1
    assert not any(vigil.look(gone) for _ in range(2 * PATIENCE))
    assert [vigil.look(OLD) for _ in range(3)] == [False, True, False]


def test_a_file_that_was_never_there_disturbs_nobody_and_its_coming_is_noticed() -> None:
    """A configuration may name a file in a folder that does not exist yet."""
    vigil = Vigil(OLD)
    vigil.took({SECRET: None}, completely=False)
    absent, there = {CONFIG: state(2), SECRET: None}, {CONFIG: state(2), SECRET: state(1)}
    assert [vigil.look(one) for one in (absent, absent, there, there)] == [False, True, False, True]


def test_after_mistakes_the_files_of_before_are_watched_as_well() -> None:
    """A file that breaks off in the middle names half of them."""
    vigil = Vigil(OLD)
    vigil.took({CONFIG: state(2), STRANGER: state(1)}, completely=False)
    assert set(vigil.paths) == {CONFIG, SECRET, STRANGER}
    vigil.took({CONFIG: state(3)}, completely=True)
    assert vigil.paths == (CONFIG,)


def test_a_look_that_began_before_a_reload_decides_nothing() -> None:
    vigil = Vigil(OLD)
    vigil.took({CONFIG: state(3)}, completely=True)
    assert not vigil.look(NEW)
    assert not vigil.look(NEW)


def test_what_changed_while_it_was_read_is_read_again() -> None:
    """Known is the state from before the reading, not that of the look."""
    vigil = Vigil(OLD)
    assert [vigil.look(NEW), vigil.look(NEW)] == [False, True]
    vigil.took(OLD, completely=True)
    assert [vigil.look(NEW), vigil.look(NEW)] == [False, True]


def in_place(path: Path) -> None:
    path.write_text("changed")


def by_rename(path: Path) -> None:
    other = path.with_name("other")
    other.write_text("initial")
    os.utime(other, ns=(0, 0))
    other.rename(path)


def keeping_time_and_size(path: Path) -> None:
    path.write_text("INITIAL")
    os.utime(path, ns=(0, 0))


def permission(path: Path) -> None:
    path.chmod(0o600)


def removal(path: Path) -> None:
    path.unlink()


@pytest.mark.parametrize("change", [in_place, by_rename, keeping_time_and_size, permission, removal])
def test_every_change_shows_in_the_stamp(change: Callable[[Path], None], tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("initial")
    os.utime(path, ns=(0, 0))
    before = stamp(path)
    assert stamp(path) == before
    change(path)
    assert stamp(path) != before


def test_a_swapped_symlink_shows_in_the_stamp(tmp_path: Path) -> None:
    """As Kubernetes does it: the file's own link stays, the folder's link is replaced."""
    for name in ("..1", "..2"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text("same")
        os.utime(tmp_path / name / "file", ns=(0, 0))
    (tmp_path / "..data").symlink_to("..1")
    (tmp_path / "file").symlink_to("..data/file")
    before = stamp(tmp_path / "file")
    (tmp_path / "..data_tmp").symlink_to("..2")
    (tmp_path / "..data_tmp").rename(tmp_path / "..data")
    assert stamp(tmp_path / "file") != before


def test_what_is_not_there_has_no_stamp(tmp_path: Path) -> None:
    assert stamp(tmp_path / "no" / "file") is None
