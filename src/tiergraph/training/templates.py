"""Own-written requests: support, everyday tasks and hard asks, short and long of each.

They keep the network from reading difficulty off length, format or topic alone: there are long rambling support
messages and one-line proofs, easy sums and hard ones, one-line greeting cards and twenty-page reports. Held-out
parts are decided by template, so that a template met in training is never evaluated on.
"""

# ruff: noqa: E501  (one template a line reads better than a wrapped one)

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from tiergraph.training.grammar import Slots, expand
from tiergraph.training.labels import EVERYDAY, Kind, Row, Soft, label
from tiergraph.training.personal import CITIES, digits


@dataclass(frozen=True, kw_only=True)
class Family:
    """Templates that share labels. weight: how often the family is drawn, relative to the others.

    shapes: consecutive templates that wrap the same core; with ``group``, the family whose cores they are, this
    keeps every wrapping of a core in one split.
    """

    name: str
    labels: Mapping[str, Soft]
    templates: Sequence[str]
    weight: float = 1.0
    group: str = ""
    shapes: int = 1


def _family(name: str, weight: float, known: Mapping[str, Soft], text: str) -> Family:
    """A family from one template a line."""
    lines = [line.strip() for line in text.strip().splitlines() if line.strip()]
    return Family(name=name, weight=weight, labels=known, templates=lines)


def rows(families: Sequence[Family], slots: Slots, count: int, draw: random.Random, source: str) -> Iterator[Row]:
    """``count`` rows of ``families``; a row's group is its template."""
    picked = draw.choices(families, weights=[family.weight for family in families], k=count)
    for family in picked:
        index = draw.randrange(len(family.templates))
        text = expand(family.templates[index], slots, draw)
        core = index // family.shapes
        yield Row(
            text=text,
            source=source,
            group=f"{source}:{family.group or family.name}:{core}",
            labels=family.labels,
        )


def _number(low: int, high: int, step: int = 1) -> object:
    return lambda draw: str(draw.randrange(low, high + 1, step))


