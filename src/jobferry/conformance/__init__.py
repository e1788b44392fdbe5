"""Suites that certify a backend: subclass one, supply what it asks for, and let pytest collect it.

::

    class TestMyTransport(TransportSuite):
        @pytest.fixture
        def transport(self):
            return MyTransport()

A test module imports the suite's module, not the class itself, or else pytest collects the bare suite too.
"""

from jobferry.conformance.schedulers import SchedulerSuite
from jobferry.conformance.stores import StoreSuite
from jobferry.conformance.transports import TransportSuite

__all__ = ["SchedulerSuite", "StoreSuite", "TransportSuite"]
