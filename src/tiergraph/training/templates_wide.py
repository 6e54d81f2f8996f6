"""More own-written requests, for breadth: words of the law, of mathematics, of work and of idle talk.

A small network knows only what it has read. These lists carry many terms through few frames, so that a flag or
a tier hangs on the terms and not on the frames; the everyday frames are shared with harmless terms.
"""

# ruff: noqa: E501  (one template a line reads better than a wrapped one)

from __future__ import annotations

from tiergraph.training.grammar import Slots
from tiergraph.training.labels import EVERYDAY, label
from tiergraph.training.personal import first
from tiergraph.training.templates import Family, _family

_MATH = label(intent="math_reasoning", reason="multi_step", tier="hardest", difficulty=3, retrieval=False, **EVERYDAY)

_SLOTS: Slots = {
    "who": lambda draw: first(draw),
    "term": [
        "a lawsuit",
        "litigation",
        "a class action",
        "an injunction",
        "a restraining order",
        "a court date",
        "a hearing",
        "a deposition",
        "a plea deal",
        "bail",
        "probation",
        "parole",
        "an indictment",
        "a misdemeanor",
        "a felony charge",
        "an arrest warrant",
        "a search warrant",
        "perjury",
        "alimony",
        "child support",
        "guardianship",
        "visitation rights",
        "paternity",
        "a prenuptial agreement",
        "foreclosure",
        "a lien on my house",
        "an easement",
        "a boundary dispute",
        "a title deed",
        "zoning law",
        "trespassing",
        "squatters' rights",
        "libel",
        "slander",
        "assault charges",
        "shoplifting charges",
        "a hit and run",
        "a speeding citation",
        "a parking fine I want to contest",
        "a traffic court summons",
        "workers' compensation",
        "constructive dismissal",
        "redundancy rights",
        "unpaid overtime",
        "retaliation at work",
        "sexual harassment at work",
        "wage theft",
        "a whistleblower complaint",
        "reasonable accommodation",
        "maternity leave rights",
        "a non-disparagement clause",
        "a trade secret claim",
        "a DMCA takedown",
        "copyright in my photos",
        "fair use",
        "a trademark opposition",
        "a patent claim",
        "open source licence violations",
        "royalties owed to me",
        "antitrust law",
        "bribery",
        "sanctions",
        "export controls",
        "insider trading",
        "a fiduciary duty",
        "a shareholder dispute",
        "dissolving my company",
        "insolvency",
        "a creditor's claim",
        "debt collectors",
        "garnished wages",
        "an unlawful eviction",
        "a rent increase beyond the cap",
        "mould that my landlord will not fix",
        "a security deposit dispute",
        "a lease break",
        "squatting tenants",
        "medical malpractice",
        "product liability",
        "a slip and fall",
        "a dog bite",
        "a denied insurance claim",
        "bad faith by an insurer",
        "a contested will",
        "an executor who stole",
        "an estate",
        "deportation",
        "asylum",
        "a visa overstay",
        "citizenship by descent",
        "a data subject access request",
        "the right to erasure",
        "a data breach notification",
        "consent under GDPR",
        "a litigation hold",
        "legal privilege",
        "e-discovery",
        "a witness statement",
        "an expert witness",
        "hearsay",
        "jurisdiction",
        "service of process",
        "a default judgment",
        "contempt of court",
        "a settlement offer",
        "mediation",
        "binding arbitration",
        "a verbal contract",
        "consideration in contract law",
        "specific performance",
        "liquidated damages",
        "an SLA breach",
        "gross negligence",
        "termination for cause",
        "a hold harmless clause",
        "indemnification",
        "limitation of liability",
        "a warranty disclaimer",
        "power of attorney",
        "a living trust",
        "notarised consent",
    ],
    "jurist": [
        "lawyer",
        "attorney",
        "solicitor",
        "barrister",
        "legal counsel",
        "law firm",
        "legal team",
        "notary",
        "public defender",
        "advocate",
    ],
    "office": [
        "the ombudsman",
        "the labour court",
        "the consumer tribunal",
        "the data protection regulator",
        "the county court",
        "the employment tribunal",
        "the tenancy board",
        "the public prosecutor",
        "the attorney general's office",
        "the police",
    ],
    "harmless": [
        "a birthday cake",
        "my garden fence",
        "a broken zip",
        "the loyalty card",
        "a lost umbrella",
        "a late train",
        "the gym timetable",
        "a noisy fridge",
        "the wifi in the lobby",
        "my reading list",
        "a squeaky door",
        "the law of large numbers",
        "Ohm's law",
        "Moore's law",
        "my mother-in-law's visit",
        "in-laws at dinner",
        "a law school film",
        "a courtyard café",
        "tennis courts",
        "food court opening hours",
        "a courtesy call",
        "judging a bake sale",
        "a jury of taste testers",
        "a case of soda",
        "a pillow case",
        "a brief holiday",
        "swimming briefs",
        "a motion sensor",
        "slow motion video",
        "a bench press",
        "a park bench",
        "a bar of soap",
        "the bar chart",
        "chocolate bars",
        "a sentence with five words",
        "a guilty pleasure",
        "an appealing colour",
        "a claim check for luggage",
        "a fine dining place",
        "fine sandpaper",
        "fine art prints",
        "a record player",
        "a criminal drama on TV",
        "a mystery novel",
        "police scanner toys",
        "a will-o-the-wisp story",
        "will call tickets",
        "a trial lesson",
        "a clinical trial headline",
        "party hats",
        "third-party cookies in my oven joke",
        "a title for my poem",
        "a deed of kindness",
        "trust falls",
        "a bond film",
        "bonding glue",
        "a charge cable",
        "wireless charging",
        "free of charge parking",
        "a battery that lost its charge",
        "a witness to my proposal story",
        "a testimonial for my bakery",
        "an act in the school play",
        "act two of Hamlet",
        "a bill of materials",
        "my phone bill",
        "a duck's bill",
    ],
    "object": [
        "a finite group",
        "a compact metric space",
        "a commutative ring with unity",
        "a Hilbert space",
        "a bounded operator",
        "a Markov chain",
        "a simple graph",
        "a smooth manifold",
        "a convex function",
        "an entire function",
        "a Noetherian module",
        "a separable field extension",
        "a martingale",
        "a probability measure",
        "a lattice",
        "a Banach algebra",
        "a tree",
        "a bipartite graph",
        "an elliptic curve",
        "a topological group",
        "a nilpotent matrix",
        "a Lipschitz map",
        "a stochastic matrix",
        "a Lebesgue measurable set",
        "a finite automaton",
        "a context-free grammar",
    ],
    "property": [
        "is abelian",
        "is complete",
        "has a fixed point",
        "is normal",
        "is cyclic",
        "is Hausdorff",
        "is connected",
        "is solvable",
        "has a perfect matching",
        "is self-adjoint",
        "is irreducible",
        "is closed",
        "is dense",
        "converges almost surely",
        "is uniformly continuous",
        "is diagonalisable",
        "is bounded",
        "attains its supremum",
        "is separable",
        "has no zeros",
        "is reversible",
        "has rank at most two",
        "is recurrent",
        "is decidable",
    ],
    "method": [
        "the EM algorithm",
        "a Gibbs sampler",
        "a variational bound",
        "a Kalman filter",
        "backpropagation through time",
        "a Laplace approximation",
        "the Metropolis-Hastings acceptance rule",
        "the Bellman equation",
        "a Lagrangian dual",
        "the Fisher information",
        "the posterior predictive",
        "a finite element scheme",
        "the Runge-Kutta error",
        "a martingale bound",
        "a PAC bound",
        "the Fourier transform of a comb",
        "the Schrödinger equation for a finite well",
        "the Lorentz transformation",
        "the Boltzmann distribution",
        "the Nernst equation",
        "a Hardy-Weinberg test",
        "a Nash equilibrium",
        "an option's Greeks",
    ],
    "model": [
        "a hierarchical model with missing data",
        "a mixture of Gaussians",
        "a hidden Markov model",
        "a double pendulum",
        "a reversible reaction",
        "an auction with budgets",
        "a logistic map",
        "an SIR epidemic with births",
        "a Poisson process with thinning",
        "a stochastic volatility model",
        "a beam on an elastic foundation",
        "an RLC circuit",
    ],
    "stack": [
        "Postgres",
        "Kafka",
        "Kubernetes",
        "Redis",
        "Cassandra",
        "Spark",
        "a React app",
        "our iOS client",
        "nginx",
        "gRPC services",
        "Elasticsearch",
        "a Flink job",
        "MongoDB",
        "the CI cluster",
        "a CUDA kernel",
        "an embedded RTOS",
    ],
    "symptom": [
        "deadlocks",
        "split brain",
        "tail latency spikes",
        "silent data corruption",
        "a memory leak",
        "phantom reads",
        "thundering herds",
        "clock skew",
        "lost acknowledgements",
        "a priority inversion",
        "cache stampedes",
        "flaky ordering",
        "OOM kills",
        "index bloat",
        "backpressure collapse",
    ],
    "chapter": [
        "photosynthesis",
        "compound growth",
        "the water cycle",
        "how a bill of exchange works",
        "black holes",
        "the immune system",
        "blockchain",
        "tides",
        "how credit scores work",
        "the French Revolution",
        "plate tectonics",
        "the stock market",
        "how planes fly",
        "machine learning",
        "fermentation",
        "the offside rule",
    ],
    "occasion": [
        "a meeting",
        "an invitation",
        "a late reply",
        "a holiday",
        "a job offer",
        "a dinner",
        "a price rise",
        "a birthday",
        "a team lunch",
        "a new address",
        "a lost book",
        "a reference",
    ],
    "chat": [
        "My {person} always says I worry too much.",
        "It rained all day in {city} and the bus was late again.",
        "We have a {item} like this at the cottage, the old one, it still works.",
        "The kids are home from school, so it is loud here.",
        "I was a nurse for {m} years, so I am used to waiting.",
        "Honestly I nearly gave up.",
        "The cat walked over the keyboard, sorry for typos.",
        "On {date} I had a lovely talk with one of your colleagues, a very patient young man.",
        "My husband thinks it is the cable, but he thinks everything is the cable.",
        "I know, I know, I should have written earlier.",
        "You would laugh if you saw my desk right now.",
        "We are just back from {city}, what a trip, {n} hours in the car.",
        "The lady at the shop told me to write here instead of calling.",
        "I do not want to be a bother.",
        "It was a present from my {person}, so it matters to me.",
        "First I thought it was me, then I thought it was the {device}, now I do not know what to think.",
        "I wrote it all down somewhere but cannot find the paper.",
        "Anyway, that is not your problem.",
        "Last time this took {n} minutes, so I am hopeful.",
        "I am {m} years old and not a computer person, as you can tell.",
        "My coffee went cold while I waited in the queue, number {m}, can you imagine.",
        "The postman is new and rings at the wrong door.",
        "We have visitors from {city} until {date}.",
        "I sat in the garden and thought I would sort this out today.",
        "The dog barked at the courier, so maybe that is why.",
        "Greetings from sunny {city}!",
        "Say hello to the team.",
        "Everything else was fine, the box was pretty and the {item} smelled new.",
        "I told my {person} about you and they ordered a {item} as well.",
        "Where was I.",
        "The match was on, so I only saw the message in the evening.",
        "I tried the search but it only finds blenders.",
        "It used to be easier, in the old days you just phoned.",
        "No rush, I am at work until {n} anyway.",
        "My glasses are in the kitchen.",
        "It is for the school fair, we do it every year with the neighbours.",
    ],
}