SLOTS: Slots = {
    "item": [
        "headphones",
        "kettle",
        "laptop",
        "running shoes",
        "desk lamp",
        "coffee machine",
        "backpack",
        "phone case",
        "monitor",
        "winter jacket",
        "blender",
        "router",
        "mattress",
        "office chair",
        "tablet",
        "vacuum",
        "toaster",
        "bike helmet",
        "smart watch",
        "keyboard",
        "sofa",
        "camera",
        "dress",
        "boots",
        "printer",
    ],
    "device": [
        "headset",
        "earbuds",
        "speaker",
        "thermostat",
        "doorbell",
        "smart bulb",
        "printer",
        "watch",
        "TV",
        "router",
        "scale",
        "hub",
        "keyboard",
        "controller",
        "camera",
    ],
    "carrier": ["UPS", "FedEx", "DHL", "the post", "Hermes", "USPS", "the courier", "Royal Mail", "DPD"],
    "app": [
        "the app",
        "your website",
        "the portal",
        "the dashboard",
        "my account",
        "the mobile app",
        "the online shop",
        "the member area",
    ],
    "order": lambda d: (
        d.choice(["#", "no. ", "number ", ""]) + d.choice(["", "A", "PO-", "W", "ORD-"]) + digits(d, d.randint(4, 9))
    ),
    "date": lambda d: d.choice(
        [
            f"{d.choice(['January', 'February', 'March', 'April', 'May', 'June', 'July', 'August', 'September', 'October', 'November', 'December'])} {d.randint(1, 28)}",
            f"{d.randint(1, 28)}/{d.randint(1, 12)}",
            f"{d.randint(1, 28)}.{d.randint(1, 12)}.202{d.randint(3, 6)}",
            d.choice(
                [
                    "yesterday",
                    "last Monday",
                    "last week",
                    "two weeks ago",
                    "on Friday",
                    "this morning",
                    "a month ago",
                    "over the weekend",
                ]
            ),
        ]
    ),
    "price": lambda d: (
        d.choice(["$", "€", "£", "USD "]) + d.choice([str(d.randint(5, 900)), f"{d.randint(5, 300)}.{digits(d, 2)}"])
    ),
    "n": lambda d: str(d.randint(2, 12)),
    "m": lambda d: str(d.randint(13, 97)),
    "big": lambda d: str(d.randint(100, 9999)),
    "city": CITIES,
    "plan": [
        "basic",
        "premium",
        "family",
        "student",
        "pro",
        "monthly",
        "annual",
        "business",
        "trial",
        "free",
    ],
    "please": ["", "", "please", "pls", "thanks", "thank you"],
    "hi": [
        "",
        "",
        "",
        "",
        "Hi,",
        "Hello,",
        "Hey",
        "hi there,",
        "Good morning,",
        "Dear support,",
        "Hi team,",
        "hello!",
    ],
    "lang": [
        "Python",
        "Java",
        "C++",
        "Rust",
        "Go",
        "TypeScript",
        "C#",
        "Kotlin",
        "Scala",
        "Haskell",
        "Swift",
        "C",
        "OCaml",
        "Elixir",
    ],
    "topic": [
        "recycling",
        "sleep",
        "remote work",
        "coffee",
        "electric cars",
        "gardening",
        "time management",
        "public libraries",
        "cycling",
        "teamwork",
        "solar power",
        "school uniforms",
        "urban trees",
        "social media",
        "budgeting",
        "volunteering",
        "museums",
        "healthy snacks",
        "tourism",
        "pets",
    ],
    "person": [
        "friend",
        "sister",
        "colleague",
        "boss",
        "neighbour",
        "teacher",
        "grandmother",
        "team",
        "flatmate",
        "customer",
    ],
    "food": [
        "pancakes",
        "lentil soup",
        "fried rice",
        "banana bread",
        "guacamole",
        "roast potatoes",
        "curry",
        "pizza dough",
        "omelette",
        "risotto",
    ],
    "theorem": [
        "the Cauchy-Schwarz inequality",
        "the intermediate value theorem",
        "Fermat's little theorem",
        "the spectral theorem for symmetric matrices",
        "the Banach fixed-point theorem",
        "Lagrange's theorem",
        "the fundamental theorem of arithmetic",
        "Bolzano-Weierstrass",
        "the dominated convergence theorem",
        "the Cayley-Hamilton theorem",
        "Hall's marriage theorem",
        "Sylow's first theorem",
        "the prime number theorem's weaker Chebyshev bound",
        "the max-flow min-cut theorem",
        "Ramsey's theorem",
        "the Stone-Weierstrass theorem",
        "the undecidability of the halting problem",
        "Rice's theorem",
        "the AM-GM inequality",
        "Jensen's inequality",
    ],
    "claim": [
        "there are infinitely many primes congruent to 3 mod 4",
        "the cube root of 5 is irrational",
        "log base 2 of 3 is irrational",
        "every finite integral domain is a field",
        "a continuous bijection from a compact space to a Hausdorff space is a homeomorphism",
        "the sum of two independent Poisson variables is Poisson",
        "the harmonic series diverges",
        "the set of algebraic numbers is countable",
        "e is irrational",
        "every tree with n vertices has n-1 edges",
        "a group of order p squared is abelian",
        "the square root of 7 plus the square root of 11 is irrational",
        "n^5 - n is divisible by 30 for every integer n",
        "every bounded monotone sequence converges",
        "the rationals are not complete",
        "comparison sorting needs n log n comparisons",
        "3-colouring is NP-complete",
        "no regular language contains exactly the balanced brackets",
        "the product of k consecutive integers is divisible by k!",
        "every planar graph is 5-colourable",
    ],
    "integral": [
        "x^2 e^{-x^2} over the real line",
        "1/(1+x^4) from 0 to infinity",
        "ln(sin x) from 0 to pi/2",
        "sin(x)/x from 0 to infinity",
        "sqrt(tan x)",
        "x^3/(e^x - 1) from 0 to infinity",
        "log(1+x)/x from 0 to 1",
        "e^{-x} cos(bx) from 0 to infinity",
    ],
    "structure": [
        "lock-free queue",
        "LRU cache",
        "B-tree",
        "skip list",
        "bloom filter",
        "interval tree",
        "trie with fuzzy search",
        "consistent hash ring",
        "thread pool",
        "rate limiter",
        "write-ahead log",
        "priority queue with decrease-key",
        "rope for text editing",
        "connection pool",
        "CRDT counter",
        "ring buffer",
        "LSM tree",
        "work-stealing scheduler",
    ],
    "system": [
        "a multi-region payments ledger",
        "a real-time chat service for ten million users",
        "a URL shortener with analytics",
        "a ride-matching service",
        "an event-sourced order system",
        "a distributed job scheduler",
        "a feature store for machine learning",
        "a collaborative text editor",
        "a multi-tenant search service",
        "a video upload and transcoding pipeline",
        "a fraud detection system with a 50 ms budget",
        "a metrics store with 90 days of retention",
    ],
    "bug": [
        "deadlocks about once a day under load",
        "leaks memory slowly until the pod is killed",
        "returns stale reads after a failover",
        "produces duplicate messages when a consumer restarts",
        "is ten times slower after we upgraded the driver",
        "loses updates when two workers race",
        "fails only on ARM with optimisation turned on",
        "hangs in a futex wait at shutdown",
        "gives different results in two time zones",
        "drops the last batch on SIGTERM",
    ],
    "domain": [
        "the causes of the 2008 financial crisis",
        "carbon border taxes",
        "monetary policy at the zero bound",
        "the ethics of gene editing",
        "grid-scale storage",
        "antibiotic resistance",
        "the trade-offs of consensus protocols",
        "post-quantum migration",
        "the collapse of Bronze Age trade",
        "central bank digital currencies",
        "the interpretation of quantum mechanics",
        "causal inference from observational health data",
        "supply chain resilience",
    ],
    "drug": [
        "warfarin and amiodarone",
        "metformin with reduced kidney function",
        "SSRIs and triptans",
        "lithium and ibuprofen",
        "statins and grapefruit",
    ],
    "unit": [
        "miles to kilometres",
        "pounds to kilos",
        "Fahrenheit to Celsius",
        "ounces to grams",
        "inches to centimetres",
        "gallons to litres",
        "acres to hectares",
    ],
    "capital": [
        "France",
        "Peru",
        "Kenya",
        "Norway",
        "Vietnam",
        "Canada",
        "Egypt",
        "Chile",
        "Nepal",
        "Ghana",
        "Portugal",
        "Iceland",
    ],
    "ramble": [
        "I have been a customer for {n} years and never had a problem before, really, you have always been lovely.",
        "So I bought this for my sister's birthday, she is turning {m} and we planned a small party in {city}, nothing big.",
        "I already looked at the help pages but my eyes are not what they used to be and the font is so small.",
        "The weather here is terrible today by the way, so I finally had time to sit down and write to you.",
        "My daughter told me to just use the chat, so here I am, I hope I am in the right place.",
        "I tried it on my phone, then on the laptop, then on my husband's tablet, always the same story.",
        "Not sure whether this matters, but I ordered on {date} and paid {price} and used a voucher.",
        "Sorry for the long message, I just wanted to give you the whole picture so that you do not have to ask.",
        "I spoke to someone on {date} who was very friendly but then the line dropped.",
        "We moved house in spring and since then everything has been a bit chaotic, boxes everywhere, you know how it is.",
        "It is not urgent at all, whenever you have a minute, I know you must be busy before the holidays.",
        "Anyway, long story short, I got distracted again.",
        "I even restarted everything twice and made a cup of tea in between, and nothing changed.",
        "My neighbour has the same {item} and hers works fine, which made me wonder.",
    ],
}
"""Values of the slots that these templates use."""

