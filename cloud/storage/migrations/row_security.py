"""Row level security: on PostgreSQL the second wall between tenants, behind the statements' own `tenant_id`.

A transaction says whom it works for (store.py); rows of others do not exist for it. Saying nothing shows nothing.
SQLite has no such thing.
"""

from alembic import op

from cloud.storage.store import ANY_TENANT, TENANT_SETTING

_MINE = f"current_setting('{TENANT_SETTING}', true)"


def protect(*tables: str) -> None:
    """In a migration: protect these tables, each of which has a column `tenant_id`."""
    if op.get_bind().dialect.name != "postgresql":
        return
    for table in tables:
        rule = f"({_MINE} IN (tenant_id, '{ANY_TENANT}'))"
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")  # also for the owner, which we are
        op.execute(f"CREATE POLICY tenant ON {table} USING {rule} WITH CHECK {rule}")
