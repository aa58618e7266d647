"""What is kept of a file's head: the authors' words about it, and nothing that is about else."""

import pytest

from dobby_pipeline.sources.file_doc import MAX_DOC
from dobby_pipeline.sources.reader import content_of

GO_FUNCTION = "func run() int { return 1 }\n"
LICENCE = "/*\n * Copyright 2020 Somebody.\n *\n * Licensed under a licence.\n */\n"

MARKDOWN = """# Wire

[![b](i.svg)](x)

Reads `all` of the
[wires](u).

## Use

Call it at once.
"""
RST = """Wire
====

.. image:: a.svg
   :target: b

Reads ``all`` of the `wires <u>`_ with :func:`run`.

Use
---

Call it at once.
"""


@pytest.mark.parametrize(
    ("path", "text", "doc"),
    [
        ("a.py", '#!/usr/bin/env python\n"""Reads the wires.\n\nNot here: cuts."""\nx = 1\n',
         "Reads the wires.\n\nNot here: cuts."),
        ("a.py", "# -*- coding: utf-8 -*-\n# Reads all of the wires.\n\nimport os\n",
         "Reads all of the wires."),
        ("a.py", '"""Utilities."""\n', ""),
        ("a.py", 'def f():\n    """Reads all of the wires."""\n', ""),
        ("a.go", f"// Package wire reads all wires.\npackage wire\n\n{GO_FUNCTION}",
         "Package wire reads all wires."),
        ("a.rs", "//! Reads all of the wires.\n\nuse std::fs;\n", "Reads all of the wires."),
        ("A.java", f"{LICENCE}/** Reads all {{@link Wire}} <p>things. */\npackage a;\n",
         "Reads all Wire things."),
        ("a.js", f"{LICENCE}\n// eslint-disable\n\nrun();\n", ""),
        # Directly above a symbol it is the symbol's own.
        ("a.go", f"package wire\n\n// run returns one of them.\n{GO_FUNCTION}", ""),
        ("a.js", "// Gives one of them back.\nfunction one() { return 1 }\n", ""),
        ("a.js", "// Reads all of the wires.\n\n// Gives one back.\nfunction one() { return 1 }\n",
         "Reads all of the wires."),
        ("run.sh", "#!/bin/bash\n# Starts all of the wires.\n\necho hi\n",
         "Starts all of the wires."),
        ("a.php", "<?php\n// Reads all of the wires.\n\nrun();\n", "Reads all of the wires."),
    ],
)  # fmt: skip
def test_the_head_of_code_tells_what_the_file_is_for(path, text, doc):
    assert content_of(path, text.encode()).doc == doc


@pytest.mark.parametrize(
    ("path", "text", "doc"),
    [
        ("README.md", MARKDOWN, "Reads `all` of the wires."),
        ("README.md", "---\ntitle: a b c d\n---\n<p>Some html here</p>\n\nIt reads wires.\n",
         "It reads wires."),
        ("README.md", "- one two three\n- four five six\n\n    code code code\n", ""),
        ("README.rst", RST, "Reads `all` of the wires with `run`."),
        ("README", "Reads all of the wires.\n", "Reads all of the wires."),
        ("data.csv", "one two three four\n", ""),
    ],
)  # fmt: skip
def test_a_text_begins_with_its_first_prose(path, text, doc):
    content = content_of(path, text.encode())
    assert (content.doc, content.reason, content.records) == (doc, "unsupported", ())


def test_a_long_doc_ends_with_a_sentence():
    doc = content_of("README.md", b"It reads wires. " * 1000).doc
    assert 0 < len(doc) <= MAX_DOC
    assert doc.endswith("It reads wires.")


def test_a_secret_in_a_readme_is_redacted_and_counted():
    token = "ghp_" + "a1B2c3D4e5F6g7H8i9J0" + "k1L2m3N4o5P6q7R8"
    content = content_of("README.md", f"Sign in with {token} to see it.\n".encode())
    assert token not in content.doc
    assert "REDACTED" in content.doc
    assert sum(content.redacted.values()) == 1
