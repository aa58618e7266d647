"""The languages that Dobby reads: one row each, its definitions in queries/*.scm.

Not here: running a query (captures.py) and naming what it finds (extraction.py). A further
language is one row, one query file and one grammar in pyproject.toml.

A query file names what a record is with these captures:
  a kind of records.KINDS   the symbol's whole node; a `function` directly in a type is a `method`
  @scope, @impl             no record, but part of the names inside; @impl counts as a type
  @name                     the symbol's own name; or `(#set! name "…")` where it has none
  @declarator               instead of @name: C's declarator, which wraps the name
  @receiver                 the type in front of the name, written outside it
  @implements               of an @impl: the trait, so that each implementation has its own name
  @body                     what the signature and an outline leave out
  @keyword, @decoration     belongs to the symbol that follows; only keywords to its signature
  @comment, @docstring      where docs come from
Where two patterns match the same node the one written first counts.

Beside it lies NAME.refs.scm, which says what code refers to:
  @call                     what is called or constructed; captures.py finds the end of its name
  @import                   what is imported, or the module where that is imported as a whole
Captures that begin with `_` serve predicates. A pattern must be decided at its node's first child
that can nest: while it waits for what follows, each level of nesting waits too, and the time grows
with the square of the depth.
"""

import hashlib
import importlib
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import tree_sitter

_QUERIES = Path(__file__).parent / "queries"

# Comments addressed to a tool rather than a reader.
_DIRECTIVES = r"eslint|prettier|biome|istanbul|c8|@ts-|[@#]__|NOLINT|clang-format|IWYU"
_ANY_COMMENT = rf"/[/*](?![/*]*\s*(?:{_DIRECTIVES}))"
_GO_COMMENT = r"//(?!go:|nolint|\s*\+build)|/\*"
_JAVADOC = r"/\*\*"
_RUSTDOC = r"///(?!/)|/\*\*(?![*/])"
_RUBY_COMMENT = (
    r"=begin|#(?!!|\s*(?:-\*-|(?:en)?coding:|frozen_string_literal:|warn_indent:|typed:|rubocop:"
    r"|standard:|steep:|:nocov:|:nodoc:))"
)
_SHELL_COMMENT = r"#(?!!|\s*(?:-\*-|shellcheck\s|vim?:|ex:))"


@dataclass(frozen=True)
class Language:
    """One row.

    Attributes:
        name: as it stands in records.
        extensions: lower case, with the dot.
        grammar: module of the grammar's wheel and the function in it.
        queries: names of files in queries/, joined in this order; each has a `.refs.scm` too.
        separator: between the parts of a qualified name.
        doc_comment: regular expression at the start of a comment that documents what follows;
            empty where only docstrings do.
        filenames: whole names that have no telling extension.
    """

    name: str
    extensions: tuple[str, ...]
    grammar: tuple[str, str]
    queries: tuple[str, ...]
    separator: str = "."
    doc_comment: str = _ANY_COMMENT
    filenames: tuple[str, ...] = ()


LANGUAGES = (
    Language(
        name="python",
        extensions=(".py", ".pyi", ".pyw"),
        grammar=("tree_sitter_python", "language"),
        queries=("python",),
        doc_comment="",
        filenames=("SConstruct", "SConscript", "wscript"),
    ),
    Language(
        name="javascript",
        extensions=(".js", ".mjs", ".cjs", ".jsx"),
        grammar=("tree_sitter_javascript", "language"),
        queries=("ecmascript", "javascript", "jsx"),
    ),
    Language(
        name="typescript",
        extensions=(".ts", ".mts", ".cts"),
        grammar=("tree_sitter_typescript", "language_typescript"),
        queries=("ecmascript", "typescript"),
    ),
    Language(
        name="tsx",
        extensions=(".tsx",),
        grammar=("tree_sitter_typescript", "language_tsx"),
        queries=("ecmascript", "typescript", "jsx"),
    ),
    Language(
        name="rust",
        extensions=(".rs",),
        grammar=("tree_sitter_rust", "language"),
        queries=("rust",),
        separator="::",
        doc_comment=_RUSTDOC,
    ),
    Language(
        name="go",
        extensions=(".go",),
        grammar=("tree_sitter_go", "language"),
        queries=("go",),
        doc_comment=_GO_COMMENT,
    ),
    Language(
        name="java",
        extensions=(".java",),
        grammar=("tree_sitter_java", "language"),
        queries=("java",),
        doc_comment=_JAVADOC,
    ),
    Language(
        name="c",
        extensions=(".c", ".h"),
        grammar=("tree_sitter_c", "language"),
        queries=("c",),
    ),
    Language(
        name="cpp",
        extensions=(".cc", ".cpp", ".cxx", ".c++", ".hh", ".hpp", ".hxx", ".h++", ".inl", ".ipp"),
        grammar=("tree_sitter_cpp", "language"),
        queries=("cpp", "c"),
        separator="::",
    ),
    Language(
        name="kotlin",
        extensions=(".kt", ".kts"),
        grammar=("tree_sitter_kotlin", "language"),
        queries=("kotlin",),
        doc_comment=_JAVADOC,
    ),
    Language(
        name="csharp",
        extensions=(".cs",),
        grammar=("tree_sitter_c_sharp", "language"),
        queries=("csharp",),
        doc_comment=_RUSTDOC,
    ),
    Language(
        name="swift",
        extensions=(".swift",),
        grammar=("tree_sitter_swift", "language"),
        queries=("swift",),
        doc_comment=_RUSTDOC,
    ),
    Language(
        name="scala",
        extensions=(".scala", ".sc"),
        grammar=("tree_sitter_scala", "language"),
        queries=("scala",),
        doc_comment=_JAVADOC,
    ),
    Language(
        name="ruby",
        extensions=(".rb", ".rake", ".gemspec"),
        grammar=("tree_sitter_ruby", "language"),
        queries=("ruby",),
        # Of classes, of their own methods and of their instances' alike: `#` tells repeated names.
        separator="::",
        doc_comment=_RUBY_COMMENT,
        filenames=("Rakefile", "Gemfile"),
    ),
    Language(
        name="php",
        extensions=(".php", ".phtml"),
        grammar=("tree_sitter_php", "language_php"),
        queries=("php",),
        separator="::",
        doc_comment=_JAVADOC,
    ),
    Language(
        name="bash",
        extensions=(".sh", ".bash"),
        grammar=("tree_sitter_bash", "language"),
        queries=("bash",),
        # Names of functions may hold `.` and `::`.
        separator="/",
        doc_comment=_SHELL_COMMENT,
    ),
)

