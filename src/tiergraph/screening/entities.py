"""What is known of every PII entity: who recognises it, where it may be, and which words must stand near by.

Presidio's recognisers judge a match (pattern, checksum, format). Decided here are the places that are worth
showing to them and the context that a weak pattern needs. Presidio's own context enhancer compares substrings
("us" in "status", "lic" in "click") and looks only backwards, which fires on ordinary text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

CONTEXT_BEFORE, CONTEXT_AFTER = 64, 32
"""Characters before and after a match in which a context word counts."""

CONTEXT_BOOST, CONTEXT_MINIMUM = 0.35, 0.4
"""As in Presidio: what a context word adds to a score, and the least that the score is then."""

WEAK_SCORE = 0.3
"""The most that a match of a weak entity scores without a context word, whatever its checksum says."""

_LABELS = (
    r"orders?|tracking|track|invoices?|tickets?|cases?|references?|ref|isbn|ean|upc|asin|sku|serials?"
    r"|models?|parts?|parcels?"
    r"|shipments?|bookings?|confirmations?|po|purchase order|version|release|build|firmware|articles?|items?|products?"
    r"|packages?|coupons?|vouchers?|receipts?|rma|returns?|batch|lot|issue|commit|error|code|size|page|line|port|zip"
)
LABEL = re.compile(rf"\b(?:{_LABELS})\b(?!\s+(?:card|account)s?\b)", re.IGNORECASE)
"""Words that say what a number is when it is not personal: an order, a parcel, a version."""

LABEL_BEFORE = 24
"""Characters before a match in which such a word speaks for it."""


def _words(pattern: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![^\W_])(?:{pattern})(?![^\W_])", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Entity:
    """One kind of PII.

    Attributes:
        recogniser: Class in ``presidio_analyzer.predefined_recognizers``; empty where the places are judged here.
        shape: What a window must hold to be worth showing to the recogniser.
        context: Words that support a match; ``None`` takes the recogniser's own, as whole words.
        weak: Whether a match without context scores `WEAK_SCORE` at most.
        labelled: Whether a label such as "order" right before a match, without context, drops it.
    """

    recogniser: str
    shape: re.Pattern[str]
    context: re.Pattern[str] | None = None
    weak: bool = True
    labelled: bool = False


_ANY = re.compile("")

NUMERIC: dict[str, Entity] = {
    "US_SSN": Entity(
        recogniser="UsSsnRecognizer",
        shape=re.compile(r"\b(?:\d{3}[- .]?\d{2}[- .]?\d{4}|\d{3}-\d{6})\b"),
        context=_words(r"social(?: security| sec)?|ssns?|ss ?(?:no|number|#)"),
        weak=False,
    ),
    "US_ITIN": Entity(
        recogniser="UsItinRecognizer",
        shape=re.compile(r"\b9\d{2}[- ]?\d{2}[- ]?\d{4}\b"),
        context=_words(r"itins?|tax ?payer(?: id\w*)?|tax ?id\w*|individual taxpayer|tin"),
        weak=False,
    ),
    "US_BANK_NUMBER": Entity(
        recogniser="UsBankRecognizer",
        shape=re.compile(r"\b\d{8,17}\b"),
        context=_words(
            r"(?:bank|checking|savings?|current|giro|deposit|debit|wire|ach|my|his|her|our|their"
            r"|the) (?:\w+ )?(?:accounts?|accts?|a/c)"
            r"|(?:accounts?|accts?|acc|a/c) ?(?:numbers?|no|nos|num|nr|#)|accts?|bank(?:ing)? (?:details"
            r"|number)|routing|sort code"
            r"|direct deposit|kontonummer|numero de cuenta|num[eé]ro de compte"
        ),
    ),
    "US_PASSPORT": Entity(
        recogniser="UsPassportRecognizer",
        shape=re.compile(r"\b[A-Z]{0,2}\d{6,9}\b", re.IGNORECASE),
        context=_words(
            r"passports?|passport ?(?:no|number|#)|travel document|reisepass|passeport|pasaporte|passaporto|paspoort"
        ),
    ),
    "US_DRIVER_LICENSE": Entity(
        recogniser="UsLicenseRecognizer",
        shape=re.compile(r"\b(?=[A-Z0-9]*\d{4})[A-Z0-9]{5,19}\b|\b\d{4}-\d{2}-\d{4}\b", re.IGNORECASE),
        context=_words(
            r"driv(?:er|ers|er'?s|er’s|ing)['’]? (?:licen[cs]es?|permit|lic|id)|licen[cs]e (?:number|no|#)"
            r"|dl ?(?:number|no|#)?"
            r"|cdl|dls|learner'?s permit|f[uü]hrerschein\w*|permis de conduire|rijbewijs\w*"
        ),
    ),
    "MEDICAL_LICENSE": Entity(
        recogniser="MedicalLicenseRecognizer",
        shape=re.compile(r"\b[A-Z][A-Z9]\d{7}\b", re.IGNORECASE),
        context=_words(r"dea|medical|certificate|prescriber|physician|doctor'?s|licen[cs]e"),
    ),
    "UK_NHS": Entity(
        recogniser="NhsRecognizer",
        shape=re.compile(r"\b\d{3}[- ]?\d{3}[- ]?\d{4}\b"),
        context=_words(
            r"nhs(?: ?(?:no|number|#))?|national health service|health (?:services )?authority"
            r"|patient(?: (?:id|no|number))?"
        ),
    ),
    "UK_NINO": Entity(
        recogniser="UkNinoRecognizer",
        shape=re.compile(r"\b[A-Z]{2} ?\d{2} ?\d{2} ?\d{2} ?[A-D]\b", re.IGNORECASE),
        context=_words(r"national insurance|ni ?(?:no|number|#)|nino"),
        weak=False,
        labelled=True,
    ),
}
"""Entities around runs of at least six digits."""

PLACED: dict[str, Entity] = {
    "EMAIL_ADDRESS": Entity(
        recogniser="EmailRecognizer",
        shape=_ANY,
        context=_words(r"e-?mails?|mail|contact|reach|write|send|address"),
        weak=False,
    ),
    "IP_ADDRESS": Entity(
        recogniser="IpRecognizer",
        shape=_ANY,
        context=_words(r"ips?|ipv[46]|ip address(?:es)?|host|server|client"),
        weak=False,
        labelled=True,
    ),
    "CRYPTO": Entity(
        recogniser="CryptoRecognizer", shape=_ANY, context=_words(r"wallets?|btc|bitcoins?|crypto"), weak=False
    ),
    "IBAN_CODE": Entity(
        recogniser="IbanRecognizer", shape=_ANY, context=_words(r"ibans?|bank|account|transfer"), weak=False
    ),
    "CREDIT_CARD": Entity(
        recogniser="",
        shape=_ANY,
        context=_words(
            r"(?:credit|debit|bank|gift|charge|prepaid)?[ -]?cards?(?: ?(?:number|no|#))?|cc|visa|master ?card|amex"
            r"|american express|maestro|diners|discover|jcb|cvv|cvc|(?:kredit)?karte\w*|carte|tarjeta|carta|kaart"
        ),
    ),
    "PHONE_NUMBER": Entity(
        recogniser="",
        shape=_ANY,
        context=_words(
            r"phones?|tele ?phones?|tel|cell(?: ?phone)?|mobiles?|mob|fax|call(?:ed|ing|s|back)?|ring|dial"
            r"|sms|text (?:me|us)"
            r"|whats ?app|reach (?:me|us|him|her)|contact (?:me|us)?|landline|hotline|handy|telefon\w*"
            r"|t[eé]l[eé]fono|office"
            r"|(?:his|her|my|our) number"
        ),
    ),
}
"""Entities with places of their own: an "@", a dotted quad, a run of digits that has the shape of a card."""

JUDGED_HERE = frozenset(entity for entity, known in PLACED.items() if not known.recogniser)
"""Cards and phones: `numbers` finds more groupings than Presidio's patterns do, and brands beside the checksum."""

