"""What `sources/` hands to the rest of Dobby: a symbol's record, or a file's ledger row.

Not here: how they are found (extraction.py) or which files are left out (skip_rules.py).
"""

from dataclasses import dataclass

KINDS = frozenset(
    {
        "class",
        "enum",
        "function",
        "interface",
        "macro",
        "method",
        "struct",
        "trait",
        "type",
        "union",
    }
)
"""Every kind that a record can have. A constructor is a method; a Java record is a class."""


@dataclass(frozen=True, slots=True)
class SourceRecord:
    """One symbol as it stands in the commit that was read.

    The code begins at the symbol's decorators, attributes or leading keywords (`export`,
    `template <…>`) and ends at its last byte, a `;` directly behind it included. A comment above
    it belongs to `docstring`, not to `code`, unless it stands between decorators.

    Attributes:
        path: relative to the repository's root, `/` between folders; see git_tree.display_path.
        symbol: qualified name, unique in its file. Of symbols with one name the second in source
            order ends in `#2`, the third in `#3`, so a name stays when lines move.
        kind: one of KINDS.
        language: the name of a row of languages.LANGUAGES.
        start_line: 1-based line of the code's first byte.
        end_line: 1-based line of the code's last byte.
        signature: the code up to its body, without decorators, on one line; cut at 400 characters.
        docstring: Python's docstring, elsewhere the doc comment above, without its markers;
            empty when there is none.
        content_hash: hex SHA-256 of the code's UTF-8 bytes.
        code: the file's exact text from the symbol's first byte to its last.
        inner: (start, end) character offsets into `code` of the bodies of the records nested
            directly in this one, in order, without overlap: what an outline leaves out.
    """

    path: str
    symbol: str
    kind: str
    language: str
    start_line: int
    end_line: int
    signature: str
    docstring: str
    content_hash: str
    code: str
    inner: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class SkippedFile:
    """A file that git lists and that gave no record.

    Attributes:
        path: as in SourceRecord.
        reason: a rule's name from skip_rules.py, `unsupported`, `unparsable` or
            `no_symbols`.
        bytes: the blob's size; 0 for a submodule and for a blob that is not there.
    """

    path: str
    reason: str
    bytes: int
