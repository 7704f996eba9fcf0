"""Alembic's entry point. The runner hands over a connection that is already inside the locked transaction."""

from alembic import context

from cloud.storage.tables import metadata

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=metadata,
    transactional_ddl=True,  # SQLite can, when the driver is kept from committing behind our back (runner.py)
    render_as_batch=connection.dialect.name == "sqlite",
)
with context.begin_transaction():
    context.run_migrations()
