"""Soft labels: what a source says about a request, field by field.

A field that a source says nothing about is simply absent and is masked out of the loss. No label is one-hot:
a source's prior is a guess about many rows, not a fact about one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypedDict

from tiergraph.training.fields import FIELDS, TIER_SLOTS

Soft = tuple[float, ...]
"""Probabilities of a field's values, in the order of ``FIELDS``; they sum to 1."""

TIER_PROFILES: Mapping[str, Soft] = {
    "trivial": (0.74, 0.18, 0.05, 0.02, 0.007, 0.003),
    "easy": (0.55, 0.28, 0.10, 0.045, 0.017, 0.008),
    "howto": (0.24, 0.36, 0.24, 0.10, 0.04, 0.02),
    "mid": (0.10, 0.24, 0.32, 0.20, 0.09, 0.05),
    "word_problem": (0.06, 0.13, 0.29, 0.31, 0.14, 0.07),
    "code": (0.03, 0.08, 0.17, 0.34, 0.25, 0.13),
    "legal": (0.01, 0.04, 0.10, 0.25, 0.34, 0.26),
    "hard": (0.01, 0.03, 0.07, 0.16, 0.33, 0.40),
    "hardest": (0.004, 0.012, 0.03, 0.084, 0.25, 0.62),
}
"""Priors: how likely each slot is the cheapest that suffices. What recorded outcomes say is learned by a head on top of
the model (`tiergraph.tuning`), so that it can be cross-validated on features that have not seen them."""

SURE = 0.97
"""Probability of the value that a source names."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One request with what is known of it.

    text: the request as a user would send it. source: name of its data set. group: rows of one group stay in one
    split (empty: decided from the text). labels: field to soft label. kind: the finest class that its data set gives,
    such as an intent of 150 (empty: its source); what tells kinds apart tells a user's own apart. original: the text
    before it was changed (empty: it was not). judged: whether its data set keeps it for evaluation: it is held out.
    """

    text: str
    source: str
    group: str = ""
    kind: str = ""
    labels: Mapping[str, Soft] = field(default_factory=dict)
    original: str = ""
    judged: bool = False


def soft(field_name: str, value: str, sure: float = SURE, *, names: Sequence[str] | None = None) -> Soft:
    """``sure`` on ``value``, the rest spread over the field's other values. ``names``: in place of those in ``FIELDS``.

    Raises:
        ValueError: the field has no such value.
    """
    names = FIELDS[field_name] if names is None else names
    if value not in names:
        raise ValueError(f"Unknown value {value!r} of field {field_name!r}. Allowed: {list(names)}")
    rest = (1.0 - sure) / max(1, len(names) - 1)
    return tuple(sure if name == value else rest for name in names)


def label(
    *,
    intent: str = "",
    reason: str = "",
    tier: str = "",
    difficulty: int = 0,
    retrieval: bool | None = None,
    pii: bool | None = None,
    legal: bool | None = None,
) -> dict[str, Soft]:
    """Labels from plain values; what is left out stays unknown. ``tier`` names one of ``TIER_PROFILES``."""
    known: dict[str, Soft] = {}
    if intent:
        known["intent"] = soft("intent", intent)
    if reason:
        known["reason"] = soft("reason", reason, 0.9)
    if tier:
        known["tier"] = TIER_PROFILES[tier]
    if difficulty:
        known["difficulty"] = soft("difficulty", str(difficulty), 0.85)
    for name, flag in (("needs_retrieval", retrieval), ("contains_pii", pii), ("is_legal", legal)):
        if flag is not None:
            known[name] = soft(name, "true" if flag else "false", 0.95 if name == "needs_retrieval" else 0.985)
    return known