OTHERS: dict[str, str] = {
    "ABA_ROUTING_NUMBER": "AbaRoutingRecognizer",
    "AU_ABN": "AuAbnRecognizer",
    "AU_ACN": "AuAcnRecognizer",
    "AU_MEDICARE": "AuMedicareRecognizer",
    "AU_TFN": "AuTfnRecognizer",
    "CA_SIN": "CaSinRecognizer",
    "DE_HEALTH_INSURANCE": "DeHealthInsuranceRecognizer",
    "DE_ID_CARD": "DeIdCardRecognizer",
    "DE_PASSPORT": "DePassportRecognizer",
    "DE_SOCIAL_SECURITY": "DeSocialSecurityRecognizer",
    "DE_TAX_ID": "DeTaxIdRecognizer",
    "DE_TAX_NUMBER": "DeTaxNumberRecognizer",
    "ES_NIE": "EsNieRecognizer",
    "ES_NIF": "EsNifRecognizer",
    "FI_PERSONAL_IDENTITY_CODE": "FiPersonalIdentityCodeRecognizer",
    "IN_AADHAAR": "InAadhaarRecognizer",
    "IN_PAN": "InPanRecognizer",
    "IN_PASSPORT": "InPassportRecognizer",
    "IT_DRIVER_LICENSE": "ItDriverLicenseRecognizer",
    "IT_FISCAL_CODE": "ItFiscalCodeRecognizer",
    "KR_RRN": "KrRrnRecognizer",
    "MAC_ADDRESS": "MacAddressRecognizer",
    "PL_PESEL": "PlPeselRecognizer",
    "SE_PERSONNUMMER": "SePersonnummerRecognizer",
    "SG_NRIC_FIN": "SgFinRecognizer",
    "TH_TNIN": "ThTninRecognizer",
    "TR_NATIONAL_ID": "TrNationalIdRecognizer",
    "UK_DRIVING_LICENCE": "UkDrivingLicenceRecognizer",
    "UK_PASSPORT": "UkPassportRecognizer",
    "UK_POSTCODE": "UkPostcodeRecognizer",
    "UK_VEHICLE_REGISTRATION": "UkVehicleRegistrationRecognizer",
    "US_HEALTH_INSURANCE_MEMBER_ID": "UsHealthInsuranceMemberIdRecognizer",
    "US_MBI": "UsMbiRecognizer",
    "US_NPI": "UsNpiRecognizer",
}
"""Entities that are not looked for unless configured. Presidio's recogniser sees every place with a digit."""

