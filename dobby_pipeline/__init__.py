"""Dobby: code repositories in, summaries that can be trusted out.

Nothing is imported here: showing the asset graph must not cost the import of mlx or pandas.
"""