_SUPPORT_EASY = label(tier="trivial", difficulty=1, retrieval=True, **EVERYDAY)


def _support(
    intent: str, reason: str, tier: str = "trivial", difficulty: int = 1, retrieval: bool = True
) -> dict[str, Soft]:
    return label(intent=intent, reason=reason, tier=tier, difficulty=difficulty, retrieval=retrieval, **EVERYDAY)


_CORES: Sequence[tuple[str, dict[str, Soft], str]] = (
    (
        "sign_in",
        _support("account_access", "procedure"),
        """
        [how do I|how can I|where do I|how to] [reset|change|recover|update] [my|the|a forgotten] password[ for {app}|]
        [forgot|lost|cannot remember|can't remember] my [password|login|user name|passcode][, what now|, help|]
        password reset [link|mail|email] [never arrives|does not come|expired|goes to spam]
        I [am locked out of|can't get into|cannot sign in to|can't log in to] {app}[ since {date}|]
        [my account is|I got] locked after [too many|{n}] [tries|attempts]
        how do I [turn on|set up|switch off|disable] [two-factor|2FA|two-step verification|the authenticator app]
        I [lost|changed|broke] my phone and [the 2FA codes are gone|can't get the login code|need new backup codes]
        [change|update] the e-mail address [on my account|of my profile|I log in with]
        [close|delete|deactivate] my account {please}
        the [verification|login|one-time] code [is not accepted|never comes|says expired]
        can I have two [people|users] on one account
        how do I [sign out|log out] [on all devices|everywhere]
        [locked out|login broken|can't login|sign in fails] {please}
        """,
    ),
    (
        "billing",
        _support("billing_payment", "procedure"),
        """
        why was I charged {price} [twice|again|on {date}|for the {plan} plan]
        where can I [download|find|see|get] my [invoice|receipt|bill][ for {date}| for order {order}|]
        [change|update|remove] my [payment method|card on file|billing date]
        [cancel|stop|pause] my [subscription|{plan} plan|membership|auto-renewal] {please}
        how much [is|does] the {plan} [plan|subscription] [cost|per month]
        when is my next [payment|bill|invoice] due
        [do you offer|is there] a [student|family|annual|nonprofit] discount
        my [payment|card|transfer] was declined [but the money is gone|twice|on {date}|]
        can I [switch|upgrade|downgrade] from {plan} to {plan}
        there is a {price} fee on my [bill|statement] I don't [recognise|understand]
        [VAT|tax] number on the invoice is missing[, can you resend it|]
        do you accept [PayPal|gift cards|bank transfer|American Express|cash on delivery]
        [split|pay] the [bill|order] in [instalments|{n} payments]?
        promo code [does not work|is not accepted|expired][ on order {order}|]
        """,
    ),
    (
        "delivery",
        _support("order_delivery", "lookup"),
        """
        [where is|where's|any news on|what about] my [order|package|delivery|{item}|shipment][ {order}|]
        [when will|has] my {item} [arrive|ship|shipped|be delivered|left the warehouse]
        order {order} [still not here|has not moved since {date}|says delivered but it is not here|stuck in customs]
        track [order|package|shipment] {order}
        how long does [delivery|shipping|express shipping] [take|to {city} take]
        {carrier} [left a card|says nobody was home|lost my parcel|cannot find the house]
        can I change the delivery [date|slot|address] [for order {order}|after ordering|]
        do you [ship|deliver] to [{city}|islands|a parcel locker|work addresses|Saturdays]
        [only|just] {n} of {m} [pieces|items] [came|arrived|were in the box]
        the [box|parcel] arrived [empty|wet|crushed|open][ on {date}|]
        what [does|do] [shipping|express delivery|returns by post] cost
        tracking [number|link] [doesn't work|shows nothing|please]
        [order status|delivery status|parcel status] {please}
        """,
    ),
    (
        "returns",
        _support("return_refund", "lookup"),
        """
        [what's|what is|how long is|tell me] [the|your] [refund|return|exchange] [window|policy|period|deadline]
        how [do|can] I [return|send back|exchange] [a|my|the] {item}
        when [do|will] I get my [money|refund|{price}] back[ for order {order}|]
        I want [a refund|my money back][ for order {order}| for the {item}|] {please}
        [wrong|damaged|broken|used] {item} [arrived|delivered|in the box], [exchange|refund|what now] {please}
        can I return [sale items|opened items|a gift|something without the box|after {m} days]
        the {item} is too [small|big|loud|heavy|bright], can I [swap|exchange|return] it
        [print|send|lost] [a|the|my] return label {please}
        who pays [for|the] return [shipping|postage]
        refund [of|for] {price} [not received|still missing|went to the wrong card]
        [warranty|guarantee] on [the|my] {item} - how long
        do I need the [receipt|original box] to [return|exchange] it
        """,
    ),
    (
        "product",
        _support("product_support", "procedure", "easy"),
        """
        how do I [pair|connect|link|set up] my {device} [with my phone|with wifi|to the laptop|]
        my {device} [won't|doesn't|will not] [turn on|charge|connect|update|pair|respond]
        {device} keeps [disconnecting|restarting|beeping|freezing][ since {date}| after the update|]
        [how to|how do I] [factory reset|update|clean|mute|mount] the {device}
        what does the [red|blinking|orange|blue] light on the {device} mean
        which [battery|cable|bulb|filter|charger] does the {item} [need|use|take]
        is the {item} [waterproof|dishwasher safe|compatible with Android|made of leather]
        the {device} shows error [E{n}|{big}|code {m}]
        the app [crashes|is slow|won't open|does not load] [on startup|after the update|since {date}|]
        how [long|many hours] does the {device} battery last
        where [is|do I find] the [manual|serial number|model number] of the {item}
        can I use the {device} [abroad|outdoors|without wifi|with two phones]
        [no sound|no picture|bad wifi|black screen] on my {device}
        """,
    ),
    (
        "booking",
        _support("purchase_booking", "transaction", retrieval=False),
        """
        [book|reserve|get me] a table for {n} [tonight|tomorrow|on {date}] [in {city}|at {n} pm|]
        [order|buy|add] [{n}|another|a] {item} [again|to my cart|please|under {price}]
        I [need|want|am looking for] a {item} [under {price}|in blue|for my {person}]
        book [a flight|a train|a hotel|a room] [to|in] {city} [on|from|for] {date}
        is the {item} [in stock|still available|cheaper somewhere]
        cancel my [booking|reservation|appointment] [on|for] {date}
        [schedule|move] my appointment [to|for] {date}
        """,
    ),
    (
        "human",
        label(intent="other", reason="unclear", tier="easy", difficulty=1, retrieval=False, **EVERYDAY),
        """
        [let me|I want to|can I|I need to|please let me] [talk|speak] to [a human|a person|a real person|an agent|someone|a manager|your supervisor]
        [human|agent|operator|representative|real person] {please}
        [stop the bot|no more bots|this bot is useless], [give me|connect me to|get me] [a person|someone real|an employee]
        I [don't|do not] want [to chat with a machine|a robot], [call me back|put me through]
        [transfer|connect|escalate] me to [customer service|support staff|a live agent]
        is there [anyone|somebody|a human] [I can talk to|there|working today]
        [asdf|???|hm|ok so|help|hello?? anyone|test test]
        it [doesn't|does not] work
        [I have a question|can you help me|need some help here]
        """,
    ),
)
"""Everyday support asks; each is also wrapped into longer messages."""

