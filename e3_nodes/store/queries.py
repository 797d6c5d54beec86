"""Named SQL: one block a question, in ``sql/<dialect>/*.sql``."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

SQL_FOLDER = Path(__file__).parent / "sql"
_NAME = re.compile(r"^-- name: (\w+)$", re.MULTILINE)


def load_queries(dialect: str) -> dict[str, str]:
    """Read every named block of a dialect.

    Args:
        dialect: The folder under ``sql/``.

    Returns:
        SQL text by name, without comments and the closing semicolon.

    Examples:
        >>> load_queries("sqlite")["holds_lease"].split()[:2]
        ['SELECT', '1']
    """
    texts = [path.read_text(encoding="utf-8") for path in query_files(dialect)]
    return {name: sql for text in texts for name, sql in named_blocks(text)}


def query_files(dialect: str) -> list[Path]:
    """List the files of named blocks, in order; numbered files are migrations."""
    return sorted(path for path in (SQL_FOLDER / dialect).glob("*.sql") if not path.name[0].isdigit())


def migration_files(dialect: str) -> list[Path]:
    """List the migrations, oldest first."""
    return sorted((SQL_FOLDER / dialect).glob("[0-9]*.sql"))


def named_blocks(text: str) -> Iterator[tuple[str, str]]:
    """Split a file into names and statements.

    Examples:
        >>> list(named_blocks("-- name: one\\n-- Why.\\nSELECT 1;\\n"))
        [('one', 'SELECT 1')]
    """
    parts = _NAME.split(text)
    for name, body in zip(parts[1::2], parts[2::2], strict=True):
        lines = [line for line in body.splitlines() if not line.startswith("--")]
        yield name, "\n".join(lines).strip().removesuffix(";")
