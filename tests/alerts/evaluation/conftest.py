"""The engine of the query room's tests."""

from tests.query.conftest import engine as engine
