"""What the tests of calls share."""

import pytest
from wire import Server


@pytest.fixture
def server():
    server = Server()
    yield server
    server.http.shutdown()
    server.http.server_close()
