"""Names that a language itself brings: keywords, built-in functions, types, exceptions; its own.

Not here: names of the code (reading.py). The lists are those of Pygments' lexers: one lexer a
language, asked about one word at a time.
"""

from functools import cache, lru_cache

from pygments.lexer import Lexer
from pygments.lexers import get_lexer_by_name
from pygments.token import Comment, Keyword, Name, Operator
from pygments.util import ClassNotFound

from dobby_pipeline.quality.reading import word_set
from dobby_pipeline.sources.languages import LANGUAGES

_KINDS = (
    Keyword,
    Operator.Word,
    Name.Builtin,
    Name.Exception,
    Name.Function.Magic,
    Name.Variable.Magic,
)
_LONGEST = 60  # characters of a built-in name: `NSURLErrorFailingURLPeerTrustErrorKey` has 37
_LEXERS = {"tsx": "typescript"}
_READ = frozenset(row.name for row in LANGUAGES)

EVERYWHERE = word_set(
    "true false null nil none undefined nan self this cls super int integer str string bool boolean"
    " float double char byte list dict dictionary map set tuple array object void iterator iterable"
    " callable"
)
"""Names of values and types that every reader knows, whatever the language calls them."""

_JVM = (
    "arithmeticexception arrayindexoutofboundsexception assertionerror classcastexception"
    " classnotfoundexception clonenotsupportedexception concurrentmodificationexception"
    " datetimeexception eofexception error exception executionexception filenotfoundexception"
    " illegalargumentexception illegalstateexception indexoutofboundsexception"
    " interruptedexception ioexception linkageerror negativearraysizeexception"
    " nosuchelementexception nosuchfieldexception nosuchmethodexception nullpointerexception"
    " numberformatexception outofmemoryerror parseexception runtimeexception securityexception"
    " stackoverflowerror throwable timeoutexception uncheckedioexception"
    " unsupportedoperationexception charsequence hashcode tostring equals compareto iterable"
)
_ECMASCRIPT = (
    "valueof tostring tojson hasownproperty constructor prototype typeerror rangeerror syntaxerror"
    " referenceerror aggregateerror promise settimeout setinterval arraybuffer dataview weakmap"
    " weakset bigint symbol iterator generator regexp stringify"
)
_MORE = {
    language: word_set(names)
    for languages, names in {
        "java kotlin scala": _JVM,
        "javascript typescript tsx": _ECMASCRIPT,
        "csharp": "argumentexception argumentnullexception argumentoutofrangeexception exception"
        " formatexception indexoutofrangeexception invalidcastexception invalidoperationexception"
        " ioexception keynotfoundexception notimplementedexception notsupportedexception"
        " nullreferenceexception objectdisposedexception operationcanceledexception"
        " overflowexception timeoutexception idisposable ienumerable gethashcode tostring",
        "cpp": "bad_alloc domain_error exception invalid_argument length_error logic_error"
        " out_of_range overflow_error range_error runtime_error underflow_error unique_ptr"
        " shared_ptr weak_ptr string_view",
        "ruby": "argumenterror indexerror ioerror keyerror nomethoderror notimplementederror"
        " rangeerror runtimeerror standarderror typeerror zerodivisionerror",
    }.items()
    for language in languages.split()
}
"""Exceptions and methods of standard libraries that Pygments' lexers leave out, in lower case."""


@lru_cache(maxsize=4_096)
def is_builtin(language: str, name: str) -> bool:
    """Whether the name is the language's own; only EVERYWHERE for one that Pygments lacks."""
    if name.lower() in EVERYWHERE or name.lower() in _MORE.get(language, ()):
        return True
    lexer = _lexer(language)
    if lexer is None or len(name) > _LONGEST or not name.isidentifier():
        return False
    found = [(kind, text) for kind, text in lexer.get_tokens(name) if text.strip()]
    if len(found) != 1 or found[0][1] != name or found[0][0] in Comment:
        return False
    return any(found[0][0] in kind for kind in _KINDS)


def proper_name(language: str) -> str:
    """What people call the language, such as `C++`; as it stands in records where none is known."""
    if language == "tsx":
        return "TSX"
    lexer = _lexer(language) if language in _READ else None
    return lexer.name if lexer else language


@cache
def _lexer(language: str) -> Lexer | None:
    options = {"startinline": True} if language == "php" else {}
    try:
        return get_lexer_by_name(_LEXERS.get(language, language), **options)
    except ClassNotFound:
        return None