_CLOSE = "[|Thanks.|Thank you so much!|Kind regards|Best wishes|Cheers|any help appreciated|Looking forward to your reply.|Thanks in advance and have a nice day!]"


def _support_families() -> Iterator[Family]:
    for name, known, text in _CORES:
        cores = [line.strip() for line in text.strip().splitlines() if line.strip()]
        yield Family(name=name, labels=known, templates=[f"{{hi}} {core}[?|.|]" for core in cores], weight=2.0)
        long = [
            shape.format(core=core)
            for core in cores
            for shape in (
                "{{hi}} {{ramble}} {core}? " + _CLOSE,
                "{{hi}} {{ramble}} {{ramble}} {core}? {{ramble}} " + _CLOSE,
                "{{hi}} {{ramble}} {{ramble}} {{ramble}} {{ramble}} {core}? {{ramble}} {{ramble}} " + _CLOSE,
            )
        ]
        yield Family(name=f"{name}_long", labels=known, templates=long, weight=0.7, group=name, shapes=3)


_MATH: Kind = {"intent": "math_reasoning", "retrieval": False, **EVERYDAY}
_CODING: Kind = {"intent": "coding", "retrieval": False, **EVERYDAY}
_WRITING: Kind = {"intent": "writing", "retrieval": False, **EVERYDAY}

