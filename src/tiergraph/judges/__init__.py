"""Judges: what says whether a draft may be the answer."""

from __future__ import annotations

from tiergraph.judges.base import Judge, Reason, Verdict
from tiergraph.judges.evidence import EvidenceJudge

__all__ = ["EvidenceJudge", "Judge", "Reason", "Verdict"]
