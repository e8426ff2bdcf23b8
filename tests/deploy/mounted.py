"""A volume of Kubernetes on this machine: files behind symlinks, all of them replaced by one swap, as the kubelet does."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import count
from pathlib import Path

_VERSIONS = count(1)


@dataclass
class Volume:
    """`folder/name` leads to `folder/..data/name`, and `folder/..data` to the newest version."""

    folder: Path
    mode: int = 0o644

    def put(self, files: Mapping[str, str]) -> None:
        """Show these files and no others, in one step."""
        self.folder.mkdir(exist_ok=True)
        version = self.folder / f"..version-{next(_VERSIONS)}"
        version.mkdir()
        for name, text in files.items():
            (version / name).write_text(text)
            (version / name).chmod(self.mode)
        swapped, newest = self.folder / "..data_tmp", self.folder / "..data"
        older = newest.resolve()
        swapped.symlink_to(version.name)
        swapped.rename(newest)
        if older != newest:
            shutil.rmtree(older)
        for name in files:
            if not (self.folder / name).is_symlink():
                (self.folder / name).symlink_to(Path("..data") / name)