KNOWN: tuple[str, ...] = tuple(sorted({*NUMERIC, *PLACED, *OTHERS}))
"""Every entity that a configuration may name."""


def other(recogniser: str, context: list[str]) -> Entity:
    """The entry of an entity of `OTHERS`, with the context words of its recogniser as whole words."""
    words = _words("|".join(re.escape(word) for word in context)) if context else None
    return Entity(recogniser=recogniser, shape=_ANY, context=words, weak=False)


def supported(text: str, start: int, end: int, context: re.Pattern[str] | None) -> bool:
    """Whether a context word stands near ``text[start:end]`` and no label speaks for it instead.

    Before the match the nearest word wins: in "my passport is lost, order 123456789" it is the order.
    """
    if context is None:
        return False
    before = [match.end() for match in context.finditer(text, max(0, start - CONTEXT_BEFORE), start)]
    if before:
        return LABEL.search(text, before[-1], start) is None
    if labelled(text, start):
        return False
    return context.search(text, end, min(len(text), end + CONTEXT_AFTER)) is not None


def labelled(text: str, start: int) -> bool:
    """Whether the words right before ``start`` say that what follows is an order, a parcel, a version."""
    return text[start - 1 : start] == "#" or LABEL.search(text, max(0, start - LABEL_BEFORE), start) is not None
