"""A copy of the tree that may be broken, and a worker in it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any

ROOT = Path(__file__).resolve().parents[2]


class BrokenTree(AbstractContextManager["BrokenTree"]):
    """Everything that git tracks or would, as it is in the working tree, and one process that runs tests there."""

    def __init__(self) -> None:
        self._folder = TemporaryDirectory(prefix="mutants-")
        self.root = Path(self._folder.name) / "tree"
        listed = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=ROOT, capture_output=True, text=True, check=True,
        ).stdout.split("\0")  # fmt: skip
        for name in filter(None, listed):
            if (ROOT / name).is_file():
                (self.root / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, self.root / name)
        # Tests that start `python -m proxy` shall start the broken one.
        environment = {**os.environ, "PYTHONPATH": str(self.root)}
        self._worker = subprocess.Popen(
            [sys.executable, "-m", "tests.mutants.worker", self._folder.name],
            cwd=self.root, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._worker.stdin is not None and self._worker.stdout is not None
        self._worker.stdin.close()
        self._worker.wait(60)
        self._worker.stdout.close()
        self._folder.cleanup()

    def do(self, kind: str, **job: Any) -> dict[str, Any]:
        """Have the worker do one job as the tree stands now."""
        assert self._worker.stdin is not None and self._worker.stdout is not None
        print(json.dumps({"kind": kind, **job}), file=self._worker.stdin, flush=True)
        answer: dict[str, Any] = json.loads(self._worker.stdout.readline())
        return answer

    @contextmanager
    def serving(self, module: str, files: Sequence[str]) -> Iterator[None]:
        """Inside, jobs `swap` are done to a module, and on the collected tests of these files."""
        self.do("serve", path=str(self.root / module), files=files)
        try:
            yield
        finally:
            self.do("end")

    @contextmanager
    def broken(self, module: str, source: str) -> Iterator[None]:
        """Inside, a module has another source: for whatever is imported, and for processes that tests start."""
        path = self.root / module
        original = path.read_text()
        compiled = path.parent / "__pycache__"
        for old in compiled.glob(f"{path.stem}.*.pyc") if compiled.is_dir() else ():
            old.unlink()
        path.write_text(source)
        try:
            yield
        finally:
            path.write_text(original)
