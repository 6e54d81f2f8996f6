"""What a measurement ran on. Nothing here names the host, its user or a path."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Any

PACKAGES = ("tiergraph", "langgraph", "langchain-core", "llama-cpp-python", "presidio-analyzer", "pydantic", "numpy")


def machine(packages: tuple[str, ...] = PACKAGES) -> dict[str, Any]:
    """Processor, cores, Python, platform and versions of ``packages`` (``None`` where one is not installed)."""
    return {
        "cpu": _cpu(),
        "cores": cores(),
        "memory_gb": _memory_gb(),
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "versions": {name: _version(name) for name in packages},
    }


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _cpu() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            names = (line.partition(":")[2].strip() for line in file if line.startswith("model name"))
            return next(names, "") or platform.machine()
    except OSError:
        return platform.processor() or platform.machine()


def _memory_gb() -> float | None:
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1)
    except (AttributeError, OSError, ValueError):
        return None


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
