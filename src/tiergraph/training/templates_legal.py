"""Own-written legal requests and their everyday look-alikes."""

# ruff: noqa: E501  (one template a line reads better than a wrapped one)

from __future__ import annotations

from tiergraph.training.labels import label
from tiergraph.training.templates import Family, _family

_POSITIVE = label(
    intent="advice", reason="specialist", tier="legal", difficulty=3, retrieval=True, pii=False, legal=True
)
_THREAT = label(reason="judgement", tier="legal", difficulty=3, retrieval=True, pii=False, legal=True)
_CONTRACT = label(reason="specialist", tier="legal", difficulty=3, retrieval=True, pii=False, legal=True)
_NEGATIVE = label(tier="easy", difficulty=1, pii=False, legal=False)

SLOTS = {
    "party": [
        "my landlord",
        "my employer",
        "the seller",
        "your company",
        "my ex-husband",
        "the contractor",
        "the airline",
        "the insurer",
        "my neighbour",
        "the dealership",
        "the hospital",
        "my bank",
        "a former client",
        "my tenant",
        "the school",
        "a supplier",
        "my business partner",
        "the gym",
    ],
    "wrong": [
        "breach of contract",
        "negligence",
        "unfair dismissal",
        "discrimination",
        "defamation",
        "fraud",
        "unpaid wages",
        "false advertising",
        "wrongful termination",
        "copyright infringement",
        "harassment",
        "a data protection violation",
        "personal injury",
        "withholding my deposit",
        "trademark infringement",
        "malpractice",
    ],
    "doc": [
        "the lease",
        "my employment contract",
        "the NDA",
        "the terms of service",
        "the settlement agreement",
        "the non-compete",
        "the purchase agreement",
        "the warranty terms",
        "the prenup",
        "the licence agreement",
        "the severance agreement",
        "the loan agreement",
        "the will",
        "the power of attorney",
    ],
    "clause": [
        "indemnity",
        "liability cap",
        "arbitration",
        "termination",
        "non-compete",
        "confidentiality",
        "force majeure",
        "assignment",
        "governing law",
        "late payment",
        "exclusivity",
    ],
    "body": [
        "the ombudsman",
        "the data protection authority",
        "the FTC",
        "the consumer protection agency",
        "the labour board",
        "the SEC",
        "the attorney general",
        "the licensing board",
        "the ICO",
        "the financial regulator",
        "the bar association",
        "small claims court",
    ],
    "place": [
        "in California",
        "in Germany",
        "in Texas",
        "in Ontario",
        "under EU law",
        "in the UK",
        "in New York",
        "in Spain",
        "under GDPR",
        "in India",
    ],
    "case": [
        "divorce",
        "custody",
        "eviction",
        "bankruptcy",
        "immigration",
        "probate",
        "DUI",
        "restraining order",
        "adoption",
        "personal injury",
        "small claims",
        "inheritance",
        "asylum",
    ],
}
"""Values of the slots that only these templates use."""

