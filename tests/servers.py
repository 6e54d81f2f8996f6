"""Servers that are real programs, started once for all tests that need them."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def llama_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of llama.cpp's own OpenAI-compatible server over a small GGUF with random weights."""
    from gguf_factory import build_small

    with serving(build_small(Path(tmp_path_factory.mktemp("gguf")) / "generic.gguf")) as url:
        yield url


@contextmanager
def serving(path: Path) -> Iterator[str]:
    """URL of llama.cpp's own OpenAI-compatible server over a GGUF, for as long as the block lasts."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "llama_cpp.server", "--model", str(path), "--n_ctx", "16384"]
    command += ["--n_threads", "1", "--n_threads_batch", "1"]  # threads that wait for each other cost more than they do
    command += ["--host", "127.0.0.1", "--port", str(port)]
    log = path.with_suffix(".log")
    with log.open("w") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, env={**os.environ, "NO_COLOR": "1"})
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(240):
            try:
                urllib.request.urlopen(f"{url}/v1/models", timeout=1).read()
                break
            except OSError:
                if process.poll() is not None:
                    raise RuntimeError(log.read_text()[-2000:]) from None
                time.sleep(0.25)
        yield url
    finally:
        process.terminate()
        process.wait(10)