_STEPS: Mapping[str, tuple[float, Soft, Soft]] = {
    # intent: needs a tool; planned calls 0, 1, 2-3, 4+; structure none, single, parallel, chain, dag
    "conversation": (0.03, (0.96, 0.03, 0.005, 0.005), (0.96, 0.03, 0.004, 0.003, 0.003)),
    "writing": (0.06, (0.92, 0.06, 0.015, 0.005), (0.92, 0.06, 0.006, 0.01, 0.004)),
    "coding": (0.25, (0.75, 0.15, 0.06, 0.04), (0.75, 0.15, 0.02, 0.06, 0.02)),
    "math_reasoning": (0.15, (0.85, 0.12, 0.02, 0.01), (0.85, 0.12, 0.01, 0.015, 0.005)),
    "advice": (0.15, (0.84, 0.12, 0.03, 0.01), (0.84, 0.12, 0.015, 0.02, 0.005)),
    "device_action": (0.96, (0.03, 0.9, 0.05, 0.02), (0.03, 0.9, 0.03, 0.03, 0.01)),
    "data_query": (0.95, (0.04, 0.88, 0.06, 0.02), (0.04, 0.88, 0.03, 0.04, 0.01)),
    "purchase_booking": (0.9, (0.08, 0.76, 0.12, 0.04), (0.08, 0.76, 0.04, 0.1, 0.02)),
}
"""Priors of an agent's step by intent, for rows that record no calls; intents that say nothing of it are absent."""


def with_steps(known: Mapping[str, Soft]) -> Mapping[str, Soft]:
    """``known`` with the fields of an agent's step, where they follow from an intent that is sure."""
    if "intent" not in known or "needs_tools" in known:
        return known
    likeliest = max(range(len(FIELDS["intent"])), key=lambda i: known["intent"][i])
    prior = _STEPS.get(FIELDS["intent"][likeliest])
    if prior is None:
        return known
    needs, calls, structure = prior
    return {**known, "needs_tools": (needs, 1.0 - needs), "planned_calls": calls, "structure": structure}


def step(*, needs: bool, calls: Soft, structure: Soft) -> dict[str, Soft]:
    """Labels of an agent's step: whether it needs a tool, planned calls 0, 1, 2-3, 4+, and their structure."""
    return {
        "needs_tools": soft("needs_tools", "true" if needs else "false"),
        "planned_calls": calls,
        "structure": structure,
    }


class Flags(TypedDict):
    """Both policy flags, as arguments of :func:`label`."""

    pii: bool
    legal: bool


class Kind(Flags):
    """A kind of request without personal or legal content, as arguments of :func:`label`."""

    intent: str
    retrieval: bool


EVERYDAY: Flags = {"pii": False, "legal": False}
"""Flags of short everyday requests: neither personal nor legal."""

_CLINC: Sequence[tuple[str, str, str, str, bool]] = (
    # pattern over the intent's name, intent, reason, tier, needs retrieval; the first match wins
    (r"^oos$", "", "", "easy", False),
    (r"account_blocked|freeze_account|pin_change", "account_access", "procedure", "easy", True),
    (
        r"order_status|lost_luggage|replacement_card_duration|application_status",
        "order_delivery",
        "lookup",
        "trivial",
        True,
    ),
    (
        r"balance$|transactions|spending_history|bill_due|min_payment|payday|income|pto_|credit_limit$|"
        r"rewards_balance|expiration_date|credit_score$|taxes|w2|routing",
        "billing_payment",
        "lookup",
        "easy",
        True,
    ),
    (
        r"transfer|pay_bill|order_checks|direct_deposit|rollover|redeem_rewards|credit_limit_change|new_card",
        "billing_payment",
        "transaction",
        "easy",
        False,
    ),
    (
        r"report_|damaged_card|card_declined|interest_rate|apr|international_fees|insurance|improve_credit",
        "billing_payment",
        "procedure",
        "easy",
        True,
    ),
    (
        r"book_|car_rental|uber|reservation|^order$|schedule_maintenance",
        "purchase_booking",
        "transaction",
        "trivial",
        False,
    ),
    (
        r"oil_change_how|tire_change|jump_start|tire_pressure|gas_type|plug_type",
        "product_support",
        "procedure",
        "easy",
        True,
    ),
    (
        r"weather|traffic|exchange_rate|flight_status|distance|directions|next_holiday|how_busy|current_location|"
        r"travel_alert|^time$|timezone|^date$|calendar$|reminder$|todo_list$|shopping_list$|meeting_schedule|"
        r"last_maintenance|oil_change_when|^gas$|mpg|what_song",
        "data_query",
        "lookup",
        "trivial",
        False,
    ),
    (r"calculator|measurement_conversion", "math_reasoning", "calculation", "easy", False),
    (
        r"definition|spelling|translate|nutrition|food_last|cook_time|calories|ingredient|carry_on|visa|vaccines|"
        r"fun_fact|restaurant_reviews|travel_notification",
        "factual_question",
        "lookup",
        "easy",
        True,
    ),
    (
        r"recipe|meal_suggestion|restaurant_suggestion|travel_suggestion",
        "advice",
        "judgement",
        "howto",
        False,
    ),
    (r"^(maybe|yes|no|cancel|repeat)$", "conversation", "unclear", "trivial", False),
    (
        r"meaning_of_life|where_are|what_can_i|who_|thank_you|pets|goodbye|greeting|your_name|hobbies|bot|joke|how_old",
        "conversation",
        "small_talk",
        "trivial",
        False,
    ),
    (r".", "device_action", "transaction", "trivial", False),
)

