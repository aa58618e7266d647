"""What `sources/` hands to the rest of Dobby: listed files, and what each one's content gives.

Not here: how they are found (extraction.py) or which files are left out (skip_rules.py).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

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

UNREADABLE = "unreadable"
"""The reason of a file whose content is not there or damaged: it may be there another time."""

UNPARSABLE = "unparsable"
"""The reason of a file whose text a grammar cannot read, or not within bounds."""

REFERENCE_KINDS = ("call", "import")
"""The kinds of reference that are read from code."""


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
        name: the symbol's own name without what encloses it: what a caller writes.
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
        parts: (start, end) character offsets into `code` of the pieces in which a large symbol
            is read, in order, together the whole of it; empty where one piece is enough.
    """

    path: str
    symbol: str
    name: str
    kind: str
    language: str
    start_line: int
    end_line: int
    signature: str
    docstring: str
    content_hash: str
    code: str
    inner: tuple[tuple[int, int], ...] = ()
    parts: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Reference:
    """A name that code calls or imports, as often as it stands there.

    Attributes:
        symbol: the innermost record around it; empty for the file itself.
        kind: `call` or `import`; a foreign database brings its own kinds.
        name: the last part of the name as written: `get` for `requests.api.get(…)`.
        count: how often.
    """

    symbol: str
    kind: str
    name: str
    count: int = 1


@dataclass(frozen=True, slots=True)
class ListedFile:
    """A file that a source lists, before its content is looked at.

    Attributes:
        path: see git_tree.display_path.
        blob: identifies the content: two files of one blob and one suffix give the same records.
        bytes: the content's size; 0 for a submodule and for a blob that is not there.
        reason: why it is left out, where that is known by now; otherwise empty.
    """

    path: str
    blob: str
    bytes: int
    reason: str = ""


@dataclass(frozen=True, slots=True)
class FileContent:
    """What a file's content gives: records, or the reason why it gives none.

    Attributes:
        language: whose grammar read it, empty where none did.
        redacted: secrets taken out before anything was made of the content, counted by kind.
        doc: what the authors say about the file as a whole; a text file gives its beginning.
    """

    records: tuple[SourceRecord, ...] = ()
    reason: str = ""
    language: str = ""
    references: tuple[Reference, ...] = ()
    redacted: Mapping[str, int] = field(default_factory=dict[str, int])
    doc: str = ""


class Source(Protocol):
    """Something that source records are read from, at one state of it."""

    @property
    def version(self) -> str:
        """What to call this state: a commit id, or a hash of the content."""
        ...

    @property
    def content(self) -> str:
        """Identifies what can be read: equal for two states that hold the same."""
        ...

    @property
    def portable(self) -> bool:
        """Whether a pickled copy reads the same in another process of this machine."""
        ...

    def files(self) -> Iterator[ListedFile]:
        """Every file once; for git in the order of `git ls-tree -r`.

        Raises:
            SourceError: while iterating, when the listing cannot be read to its end.
        """
        ...

    def read(self, file: ListedFile) -> FileContent:
        """One file's content. What cannot be read is a reason, not an error."""
        ...