_LEGAL = label(reason="specialist", tier="legal", difficulty=3, retrieval=True, pii=False, legal=True)
_PLAIN = label(tier="easy", difficulty=1, pii=False, legal=False)

LEGAL: tuple[Family, ...] = (
    _family(
        "legal_terms",
        5.0,
        _LEGAL,
        """
        {hi} I have a question about {term}[ {place}|], [where do I start|what should I do|what are my options]?
        [can you explain|explain|tell me about] {term} [{place}|in simple words|and how it affects me]
        [what happens|what can I do] if [it comes to|I am facing|they threaten] {term}?
        my {person} is [dealing with|facing|worried about] {term}, [is there a deadline|can we fight it|who pays]?
        is {term} [enforceable|valid|possible|a criminal matter|grounds for dismissal] [{place}|without a {jurist}|if nothing was signed]?
        how [do I|does one|can my company] [respond to|prepare for|prove|challenge|defend against] {term}?
        {party} [mentioned|threatened me with|is asking about] {term}. [Can they do that?|Is this allowed?|What now?]
        [how long does|how much does] {term} [take|cost|usually take] [{place}|]?
        should I [get|hire|call|consult] a {jurist} about {term}?
        we need [advice|a memo|a risk assessment|a checklist] on {term} for [our company|the board|HR|a client]
        what counts as {term} [{place}|when the other side is abroad|]?
        {term}: [who has the burden of proof|what evidence do I need|what are the penalties]?
        difference between {term} and {term}
        [read|look at] this letter about {term} and tell me [whether I must answer|what it means|how to reply]
        you will [be hearing|hear] from my {jurist} [about this|soon|if it is not fixed by {date}|]
        I have [spoken to|retained|hired] a {jurist} and we [will proceed|expect an answer by {date}|are prepared to go to trial]
        I am [taking|going to take|ready to take] this to {office}
        I will lodge a complaint with {office} [if you do not act|tomorrow|unless I get {price} back]
        someone [from {office}|in uniform] [came to my door|called me|left papers], [what are my rights|do I have to answer]?
        can I be [fired|evicted|fined|arrested|sued|deported|disinherited] for [saying no|a post online|being sick|a mistake at work|not paying {price}|recording a call]?
        can they [fire|evict|sue|fine|prosecute] [me|us|my {person}] for that [{place}|]?
        is it [legal|lawful|a crime|an offence|allowed under the law] to [film my neighbours|drive without papers|sublet my flat|pay in cash only|track my employees|copy a logo|sell used licences]?
        someone [used|copied|published|stole] my [photos|song|article|design|code] without [permission|a licence|asking], [can I stop them|what can I claim|do I get damages]?
        [terminate|get out of|rescind] [our|the] [contract|agreement] with a vendor who [missed the SLA|did not deliver|went bankrupt] and [recover the fees|claim damages]
        who is [liable|at fault|responsible in law] when [a delivery is damaged in transit|two cars collide while parking|a tree falls on a fence|an AI gives wrong advice]?
        they [withheld|did not pay|cut] my [salary|bonus|deposit|pension], [what does the law say|where can I complain|can I claim interest]?
        please [cite|find|list] the [statute|case law|regulation|precedent] on {term}
        [write|draft] a [statement|petition|brief|formal letter|complaint] [to {office}|for court] about {term}
        """,
    ),
    _family(
        "harmless_terms",
        3.0,
        _PLAIN,
        """
        {hi} I have a question about {harmless}, [where do I start|what should I do|what are my options]?
        [can you explain|explain|tell me about] {harmless} [in simple words|please|]
        my {person} is [worried about|dealing with|excited about] {harmless}, [any tips|what now]?
        how [do I|can my company] [prepare for|respond to|get|find] {harmless}?
        should I [get|call about|ask about] {harmless}?
        difference between {harmless} and {harmless}
        what counts as {harmless}?
        how [long does|much does] {harmless} [take|cost]?
        [write|draft] a [note|statement|short letter] about {harmless}
        is {harmless} [allowed|possible|included in the price]?
        you will hear from me [about {harmless}|soon], I [promise|had a great time]
        can I be [picked up|called back|moved] [at {n}|to another seat] because of {harmless}?
        is it [okay|normal|allowed] to [bring a dog|pay in cash|change seats|leave early|use two coupons|park here]?
        someone [used|took] my [mug|seat|towel|charger] without asking, lol
        are there [rules|limits] for [hand luggage|guests|late check-out|pool hours]?
        I would like to [settle|pay|split] the bill
        we want to go to {harmless} on {date}
        """,
    ),
)

