"""The `dobby` command."""