_BY_NAME = {row.name: row for row in LANGUAGES}
_BY_EXTENSION = {extension: row for row in LANGUAGES for extension in row.extensions}
_BY_FILENAME = {filename: row for row in LANGUAGES for filename in row.filenames}
_BY_OTHER_NAME = {"c#": "csharp", "golang": "go", "shell": "bash", "c++": "cpp"}
_CPP_LINE = re.compile(rb"^\s*(?:class|namespace|template|using|public:|private:)", re.MULTILINE)

# The program, directly or behind `env` and its options, as in `#!/usr/bin/env -S python3 -u`.
_SHEBANG = re.compile(
    rb"#![ \t]*(?:\S*/)?(?:env[ \t]+(?:-\S*[ \t]+)*(?:\S*/)?)?(sh|bash|python|ruby)[0-9.]*(?:\s|$)"
)

# What bash-completion and others write where a file is read by a shell that runs already.
_SHELL_MODE = re.compile(rb"#.*-\*-[ \t]*(?:mode:[ \t]*)?(?:shell-script|sh)\b")


def language_of(path: str, data: bytes) -> Language | None:
    """The row for a file, by its name; for `.h` and without an extension by its content as well.

    A `.h` file is C++ when a line of it starts with a word that C does not have, C otherwise.
    A file without an extension is of the language of the program in its `#!` line, or of the
    shell when its first line says so to Emacs.
    """
    filename = path.rpartition("/")[2]
    extension = suffix_of(path)
    if extension == ".h" and _CPP_LINE.search(data):
        return _BY_NAME["cpp"]
    row = _BY_FILENAME.get(filename) or _BY_EXTENSION.get(extension)
    if row is not None or extension != filename:
        return row
    program = _SHEBANG.match(data)
    name = program[1].decode() if program else "sh" if _SHELL_MODE.match(data) else ""
    return _BY_NAME.get("bash" if name == "sh" else name)


def language_named(name: str) -> Language | None:
    """The row that a person means: by its name in any case, another usual one, or an extension."""
    name = name.strip().lower()
    name = _BY_OTHER_NAME.get(name, name)
    return _BY_NAME.get(name) or _BY_EXTENSION.get(f".{name.removeprefix('.')}")


def suffix_of(path: str) -> str:
    """What of a path decides how its content is read: the extension, else the whole file name."""
    filename = path.rpartition("/")[2]
    stem, dot, ending = filename.rpartition(".")
    return dot + ending.lower() if stem else filename


@cache
def grammar(language: Language) -> tree_sitter.Language:
    """The row's grammar, imported when its first file is met."""
    module, function = language.grammar
    pointer: object = getattr(importlib.import_module(module), function)()
    return tree_sitter.Language(pointer)


@cache
def query(language: Language) -> tree_sitter.Query:
    """The row's query, compiled: for symbols first, then for references.

    It is one because walking the tree takes four fifths of a query's time.
    """
    texts = (_query_text(language, ending) for ending in (".scm", ".refs.scm"))
    return tree_sitter.Query(grammar(language), "\n".join(texts))


def grammars_fingerprint() -> str:
    """A short hash of all rows, their queries and their grammars' versions."""
    from importlib.metadata import version  # what only reads files does not ask

    digest = hashlib.sha256(version("tree-sitter").encode())
    for row in LANGUAGES:
        grammar_version = version(row.grammar[0].replace("_", "-"))
        digest.update(f"{row}{grammar_version}".encode())
        digest.update(_query_text(row, ".scm").encode())
        digest.update(_query_text(row, ".refs.scm").encode())
    return digest.hexdigest()[:12]


def _query_text(language: Language, ending: str) -> str:
    files = [_QUERIES / f"{name}{ending}" for name in language.queries]
    return "\n".join(file.read_text("utf-8") for file in files)
