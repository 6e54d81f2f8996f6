"""Judges: what says whether a draft may be the answer."""

from __future__ import annotations

from tiergraph.judges.base import Judge, Reason, Verdict
from tiergraph.judges.evidence import EvidenceJudge
from tiergraph.judges.hosted import HostedJudge

__all__ = ["EvidenceJudge", "HostedJudge", "Judge", "Reason", "Verdict"]
