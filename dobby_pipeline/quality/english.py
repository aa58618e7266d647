"""Whether a short text is English, by its function words and its letters. No model, no network.

Not here: the rule that refuses what is not (form.py).
"""

import re
from unicodedata import name

from dobby_pipeline.quality.reading import word_set

MIN_ENGLISH_SHARE = 0.15
"""Of the words outside backticks, those in ENGLISH. Stop words are close to half of running English
text, and Gopher's filter (Rae et al. 2021, table A1) asks for two of eight on a page; a summary is
one sentence, often a terse one, so verbs and nouns of documentation count as well. The good
summaries of the calibration set have 0.25 and more, all but two of them a third."""

MAX_OTHER_LETTERS = 0.2
"""Of the letters, those that are not Latin: a formula may have a Greek one."""

MAX_ACCENTED = 0.2
"""Of the words, those with a letter that English has not, two or more: `naïve` may be one. None of
the good summaries of the labelled set has any. It tells languages whose articles are English words,
such as the `a` of Hungarian."""

MIN_FOREIGN = 2
"""Function words of another language from which on they are counted against the English ones."""

FUNCTION_WORDS = word_set(
    "a about above after again all also an and any are as at be because been before being below"
    " between both but by can could did do does doing down during each either every few for from"
    " further given has have having if in into is it its itself just like may more most must no nor"
    " not of off on once one only onto or other otherwise out over own per same shall should since"
    " so some such than that the their them then there these they this those through to too two"
    " under unless until up upon via was were what when where whether which while who whose will"
    " with within without would you your"
)
"""What an English sentence can hardly do without."""

ENGLISH = FUNCTION_WORDS | word_set(
    "add adds allow allows already append applies apply argument arguments array available"
    " based body boolean build builds call called caller calls change changes check checks class"
    " clear close code compare computes compute contain contains contents convert converts copy"
    " corresponding count create creates current data default define defined defines delete"
    " determine determines dictionary element elements empty ensure ensures equal error"
    " exception existing extract false field file files find finds first following format found"
    " function generate generates get gets handle handles helper implement implements index"
    " initialize input insert instance invoke item items key keys last length list load make"
    " makes map match matches maximum method minimum modify multiple name names new next node"
    " nodes number object objects open optional output pair parameter parameters parse parses"
    " pass passed path perform performs possible print process produce provide provided provides"
    " put raise raises random read reads remove removes replace represent representation"
    " representing request reset resolve result results return returned returning returns run"
    " runs search second send sends sequence serialize set sets show simple single size sort"
    " source specified split start state stop store stores string support take takes target test"
    " tests text throw throws time transform true try type types update updates use used user"
    " uses using valid validate value values variable verify whole wrap wraps write writes yield"
    " yields"
)
"""The same and the most frequent words of documentation."""

_FOREIGN = {
    language: word_set(words)
    for language, words in {
        "German": "der das den dem ein eine einer einen eines und oder nicht mit von zu auf für ist"
        " wird werden gibt zurück wenn aus sich auch über bei zum zur diese dieser funktion",
        "French": "le la les des une et ou est dans pour avec qui que sur par pas ne au aux cette"
        " ce cet du renvoie retourne fonction si en son sa",
        "Spanish": "el los las una y o es en para con que por no se del al este esta si su un lo"
        " devuelve función como sin",
        "Italian": "il lo gli una e o è nel per con che di da non si del della dei questa questo"
        " se un le restituisce funzione",
        "Portuguese": "os as uma e ou é em para com que por não se do da dos esta este um ao na no"
        " retorna devolve função",
        "Dutch": "de het een en of niet met van voor is wordt als naar op deze dit geeft terug"
        " functie aan bij uit",
    }.items()
}
_WORD = re.compile(r"[^\W\d_]+(?:'[a-z]+)?")
_FEW = 4
"""Words from which on a share is counted."""


def language_reason(text: str) -> str | None:
    """Why the text is not English, or None.

    Args:
        text: without code.
    """
    words = [word.lower() for word in _WORD.findall(text)]
    letters = "".join(words)
    other = sum(map(_is_other_script, letters))
    if letters and other / len(letters) > MAX_OTHER_LETTERS:
        return f"{other / len(letters):.0%} of the letters are not Latin"
    if len(words) < _FEW:
        return None
    accented = sum(any("\u00c0" <= letter <= "\u024f" for letter in word) for word in words)
    if accented > 1 and accented / len(words) > MAX_ACCENTED:
        return f"{accented} of {len(words)} words have letters that English has not"
    function_words = sum(word in FUNCTION_WORDS for word in words)
    for language, own in _FOREIGN.items():
        foreign = sum(word in own and word not in FUNCTION_WORDS for word in words)
        if foreign >= MIN_FOREIGN and foreign > function_words:
            return f"{foreign} function words of {language}, {function_words} of English"
    share = sum(word in ENGLISH for word in words) / len(words)
    if share < MIN_ENGLISH_SHARE:
        return f"{share:.0%} of the words are common English, at least {MIN_ENGLISH_SHARE:.0%}"
    return None


def _is_other_script(letter: str) -> bool:
    return letter > "\u024f" and not name(letter, "").startswith("LATIN")
