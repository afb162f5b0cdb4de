"""Moves a store from SQLite to PostgreSQL: `copying` goes from `source` to `target`."""