FAMILIES: Sequence[Family] = (
    *_support_families(),
    _family(
        "small_talk",
        1.0,
        label(
            intent="conversation",
            reason="small_talk",
            tier="trivial",
            difficulty=1,
            retrieval=False,
            **EVERYDAY,
        ),
        """
        [hi|hello|hey there|good evening|yo] [how are you|what's up|nice to meet you|]
        [thanks|thank you|cheers], [that helped|you're great|all good now|bye]
        tell me [a joke|something funny|a riddle|a story about a cat]
        [are you|is this] [a robot|real|an AI|human]
        I [had a long day|am bored|feel great today|love this song|just got a puppy]
        what [do you like|is your favourite colour|can you do]
        [good night|see you|talk later|ok bye]
        """,
    ),
    _family(
        "sums",
        1.5,
        label(reason="calculation", tier="trivial", difficulty=1, **_MATH),
        """
        [what is|what's|calculate|] {m} [times|plus|minus|x|+|-|*] {n}[?|]
        [convert|change] {big} {unit}
        [what is|how much is] {n}% of {big}
        {big} divided by {n}
        [add|sum up] {m}, {n} and {big}
        how many [minutes|seconds] are in {n} hours
        if a {item} costs {price} and is {m}% off, what do I pay
        tip on {price} at {m} percent
        half of {big}
        """,
    ),
    _family(
        "small_code",
        1.5,
        label(reason="code", tier="howto", difficulty=1, **_CODING),
        """
        how do I [print hello world|reverse a list|read a file|sort a list|make a loop|join two strings] in {lang}
        {lang} [syntax for a for loop|how to comment out a line|null check|string length]
        what does [git pull|ls -la|chmod +x|npm install|cat] do
        [fix the typo|missing semicolon]: pritn("hello")
        how [can|do] I [rename|delete] a [git branch|folder|file] on the command line
        regex for [digits only|an empty line|three letters]
        difference between [== and ===|let and var|a list and a tuple]
        write a {lang} function that adds two numbers
        """,
    ),
    _family(
        "facts",
        1.2,
        label(intent="factual_question", reason="lookup", tier="easy", difficulty=1, retrieval=True, **EVERYDAY),
        """
        what is the capital of {capital}
        [who|when|where] [invented|discovered] [the telephone|penicillin|paper|the zip]
        how [tall|old|far away] is [the Eiffel Tower|Mount Fuji|the moon|the oldest tree]
        what [time|day] does the [post office|museum|library] [open|close]
        what does [RSVP|GDP|HTML|a mitochondrion] [mean|stand for|do]
        how many [people live in {city}|planets are there|bones does a shark have]
        is {city} bigger than {city}
        what are your opening hours[ on {date}|]
        what [vaccines|plug] do I need in {capital}
        """,
    ),
    _family(
        "small_writing",
        1.5,
        label(reason="long_form", tier="howto", difficulty=1, **_WRITING),
        """
        write a [one-line|short|quick] [birthday|thank-you|get-well|farewell] [note|message|card] for my {person}
        [fix the grammar|correct the spelling|make this polite]: i has went to {city} yesterday
        [a title|three titles|a slogan|a caption] for a [post|blog|poster] about {topic}
        rewrite in [one sentence|simpler words]: the {item} was delivered later than had been expected
        translate "[good morning|where is the station|two coffees please]" into [Spanish|German|Japanese|French]
        [make|write] a [rhyme|haiku|limerick] about {topic}
        [shorten|summarise] this: we met on {date}, talked about {topic} and will meet again
        give me a synonym for [happy|important|fast|difficult]
        """,
    ),
    _family(
        "everyday_advice",
        1.2,
        label(intent="advice", reason="judgement", tier="howto", difficulty=1, retrieval=False, **EVERYDAY),
        """
        what should I [cook|wear|read|watch] [tonight|tomorrow|on {date}]
        [how do I make|recipe for|easy] {food}
        [gift|present] ideas for my {person} under {price}
        [tips|ideas] for [sleeping better|a rainy sunday|learning {n} words a day|cleaning a {item}]
        is it [ok|rude] to [leave a party early|wear sneakers to work|reheat {food}]
        where should I go for a weekend in {city}
        which is better for {topic}, mornings or evenings
        """,
    ),
    _family(
        "howto_mid",
        1.5,
        label(intent="advice", reason="procedure", tier="mid", difficulty=2, retrieval=False, **EVERYDAY),
        """
        compare [leasing and buying|renting and owning|a heat pump and gas|two broadband plans] for a family of {n} with {price} a month
        plan a {n}-day trip to {city} for {n} people with a budget of {price} and one rainy day
        make a weekly [meal plan|training plan|study schedule] for {n} [weeks|people] with {topic} in mind
        explain how [mortgages|index funds|inflation|vaccines|solar panels] work, with an example in numbers
        pros and cons of {topic} for a small company with {m} employees
        how should I prepare for [a job interview|a marathon|a move to {city}|a pay talk] in {n} weeks
        """,
    ),
    _family(
        "mid_writing",
        1.2,
        label(reason="long_form", tier="mid", difficulty=2, **_WRITING),
        """
        write a [cover letter|product description|newsletter|blog post] about {topic} in [{big} words|a friendly tone]
        draft [an e-mail|a message] to my {person} explaining why the {item} project is {n} weeks late
        summarise the arguments for and against {topic} in [{n} bullet points|a table]
        write a dialogue between two people who disagree about {topic}
        write a press release about our new {item} that costs {price}
        """,
    ),
    _family(
        "word_problems",
        1.5,
        label(reason="calculation", tier="word_problem", difficulty=2, **_MATH),
        """
        A shop sells {n} boxes of {m} pens for {price} each; {n} boxes are returned. How much money is left after paying {big} in rent?
        A train leaves {city} at {n} am at {m} km/h and another leaves two hours later at {big} km/h. When does the second catch up?
        Three friends share {big} coins so that the first gets {n} times as many as the second and {m} more than the third. How many has each?
        A tank fills in {n} hours through one pipe and {m} hours through another. How long with both open?
        The price rises by {m}% and then falls by {n}%. What is the total change?
        My age is {n} times my son's and in {m} years it will be twice his. How old are we?
        """,
    ),
    _family(
        "hard_math",
        3.0,
        label(reason="multi_step", tier="hardest", difficulty=3, **_MATH),
        """
        [prove|show|prove that|give a rigorous proof of|derive] {theorem}[.| from first principles.| and say where each hypothesis is used.|]
        [prove|show|prove carefully] that {claim}[.||, by contradiction.|, and explain each step.]
        [is it true|true or false, with proof:] that {claim}?
        [evaluate|compute|find] the integral of {integral}[, with all steps|, and justify exchanging limits|]
        find all [integer|positive integer|rational] solutions of x^{n} + {m}y^2 = {big} [and prove there are no others|]
        how many ways are there to [tile|colour] a {n} by {m} [board|grid] [with dominoes|with {n} colours up to rotation]? [prove it|derive a recurrence|]
        solve the recurrence T(n) = {n}T(n/{n}) + n log n and prove the bound
        let f be [continuous|analytic|convex] on [0,1] with f(0)=f(1). show that {claim} or give a counterexample
        [what is the expected number of|find the distribution of] [coin flips|dice rolls] until the pattern [HTHH|1-2-3|HHT] appears, with a derivation
        derive the [Euler-Lagrange equation|Black-Scholes formula|heat kernel|Navier-Stokes energy estimate|RSA correctness|bias-variance decomposition] step by step
        a spin-1/2 particle in a field of {n} tesla starts along z; derive the probability to find it along x after {m} ns
        calculate the [equilibrium constant|entropy change|reaction order] for the data k={n}.{m} at {big} K, {m} at {big} K and explain each assumption
        classify all groups of order {m} up to isomorphism
        find the eigenvalues of the {n} by {n} matrix with {m} on the diagonal and 1 elsewhere, and prove it is diagonalisable
        """,
    ),
    _family(
        "logic",
        2.0,
        label(reason="multi_step", tier="hardest", difficulty=3, **_MATH),
        """
        There are {n} houses in a row, each with a different colour, pet and drink. The {person} lives next to the cat; the red house is left of the green one; the tea drinker lives in the middle. Who owns the fish?
        Five people finished a race. Ana was not first. Ben was directly behind Cleo. Dan beat Eva but not Ana. Work out every possible order.
        On an island knights tell the truth and knaves lie. A says "B and C are the same kind", B says "A is a knave or C is a knight". What is each, and why?
        {n} meetings, {m} people and {n} rooms: nobody may be in two meetings at once, three people cannot do mornings, and two rooms are too small. Find a schedule or prove there is none.
        Each person has a different job and a different instrument: the pianist is not the baker, the baker sits left of the cellist, and the doctor plays the flute. Clues: 1. the tailor is next to the pianist. 2. the flute is not at either end. What does each play?
        You have {m} coins, one is lighter or heavier. With {n} weighings on a balance, find it and say which. Is that always possible?
        Fill the grid so that every row, column and box holds 1 to 9: 53..7.... 6..195... .98....6. 8...6...3 4..8.3..1 7...2...6
        A farmer, a wolf, a goat, a cabbage and {n} boats that leak: plan the crossing with the fewest trips and prove it is minimal
        """,
    ),
    _family(
        "hard_code",
        2.5,
        label(reason="code", tier="hard", difficulty=3, **_CODING),
        """
        [write|implement|build] a [thread-safe|lock-free|generic|persistent|concurrent] {structure} in {lang}[ with unit tests| and explain the memory ordering| with benchmarks|]
        [implement|write] [a {structure}|Raft leader election|a garbage collector|a SQL parser|a regex engine|a JIT for a toy language|a type checker] in {lang}[, production quality|, no libraries|]
        our {lang} service {bug}. [here is the trace, find the root cause|how would you debug it, step by step|list hypotheses and how to tell them apart]
        debug this race: two goroutines write to a map, one closes the channel, and the {structure} {bug}
        refactor this {big}-line {lang} module into clean layers, keep the API and add tests for the edge cases
        review this {lang} code for security holes: it takes user input, builds a query and writes to {m} tables in one transaction
        optimise this kernel: it multiplies {big}x{big} matrices in {lang} and reaches {n}% of peak
        port the {structure} from {lang} to {lang} without a runtime and keep it wait-free
        prove that this {structure} is linearizable
        write a compiler pass in {lang} that does escape analysis, and argue that it is sound
        """,
    ),
    _family(
        "architecture",
        2.0,
        label(intent="coding", reason="multi_step", tier="hardest", difficulty=3, retrieval=False, **EVERYDAY),
        """
        [design|architect] {system}[: data model, consistency, failure modes, capacity and cost|, with diagrams and trade-offs|, then defend it against three critics|]
        how would you [migrate|split] {system} [with zero downtime|across {n} regions|from a monolith], step by step, with rollback
        write a design document for {system} with {m} thousand requests a second and {n} nines
        compare [Kafka, Pulsar and a database outbox|Paxos, Raft and EPaxos|CRDTs and OT|B-trees and LSM trees] for {system} and recommend one with numbers
        plan the {n}-month roadmap to replace {system}: teams, risks, dependencies and a budget of {price} thousand
        """,
    ),
    _family(
        "hard_analysis",
        2.0,
        label(
            intent="advice",
            reason="specialist",
            tier="hard",
            difficulty=3,
            retrieval=False,
            pii=False,
            legal=False,
        ),
        """
        [explain|analyse] {domain} [in depth, weighing at least three schools of thought|and derive what follows if one assumption fails|with a quantitative model]
        [critically assess|steelman both sides of] {domain} and say what evidence would change your mind
        build a {n}-year financial model for a company that sells {item}s: {m}% churn, {price} price, two debt tranches; explain each assumption and test {n} scenarios
        we have {m} suppliers, {n} plants, minimum lots, and a carbon cap: find the cheapest plan and prove it is near optimal
        differential diagnosis and next tests for a {m}-year-old with fever, a new murmur and low platelets
        explain the interaction of {drug}: mechanism, dose changes and monitoring for a {m}-year-old
        design a randomised trial for {topic}: endpoints, power for {n}% effect, stopping rules and threats to validity
        reconcile these conflicting reports about {domain}, list the contradictions and give a calibrated judgement
        write a {big}-word literature review on {domain} with a taxonomy, open problems and a research agenda
        plan a wedding for {big} guests in {city} with {n} vendors, three budgets, dietary rules, a rain plan and a critical path
        """,
    ),
    _family(
        "hard_writing",
        1.2,
        label(reason="long_form", tier="hard", difficulty=3, **_WRITING),
        """
        write [the first chapter of a novel|a {big}-word short story|a one-act play] about {topic} with two unreliable narrators and a twist that is set up early
        write a {m}-page [grant proposal|white paper|business plan|policy brief] on {domain} with an executive summary, method, budget and risks
        write a sonnet cycle of {n} poems on {topic}, strict metre, in which the last lines form another poem
        ghost-write a keynote on {domain} for an expert audience, {m} minutes, with rebuttals to {n} objections
        """,
    ),
    _family(
        "data",
        1.0,
        label(intent="data_query", reason="lookup", tier="howto", difficulty=1, retrieval=False, **EVERYDAY),
        """
        how many [orders|tickets|users|sessions] did we have [in {city}|on {date}|last quarter]
        [show|list|export] all [customers|orders|refunds] over {price} [since {date}|]
        what is the average [order value|response time|rating] per [week|country|agent]
        top {n} [products|pages|regions] by [revenue|visits|returns]
        [plot|chart] [sign-ups|revenue|churn] by month
        """,
    ),
    _family(
        "hard_data",
        1.0,
        label(intent="data_query", reason="multi_step", tier="code", difficulty=3, retrieval=False, **EVERYDAY),
        """
        write one SQL query with window functions that gives {n}-day retention per cohort, gaps filled, excluding users who changed plan
        join {n} tables with late-arriving events and compute a sessionised funnel per {topic} segment, and make it run in under a minute on {big} million rows
        find out why revenue in {city} dropped {m}% while orders rose; decompose mix, price and volume effects
        """,
    ),
    _family(
        "device",
        0.8,
        label(
            intent="device_action",
            reason="transaction",
            tier="trivial",
            difficulty=1,
            retrieval=False,
            **EVERYDAY,
        ),
        """
        [turn|switch] [on|off] the [lights|heating|{device}|fan] [in the kitchen|upstairs|]
        set [a timer|an alarm] for {n} [minutes|o'clock|hours]
        [volume|brightness] [up|down][ a bit|]
        play [some jazz|my playlist|the news|that song again]
        remind me to [call my {person}|water the plants|buy {food}] [at {n}|tomorrow|on {date}]
        add [milk|batteries|{n} eggs] to the shopping list
        """,
    ),
)
"""Every family of everyday, support and hard requests."""
