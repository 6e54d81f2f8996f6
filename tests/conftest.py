"""What every test starts from: no sockets, no keys, the same random examples each time in CI."""

from __future__ import annotations

import ipaddress
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

pytest_plugins = ["servers"]

ROOT = Path(__file__).resolve().parent.parent

# A developer's own keys, servers and proxies must not change what a test sees, nor be asked by one.
_UNSET_PREFIXES = ("OPENAI_", "OLLAMA_", "LANGSMITH_", "LANGCHAIN_")
_UNSET = {"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "FORCE_COLOR", "GITHUB_ACTIONS", "CLICOLOR_FORCE"}
_SET = {
    "HF_HUB_OFFLINE": "1",
    "LANGGRAPH_CLI_NO_ANALYTICS": "1",
    "LANGSMITH_TRACING": "false",
    "NO_COLOR": "1",
}

settings.register_profile("tiergraph", deadline=None, max_examples=50, derandomize=bool(os.environ.get("CI")))
settings.load_profile("tiergraph")


class SocketsAreOff(RuntimeError):
    """A test reached for the network."""


class _Gate:
    """Lets sockets through, or refuses and keeps what was refused.

    ``refused`` fails the test even where the code under test swallowed the error: a privacy test must see each attempt.
    """

    def __init__(self) -> None:
        self.loopback = False
        self.refused: list[str] = []

    def check(self, host: object, what: str) -> None:
        if self.loopback and _is_loopback(host):
            return
        advice = "only 127.0.0.1 and ::1 are open" if self.loopback else "@pytest.mark.loopback opens 127.0.0.1 and ::1"
        message = f"{what} to {host!r}: sockets are off in this test ({advice})."
        self.refused.append(message)
        raise SocketsAreOff(message)


_gate = _Gate()


def _is_loopback(host: object) -> bool:
    if isinstance(host, bytes):
        host = host.decode(errors="replace")
    if host in ("localhost", "", None):  # None and "" are a server's own side
        return True
    try:
        return ipaddress.ip_address(str(host)).is_loopback
    except ValueError:
        return False


def _guard_sockets(patch: pytest.MonkeyPatch) -> None:
    def method(name: str, where: int) -> Callable[..., Any]:
        real = getattr(socket.socket, name)

        def guarded(self: socket.socket, *args: Any) -> Any:
            if self.family in (socket.AF_INET, socket.AF_INET6):  # AF_UNIX serves asyncio's own pipe
                _gate.check(args[where][0], name)
            return real(self, *args)

        return guarded

    def lookup(name: str) -> Callable[..., Any]:
        real = getattr(socket, name)

        def guarded(host: Any, *args: Any, **kwargs: Any) -> Any:
            _gate.check(host, name)
            return real(host, *args, **kwargs)

        return guarded

    # the address comes first, but last in sendto(data, address) and sendto(data, flags, address)
    for name, where in (("connect", 0), ("connect_ex", 0), ("sendto", -1)):
        patch.setattr(socket.socket, name, method(name, where))
    for name in ("getaddrinfo", "gethostbyname", "gethostbyname_ex"):
        patch.setattr(socket, name, lookup(name))


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "loopback: the test may open sockets on 127.0.0.1 and ::1")

    patch = pytest.MonkeyPatch()
    config.add_cleanup(patch.undo)
    for name in list(os.environ):
        if name.upper() in _UNSET or name.upper().startswith(_UNSET_PREFIXES):
            patch.delenv(name)
    for name, value in _SET.items():
        patch.setenv(name, value)
    _guard_sockets(patch)

    if os.environ.get("TIERGRAPH_TEST_INSTALLED"):
        import tiergraph

        if "site-packages" not in Path(tiergraph.__file__).parts:
            raise pytest.UsageError(f"the tests are for an installed wheel, not for {tiergraph.__file__}")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Open loopback for the whole of a marked test, with the fixtures of its module that it is the first to need."""
    _gate.loopback = item.get_closest_marker("loopback") is not None
    try:
        return (yield)
    finally:
        _gate.loopback = False


@pytest.fixture(autouse=True)
def sockets_are_off() -> Iterator[None]:
    """Fail the test that reached for the network, whoever swallowed the error."""
    yield
    refused, _gate.refused[:] = list(_gate.refused), []
    if refused:
        pytest.fail("; ".join(dict.fromkeys(refused)), pytrace=False)


@pytest.fixture(scope="session")
def repo_root() -> Path:
    """The checkout, or what of it was laid beside the tests."""
    if not (ROOT / "pyproject.toml").is_file() or not (ROOT / "README.md").is_file():
        pytest.skip("needs files of the checkout, and there are none beside the tests")
    return ROOT