_BANKING: Sequence[tuple[str, str, str]] = (
    (
        r"passcode|pin_blocked|change_pin|verify_my_identity|unable_to_verify|why_verify|edit_personal|"
        r"terminate_account|lost_or_stolen_phone",
        "account_access",
        "procedure",
    ),
    (r"card_arrival|card_delivery", "order_delivery", "lookup"),
    (r"refund|reverted", "return_refund", "procedure"),
    (
        r"contactless|virtual_card_not_working|card_not_working|apple_pay|card_linking|activate_my_card",
        "product_support",
        "procedure",
    ),
    (
        r"order_physical|get_physical|getting_spare|getting_virtual|get_disposable",
        "purchase_booking",
        "transaction",
    ),
    (
        r"age_limit|country_support|supported_cards|visa_or|fiat|card_acceptance|atm_support",
        "factual_question",
        "lookup",
    ),
    (r"limits|charge|fee|rate|timing", "billing_payment", "lookup"),
    (r".", "billing_payment", "procedure"),
)

_HWU: Sequence[tuple[str, str, str, bool]] = (
    (r"^general_(quirky|joke|praise)", "conversation", "small_talk", False),
    (r"^general_", "conversation", "unclear", False),
    (r"qa_factoid|qa_definition", "factual_question", "lookup", True),
    (r"qa_maths", "math_reasoning", "calculation", False),
    (r"news_query", "factual_question", "lookup", True),
    (r"transport_ticket|transport_taxi|takeaway_order", "purchase_booking", "transaction", False),
    (r"cooking_recipe|recommendation_", "advice", "judgement", False),
    (r"_query|qa_|email_querycontact|transport_traffic|datetime_convert", "data_query", "lookup", False),
    (r".", "device_action", "transaction", False),
)


def clinc(intent: str) -> dict[str, Soft]:
    """Labels of a CLINC150 intent."""
    _, name, reason, tier, retrieval = next(rule for rule in _CLINC if re.search(rule[0], intent))
    known = bool(name)
    return label(
        intent=name,
        reason=reason,
        tier=tier,
        difficulty=1,
        retrieval=retrieval if known else None,
        **EVERYDAY,
    )


def banking(category: str) -> dict[str, Soft]:
    """Labels of a Banking77 category."""
    _, name, reason = next(rule for rule in _BANKING if re.search(rule[0], category))
    return label(intent=name, reason=reason, tier="easy", difficulty=1, retrieval=True, **EVERYDAY)


def hwu(intent: str) -> dict[str, Soft]:
    """Labels of a HWU64 intent."""
    _, name, reason, retrieval = next(rule for rule in _HWU if re.search(rule[0], intent))
    tier = "howto" if name == "advice" else "easy" if name == "factual_question" else "trivial"
    return label(intent=name, reason=reason, tier=tier, difficulty=1, retrieval=retrieval, **EVERYDAY)


def tier_from_level(level: float) -> Soft:
    """A soft label around a level in [0, 1] (0: the cheapest suffices)."""
    centre = level * (TIER_SLOTS - 1)
    weights = [2.718281828 ** -((slot - centre) ** 2 / 0.8) for slot in range(TIER_SLOTS)]
    total = sum(weights)
    return tuple(weight / total for weight in weights)