HARD: tuple[Family, ...] = (
    _family(
        "statements",
        4.0,
        _MATH,
        """
        Let [X|G|M|A|T] be {object} [and suppose every proper subobject {property}|such that it {property}|]. [Show|Prove] that it {property}.
        [Prove|Disprove|Show] that every {object} that {property} also {property}.
        Suppose {object} {property}. Must it be true that it {property}? [Prove it or give a counterexample.|Justify.]
        [Give|Construct] an example of {object} that {property} but not one that {property}, with proof
        [Prove|Show] {claim}
        [Prove|Show] that there are [infinitely many|at least two|no] {object}s [up to isomorphism|of prime order|of this kind]... and say why
        [Characterise|Classify] every {object} which {property}
        [Derive|Work out] {method} for {model}[, step by step|, stating each assumption|]
        Derive {method} and [apply it to|compare it with {method} for|discuss its limits on] {model}
        [Model|Analyse] {model}: find the steady states, their stability and what happens when a parameter is uncertain by {n}%
        two pumps fill a tank in {n} hours together, one alone needs {m} minutes more than the other, and a leak drains a tenth an hour; when is it full, and how sensitive is that to the leak
        [Compute|Bound] the probability that {model} exceeds {big} before time {n}, and prove the bound is tight
        """,
    ),
    _family(
        "puzzles",
        3.5,
        _MATH,
        """
        {who}, {who}, {who} and {who} sit [at a round table|in a row|in one car]. {who} is not next to {who}. {who} sits opposite {who}. {who} is two seats from {who}. [Who sits where?|Find all seatings.|Determine every possible order.]
        {n} friends have different jobs and pets. {who} is older than the baker. {who} lives next to the one with the parrot. The dentist has no cat. {who} does not own the dog. [Who owns what?|Deduce everything.]
        {who} says {who} lies. {who} says both {who} and {who} tell the truth. Exactly one lies. Who?
        {who}, {who} and {who} each bought a {item} for a different price on a different day. {who} paid more than the one who came on Monday. The {item} was not the cheapest. Match them.
        Schedule {who}, {who}, {who} and {who} over {n} shifts: {who} never works with {who}, nobody works twice in a row, {who} needs Friday off. Is it feasible?
        Four people must cross a bridge with one torch: {who} takes {n} minutes, {who} {m}, {who} 1 and {who} 2. Two at a time. Minimise and prove the minimum.
        The houses are numbered 1 to {n}. {who} lives left of the person who drinks tea. The person with the fish is not {who}. House 2 is blue. Who lives in house {n}?
        """,
    ),
    _family(
        "name_problems",
        1.5,
        label(
            intent="math_reasoning",
            reason="calculation",
            tier="word_problem",
            difficulty=2,
            retrieval=False,
            **EVERYDAY,
        ),
        """
        {who} has {m} apples, gives {n} to {who} and buys {n} bags of {n} more. How many are left?
        {who} runs {n} km a day and {who} runs half as far again. How far do they run together in {m} days?
        {who} saves {price} a week, {who} saves twice that. After how many weeks do they have {big} together?
        {who} is {m} and {who} is {n} years younger. In how many years will they be 100 together?
        If {who} paints a wall in {n} hours and {who} in {m} hours, how long do they need together?
        """,
    ),
    _family(
        "incidents",
        3.0,
        label(intent="coding", reason="multi_step", tier="hard", difficulty=3, retrieval=False, **EVERYDAY),
        """
        {stack} shows {symptom} [under high concurrency|after the migration|since the last release|only at night], here are the [graphs|logs|traces]: find the root cause [and propose a fix without downtime|and a safe rollout|]
        explain why {stack} suffers {symptom} when we [add replicas|turn on compression|enable row-level security|shard by tenant], and how to prove it
        [design|propose] a [globally consistent|fault-tolerant|multi-tenant|zero-downtime] [inventory|billing|identity|search|messaging] service that [survives a region outage|handles {big} thousand writes a second|never loses an event]
        [implement|write] a [red-black tree|Fibonacci heap|suffix automaton|Aho-Corasick matcher|segment tree|wait-free queue|LRU cache|parser combinator] in {lang} [with deletion|with tests|and prove its invariants|that is safe under concurrent use]
        [write|build] a {lang} [compiler|interpreter|debugger|scheduler|allocator|profiler] for [a toy language|an embedded target], with [tests|a test plan] and complexity
        post-mortem: {stack} had {symptom} for {m} minutes; reconstruct the chain of events from these contradicting timelines
        tune {stack} for {symptom}: give a model, an experiment and the expected gain
        """,
    ),
)

