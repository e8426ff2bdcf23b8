"""How commands find the running proxy; and whom they do not believe."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from proxy.operating import NotFound, chosen
from proxy.whereabouts import Whereabouts, folders, running, told

HERE = Whereabouts(os.getpid(), "/etc/authproxy.yaml", "127.0.0.1:9180", "CANARY-admin-token")
DEAD = 2**22 + 1  # Beyond the largest process number of Linux.


def test_a_proxy_is_found_as_long_as_it_runs(tmp_path: Path) -> None:
    places = (tmp_path / "authproxy",)
    with told(HERE, places) as is_told:
        assert is_told
        assert running(places) == (HERE,)
    assert running(places) == ()
    assert list(places[0].iterdir()) == []


def test_nobody_else_can_read_where_it_is(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        with told(HERE, (tmp_path / "authproxy",)):
            [path] = (tmp_path / "authproxy").iterdir()
            assert path.stat().st_mode & 0o777 == 0o600
            assert path.parent.stat().st_mode & 0o777 == 0o700
    finally:
        os.umask(before)
    assert "CANARY" not in repr(HERE)


@pytest.mark.parametrize("obstacle", ["nothing above", "a file", "others may write", "a symlink"])
def test_a_place_that_cannot_be_trusted_is_passed_over(obstacle: str, tmp_path: Path) -> None:
    place, good = tmp_path / "place", tmp_path / "good"
    match obstacle:
        case "nothing above":
            place = tmp_path / "none" / "place"
        case "a file":
            place.write_text("")
        case "others may write":
            place.mkdir()
            place.chmod(0o777)
        case _:
            (tmp_path / "target").mkdir(mode=0o700)
            place.symlink_to(tmp_path / "target")
    with told(HERE, (place, good)):
        assert running((place,)) == ()
        assert running((good,)) == (HERE,)
    with told(HERE, (place,)) as is_told:
        assert not is_told


@pytest.mark.parametrize("trick", ["others could read", "a symlink", "not json", "other fields", "dead"])
def test_a_file_that_a_proxy_would_not_have_left_is_not_believed(trick: str, tmp_path: Path) -> None:
    content = {"pid": os.getpid(), "config": "/c", "admin": "127.0.0.1:1", "token": "t"}
    if trick == "other fields":
        content["more"] = "x"
    if trick == "dead":
        content["pid"] = DEAD
    path = tmp_path / "1.json"
    path.write_text("{" if trick == "not json" else json.dumps(content))
    path.chmod(0o644 if trick == "others could read" else 0o600)
    if trick == "a symlink":
        path.rename(tmp_path / "target")
        path.symlink_to(tmp_path / "target")
    assert running((tmp_path,)) == ()


def test_what_killed_proxies_left_behind_is_swept_away(tmp_path: Path) -> None:
    (tmp_path / f"{DEAD}.json").write_text("{}")
    (tmp_path / "notes.json").write_text("{}")
    with told(HERE, (tmp_path,)):
        assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["notes.json", f"{os.getpid()}.json"])


def test_the_users_runtime_folder_comes_first() -> None:
    assert folders({"XDG_RUNTIME_DIR": "/run/user/7", "TMPDIR": "/t"}) == (
        Path("/run/user/7/authproxy"), Path("/run/authproxy"), Path(f"/t/authproxy-{os.geteuid()}"),
    )  # fmt: skip
    assert folders({"XDG_RUNTIME_DIR": "relative"})[0] == Path("/run/authproxy")


def test_the_one_that_is_meant_is_chosen() -> None:
    other = Whereabouts(2, "/home/me/authproxy.yaml", "127.0.0.1:9280", "t")
    assert chosen([HERE], None, None) is HERE
    assert chosen([HERE, other], None, "127.0.0.1:9280") is other
    assert chosen([HERE, other], Path("/etc/authproxy.yaml"), None) is HERE
    with pytest.raises(NotFound, match=r"name one:(.|\n)*9180(.|\n)*9280"):
        chosen([HERE, other], None, None)
    for config, admin in ((Path("/none"), None), (None, "127.0.0.1:1"), (Path("/etc/authproxy.yaml"), other.admin)):
        with pytest.raises(NotFound, match="no such proxy"):
            chosen([HERE, other], config, admin)
    with pytest.raises(NotFound, match="no such proxy"):
        chosen([], None, None)


@pytest.mark.parametrize(
    ("admin", "link"),
    [
        ("127.0.0.1:9180", "http://127.0.0.1:9180/#token=CANARY-of-the-link"),
        ("0.0.0.0:9180", "http://127.0.0.1:9180/#token=CANARY-of-the-link"),
        ("[::]:9180", "http://[::1]:9180/#token=CANARY-of-the-link"),
        ("unix:/run/authproxy/admin.sock", None),
    ],
)
def test_the_link_to_the_status_page_has_its_token_where_no_request_holds_it(admin: str, link: str | None) -> None:
    here = Whereabouts(1, "/etc/authproxy/config.yaml", admin, "CANARY-of-the-link")
    assert here.page == link
    assert "CANARY" not in repr(here)
