"""Bringing a database to the tables of this version: forward only, in one transaction, under a lock."""

from cloud.storage.migrations.runner import applied, head, migrate

__all__ = ["applied", "head", "migrate"]