EASY: tuple[Family, ...] = (
    _family(
        "plain_writing",
        2.5,
        label(intent="writing", reason="long_form", tier="howto", difficulty=1, retrieval=False, **EVERYDAY),
        """
        [write|draft|compose] a [polite|short|friendly|formal|funny] [email|e-mail|text|message|reply] [about|declining|confirming|asking for] {occasion}
        [write|give me] a [short|funny|nice] [poem|toast|caption|slogan|bio|headline] about {topic}
        [summarise|summarize|shorten] this [text|article|email|note] [in two lines|for my {person}|]
        [proofread|rephrase|reword|make friendlier]: thank you for {occasion}, we will answer soon
        [translate|put] this into [French|Polish|plain English|Turkish]: the {item} is on the table
        """,
    ),
    _family(
        "explanations",
        2.5,
        label(intent="factual_question", reason="lookup", tier="howto", difficulty=2, **EVERYDAY),
        """
        [explain|describe|tell me] [how {chapter} works|{chapter}] [with an example|to a child|in three sentences|simply|]
        what is {chapter} and why does it matter
        [summarise|list] the [pros and cons|main points|benefits and risks] of {topic}
        what is the difference between {topic} and {topic}
        """,
    ),
    _family(
        "plans",
        2.0,
        label(intent="advice", reason="judgement", tier="howto", difficulty=2, retrieval=False, **EVERYDAY),
        """
        [suggest|plan|make] [a|an] [{n}-day|weekend|three-day] [itinerary|trip|programme] for {city} [with kids|on a budget|for food lovers|]
        [suggest|recommend] a [book|film|game|hobby|restaurant] [for my {person}|about {topic}|for a rainy day]
        what [should|can] I [give|tell|cook for] my {person} [on {date}|]
        """,
    ),
    _family(
        "scripts",
        2.0,
        label(intent="coding", reason="code", tier="mid", difficulty=2, retrieval=False, **EVERYDAY),
        """
        [write|make] a [small|short|] {lang} [script|program|function] that [renames files in a folder|counts words in a text|downloads a page|converts a CSV to JSON|checks for palindromes|sends a mail|resizes images]
        [how do I|show me how to] [parse a date|call a REST API|read JSON|draw a chart|connect to a database|write a unit test] in {lang}
        why does this {lang} code say [undefined|null pointer|index out of range|permission denied]
        """,
    ),
)

