"""A repository in, source records and skip-ledger rows out."""
