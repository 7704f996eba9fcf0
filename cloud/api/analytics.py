"""/api/analytics: figures of a period. production/analytics.py says what each of them means."""

from collections.abc import AsyncIterator, Sequence

from msgspec import Struct
from starlette.responses import Response

from cloud.api.collection import csv_response
from cloud.api.kit import Call, Endpoint
from cloud.api.shapes import When
from cloud.production import analytics
from cloud.production.analytics import DayFigures, Summary


class PeriodQuery(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename={"start": "from", "end": "to"}):
    """By default the 30 days up to now; 1100 days at most."""

    start: When | None = None
    end: When | None = None
    """Before this day or moment."""


class AnalyticsApi:
    """Endpoints about figures."""

    def endpoints(self) -> list[Endpoint]:
        csv = {"text/csv": {"type": "string"}}
        return [
            Endpoint("GET", "/api/analytics/summary", self.summary),
            Endpoint("GET", "/api/analytics/days.csv", self.days, answers=csv),
        ]

    async def summary(self, call: Call, query: PeriodQuery) -> Summary:
        """What was printed in a period, how well, on which printer, of what; and what is in stock.

        A job counts in the period in which it ended. Days are UTC.
        """
        period = analytics.period_of(query.start, query.end)
        return await call.store.read(lambda tx: analytics.summary(tx, period))

    async def days(self, call: Call, query: PeriodQuery) -> Response:
        """A period day by day, as CSV."""
        period = analytics.period_of(query.start, query.end)
        days = await call.store.read(lambda tx: analytics.days(tx, period))
        return csv_response("analytics", DayFigures, _each(days))


async def _each(days: Sequence[DayFigures]) -> AsyncIterator[DayFigures]:
    for day in days:
        yield day