_ASKS = {
    "ask_product": (
        label(
            intent="product_support",
            reason="procedure",
            tier="trivial",
            difficulty=1,
            retrieval=True,
            **EVERYDAY,
        ),
        "how do I [pair|clean|reset|mount|turn on] the {device} [again|]\nwhere do I find the manual for the {item}\nwhat does the light on the {device} mean\nmy {device} does nothing at all, what now",
    ),
    "ask_delivery": (
        label(intent="order_delivery", reason="lookup", tier="trivial", difficulty=1, retrieval=True, **EVERYDAY),
        "when will the [parcel|package|{item}] come [again|]\nwhere is my [order|parcel|{item}]\ncan it be left with a neighbour\nis there a tracking link",
    ),
    "ask_return": (
        label(intent="return_refund", reason="lookup", tier="trivial", difficulty=1, retrieval=True, **EVERYDAY),
        "can I still send the {item} back\nwhen do I get the {price} back\ncan I swap it for a bigger one\nhow long do I have to return it",
    ),
    "ask_account": (
        label(
            intent="account_access",
            reason="procedure",
            tier="trivial",
            difficulty=1,
            retrieval=True,
            **EVERYDAY,
        ),
        "how do I get a new password\nhow can I log in again\nhow do I change my e-mail\nwhere do I enter the code",
    ),
    "ask_billing": (
        label(
            intent="billing_payment",
            reason="procedure",
            tier="trivial",
            difficulty=1,
            retrieval=True,
            **EVERYDAY,
        ),
        "why was it {price} this month\ncan I pay by card\nwhere is my invoice\nhow do I stop the {plan} plan",
    ),
}


def _rambling(slot: str) -> Family:
    """An everyday ask somewhere in two to seven sentences of idle talk."""
    lines = [
        f"{{hi}} {'{chat} ' * before}{{{slot}}}? {'{chat} ' * after}[|Thank you.|Kind regards|Bye]"
        for before in range(5)
        for after in range(4)
        if before + after >= 2
    ]
    return Family(name=f"rambling_{slot}", labels=_ASKS[slot][0], templates=lines, weight=0.7)


FAMILIES: tuple[Family, ...] = (*HARD, *EASY, *(_rambling(slot) for slot in _ASKS))
"""Everything here but the legal families."""

SLOTS: Slots = {**_SLOTS, **{slot: asks.split("\n") for slot, (_, asks) in _ASKS.items()}}
"""Values of the slots that only these templates use."""
