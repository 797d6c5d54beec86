"""Nothing but SQLite opens the database files: one open and close beside it has lost committed rows (F28)."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

ENGINE = Path(__file__).parents[2] / "e3_nodes"
AUDITED = """
import runpy, sys
opened = []
def hook(event, args):
    if event in ("open", "os.rename", "os.remove", "os.link", "shutil.copyfile") and ".sqlite3" in str(args[0]):
        opened.append((event, str(args[0])))
sys.addaudithook(hook)
sys.argv = sys.argv[1:]
try:
    runpy.run_path(sys.argv[0], run_name="__main__")
except SystemExit as end:
    assert end.code == 0, end.code
print(opened)
"""


def test_database_door_is_sqlite_alone(tmp_path: Path) -> None:
    script = Path(__file__).with_name("one_job.py")

    done = subprocess.run(
        [sys.executable, "-c", AUDITED, str(script), str(tmp_path / "scene")],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "[]"


def test_database_door_is_one_module() -> None:
    importers = {
        str(path.relative_to(ENGINE).as_posix())
        for path in ENGINE.rglob("*.py")
        if "bench" not in path.parts  # it measures SQLite on tables of its own
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if (isinstance(node, ast.Import) and any(alias.name == "sqlite3" for alias in node.names))
        or (isinstance(node, ast.ImportFrom) and node.module == "sqlite3")
    }
    connecting = {name for name in importers if "sqlite3.connect" in (ENGINE / name).read_text("utf-8")}

    assert connecting == {"store/opening.py", "store/search_index.py"}  # the latter its own file
