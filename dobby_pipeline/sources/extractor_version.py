"""The version of all that makes records of a file's content.

Not here: what is made (reader.py). The processes that read files need not work it out.
"""

from dobby_pipeline.sources.languages import grammars_fingerprint
from dobby_pipeline.sources.secrets import redaction_fingerprint

_RULES_VERSION = 5  # raise it when the same file would give other records, or edges

EXTRACTOR_VERSION = f"{_RULES_VERSION}-{grammars_fingerprint()}-{redaction_fingerprint()}"
"""Changes whenever the same blob may give other records or redactions: then cached ones lapse."""
