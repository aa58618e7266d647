"""The gate on each summary, and the asset checks on each repository."""