FAMILIES = (
    _family(
        "legal_advice",
        2.5,
        _POSITIVE,
        """
        {hi} can I [sue|take to court|file a claim against|bring an action against] {party} [for {wrong}|] [{place}|]?
        {hi} what are my [legal rights|legal options|rights as a tenant|rights as an employee] if {party} [refuses to pay|breaks {doc}|cuts my hours|keeps my deposit]?
        is it [legal|lawful|illegal|against the law] for {party} to [record my calls|fire me while I am sick|keep my deposit|share my data|change {doc} without notice] [{place}|]?
        do I need a [lawyer|solicitor|attorney] for [{case}|a {case} case|{wrong}]?
        how do I [file for|start|contest|apply for] [a|] {case} [{place}|]?
        [what is|how long is] the statute of limitations for {wrong} [{place}|]
        {party} [served me with|sent me] [court papers|a summons|a subpoena|a cease and desist letter|an eviction notice], what [should I do|happens now]?
        I was [arrested|charged|fined|deported|evicted] [{place}|] and [need legal help|want to appeal|have a hearing on {date}]
        can {party} [legally|by law] [withhold my wages|enter my flat|refuse a refund|read my mail|force me to sign {doc}]
        who gets [custody|the house|the inheritance] [after a divorce|if there is no will|{place}]
        am I [liable|legally responsible] if [a guest slips on my stairs|my dog bites someone|my code has a bug|I resell the {item}]
        what damages can I claim from {party} for {wrong}
        my [visa|work permit|asylum application|green card] [was denied|expires on {date}], can I appeal
        does {wrong} count if nothing was in writing [{place}|]?
        I signed {doc} under pressure, can I [get out of it|void it|withdraw]
        """,
    ),
    _family(
        "legal_threat",
        2.5,
        _THREAT,
        """
        {hi} if I don't get my money for order {order} by {date} I will [sue you|see you in court|take legal action|involve my lawyer|file a lawsuit]
        my [lawyer|attorney|solicitor] will [contact you|be in touch|send a letter] about {wrong}
        I [will report|am reporting|have reported] [you|{party}] to {body} for {wrong}
        this is a formal [complaint|notice|demand letter] [before legal action|under consumer law|of {wrong}]
        consider this [a notice of breach|my final warning before I go to {body}|a letter before claim]
        you are in breach of {doc} and I [reserve all rights|demand compensation of {price}|want damages]
        we represent the claimant in the matter of {wrong}; please [preserve all records|confirm receipt|disclose the documents]
        attached is a [subpoena|court order|warrant|summons] for [account records|chat logs|customer data]
        [the police|{body}|a court] [asked|ordered] us to hand over customer records, [are we obliged to|how do we respond]
        I [want to dispute|dispute|am contesting] the charge of {price} and will go to [small claims|arbitration|court|{body}]
        your terms violate [consumer law|GDPR|my statutory rights|the Consumer Rights Act], [delete my data|fix it|respond within {m} days] or I go to {body}
        this is [illegal|unlawful|against the law] and I am keeping evidence for [court|my attorney|{body}]
        """,
    ),
    _family(
        "legal_documents",
        2.5,
        _CONTRACT,
        """
        [review|explain|check|interpret] the {clause} clause in {doc}[ and tell me the risks| {place}|]
        [draft|write|prepare] [a|an] [NDA|cease and desist letter|lease|will|power of attorney|settlement agreement|termination letter|privacy policy|motion to dismiss|affidavit] [{place}|between two companies|]
        compare the {clause} and {clause} clauses of these two contracts: cap {price}, notice {m} days against cap {price}, notice {n} days
        is the {clause} clause in {doc} enforceable [{place}|]?
        what does "[joint and several liability|without prejudice|time is of the essence|force majeure|hold harmless|consideration]" mean in {doc}
        does {doc} let {party} [terminate early|raise the rent|sublet|assign it to someone else]
        summarise this [court ruling|judgment|deposition|complaint] and the holding
        "The {clause} obligations shall survive termination of this Agreement for {n} years." [What does that bind us to?|Is that usual?]
        which law governs {doc} if one party is in {city} and the other in {city}
        redline {doc} so that the {clause} is mutual and liability is capped at {price}
        are we compliant with [GDPR|HIPAA|the AI Act|SOX|the DMCA] if we [store chat logs|share data with {party}|use cookies]
        can we patent [a {item}|this algorithm|a {device}] or is it prior art
        """,
    ),
    _family(
        "legal_look_alikes",
        4.0,
        _NEGATIVE,
        """
        I need a [phone|laptop|glasses|hard|travel|pillow] case [for my {item}|in black|that fits]
        which case fits the {device}
        in case [it rains|you missed it|the {item} is late], [what then|call me|just ship it]
        where is the nearest [basketball|tennis|squash|food] court [in {city}|]
        the tennis court [booking|is wet|opens at {n}]
        does [wood|metal|wool|the {item}] contract [when cold|in the wash]
        how do muscles contract
        can you catch or contract [flu|a cold] from a {item}
        my [friend|colleague|aunt] Sue [said|bought|ordered|likes] [the {item}|{food}]
        legal-size paper for the printer [out of stock|price|{please}]
        does the printer take legal size
        the new design does not appeal to [me|kids|my taste]
        what is the appeal of [{food}|{topic}|open offices]
        [start|cancel|extend] my free trial [version|period|of {plan}]
        trial and error with my {device}
        I want a [navy|grey|dark|linen] suit [for a wedding|in size {m}|]
        does this [colour|{item}|sofa] suit a small room
        which suit beats hearts in bridge
        how many cards of each suit are in a deck
        [judge|rate] my outfit: boots and a {item}
        who won the cooking [trial|jury prize|contest] on TV
        the jury is out on {food}
        law of gravity [in one line|for kids]
        Newton's second law example
        Murphy's law happened to my {item} again
        my mother-in-law [loves|returned|wants] the {item}
        brother in law birthday [gift|card]
        what are the rules of [chess|offside|Monopoly]
        is it [okay|allowed] to bring {food} on the train
        the [court|judge|lawyer] scene in that film was great, [what is it called|who plays in it]
        a [novel|series|podcast] about lawyers [like Suits|for a long trip|]
        I was [charged|billed|debited] {price} twice [for order {order}|]
        my battery is not [charged|charging]
        [file|export] a [ticket|bug|PDF|photo]
        how to [file|sand|paint] my nails
        nail file for metal
        [sentence|word] with the word [justice|court|will]
        will my {item} arrive on {date}
        power of attorney of the {device}? I mean the power cable
        terms like [BPM|wattage|thread count], what do they mean for a {item}
        what are the terms of the [loyalty|points|referral] programme
        your return policy [please|in short|for {item}s]
        privacy screen for a {m} inch laptop
        [settle|end] a bet: is a tomato a fruit
        settlement in Catan [cost|strategy]
        my bank statement [for {date}|as pdf] {please}
        I object to the colour, [swap it|exchange it] {please}
        bar stools [under {price}|for a kitchen bar]
        passed the bar on my phone's signal, still no reception
        [witness|see] the northern lights in {capital}
        the evidence for {topic} in one paragraph
        complaint: the {item} is [late|loud|too small], [replace it|refund it]
        I want to complain about the [rude driver|cold {food}|long queue]
        claim my [voucher|points|bonus|baggage]
        baggage claim in {city}
        article {n} of the newsletter [is missing|was great]
        is there a dress code on [{date}|Fridays]
        promo code for lawyers day
        custody of the office plant goes to the {person}, lol
        divorce rate in {capital}
        what year was the supreme court building in {capital} built
        """,
    ),
)
"""Families with and without legal content."""

__all__ = ["FAMILIES", "SLOTS", "Family"]
