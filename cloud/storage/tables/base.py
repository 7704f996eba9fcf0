"""What all tables are made with.

Rules: ids and times are TEXT (ids.py, clock.py), JSON is TEXT encoded with msgspec, every row of a tenant has
tenant_id, and foreign keys between such rows contain it, so that no row can point across tenants. A row that people
edit has a version, which every change raises: it is what an ETag names.
"""

from typing import Any

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    Float,
    ForeignKey,
    ForeignKeyConstraint,
    Integer,
    MetaData,
    Text,
    text,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def id_column() -> Column[str]:
    return Column("id", Text, primary_key=True)


def words(name: str, **options: Any) -> Column[str]:
    return Column(name, Text, nullable=False, **options)


def maybe_words(name: str) -> Column[str]:
    return Column(name, Text, nullable=True)


def number(name: str, default: int = 0) -> Column[int]:
    return Column(name, Integer, nullable=False, server_default=text(str(default)))


def maybe_number(name: str) -> Column[int]:
    return Column(name, Integer, nullable=True)


def maybe_float(name: str) -> Column[float]:
    return Column(name, Float, nullable=True)


def flag(name: str, default: bool) -> Column[bool]:
    return Column(name, Boolean, nullable=False, server_default=text("true" if default else "false"))


def version() -> Column[int]:
    return number("version", 1)


def legacy() -> Column[str]:
    """JSON: what a migrated row of the old system held that has no column here; NULL for rows made here."""
    return maybe_words("legacy")


def tenant() -> Column[str]:
    return Column("tenant_id", Text, ForeignKey("tenants.id"), nullable=False)


def within_tenant(column: str, target: str, **options: Any) -> ForeignKeyConstraint:
    """A reference that cannot leave the tenant.

    It has no ON DELETE SET NULL, which would take tenant_id along: who deletes a row lets go of it first.
    """
    return ForeignKeyConstraint(["tenant_id", column], [f"{target}.tenant_id", f"{target}.id"], **options)


def listed(names: tuple[str, ...]) -> str:
    return ", ".join(f"'{name}'" for name in names)


def one_of(column: str, names: tuple[str, ...]) -> CheckConstraint:
    return CheckConstraint(f"{column} IN ({listed(names)})", name=column)


def not_negative(*columns: str) -> list[CheckConstraint]:
    return [CheckConstraint(f"{column} >= 0", name=column) for column in columns]
