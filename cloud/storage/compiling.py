"""SQLAlchemy statements to SQL text and positional arguments, each shape of statement compiled once."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy.engine.interfaces import Dialect
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.dml import UpdateBase
from sqlalchemy.util import LRUCache

CACHED_STATEMENTS = 500

Processor = Callable[[Any], Any]


class Prepared(msgspec.Struct, frozen=True):
    """A statement ready for the driver."""

    sql: str
    args: Sequence[Any]
    columns: Sequence[tuple[str, Processor | None]]

    def shape(self, names: Sequence[str], row: Sequence[Any]) -> dict[str, Any]:
        """A driver's row as a dict, with booleans as booleans; `names` serve where SQLAlchemy knows no columns."""
        if not self.columns:
            return dict(zip(names, row, strict=True))
        return {
            name: value if process is None else process(value)
            for (name, process), value in zip(self.columns, row, strict=True)
        }


class Compiler:
    """Compiles for one dialect. Compilation costs more than a point read, hence the cache."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._compiled: LRUCache[Any, SQLCompiler] = LRUCache(CACHED_STATEMENTS)

    def one(self, statement: Any) -> Prepared:
        key = statement._generate_cache_key()
        compiled = None if key is None else self._compiled.get(key.key)
        if compiled is None:
            compiled = statement.compile(dialect=self._dialect, cache_key=key) if key else self._plain(statement)
            if key is not None:
                self._compiled[key.key] = compiled
        values = compiled.construct_params(extracted_parameters=key.bindparams if key else None, escape_names=False)
        expanded = compiled._process_parameters_for_postcompile(values)
        processors = {**compiled._bind_processors, **expanded.processors}
        named = {**values, **expanded.additional_parameters}
        order = expanded.positiontup or ()
        args = [_processed(processors.get(name), named[name]) for name in order]
        return Prepared(expanded.statement, args, self._columns(compiled))

    def many(self, statement: UpdateBase, rows: Sequence[Mapping[str, Any]]) -> tuple[str, list[list[Any]]]:
        """Text and arguments for the driver's executemany."""
        compiled: Any = statement.compile(dialect=self._dialect, column_keys=list(rows[0]))
        processors = compiled._bind_processors
        order = compiled.positiontup
        args = []
        for row in rows:
            values = compiled.construct_params(row)
            args.append([_processed(processors.get(name), values[name]) for name in order])
        return compiled.string, args

    def _plain(self, statement: Any) -> Any:
        return statement.compile(dialect=self._dialect)

    def _columns(self, compiled: Any) -> list[tuple[str, Processor | None]]:
        return [
            (str(entry.keyname), entry.type._cached_result_processor(self._dialect, None))
            for entry in compiled._result_columns
        ]


def _processed(processor: Any, value: Any) -> Any:
    return value if processor is None else processor(value)
