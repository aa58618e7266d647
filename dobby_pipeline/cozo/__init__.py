"""The store: CozoDB embedded or over http, its Dagster resource and IO manager."""
