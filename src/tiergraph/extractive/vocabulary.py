"""The few English words that the model-free code knows: grammar words, set phrases, groups that mean the same.

Small on purpose: a word that is missing here costs a little overlap; a wrong synonym would make a false claim look
supported.
"""

from __future__ import annotations


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


STOP_WORDS = _words(
    """
    a about above actually after again against ain't all almost also although always am an and another any anybody
    anyone anything are aren't as at away be because been before being below between both but by can can't cannot
    cant could couldn't dear did didn't didnt do does doesn't doesnt doing don't done dont down during each either
    else ever every everything few for from further get gets getting go goes going got had hadn't has hasn't have
    haven't having he hello her here hers herself hey hi him himself his how however i i'd i'll i'm i've if im in
    instead into is isn't isnt it it's its itself ive just let let's like may maybe me might mine more most much
    must my myself need needs neither no nor not now of off often oh ok okay on once one only onto or other others
    our ours ourselves out over own per perhaps please quite rather really same shall she should shouldn't since so
    some somebody someone something sometimes soon still such sure than thank thanks that that's the their theirs
    them themselves then there there's these they they're thing things this those though through thus to too under
    until up upon us very via want wants was wasn't way we we're we've well were weren't what what's whatever when
    where whether which while who whom whose why will with within without won't wont would wouldn't yes yet you
    you'd you'll you're you've your yours yourself
    """
)

WEAK_WORDS = _words(
    """
    able add added amount answer ask asked asking available back bad begin best better big bit bought bring business
    buy call called came case change check choose click come comes coming company company's contact correct current
    customer day days different easy else end enough exact exactly example explain extra far fast feel figure find
    finding fine first follow found full gave general give given good great guess happen happened happening happens
    happy hear heard help hold hope hour hours idea important include info information instead item items keep kind
    know known last late later learn leave left less list little live long look looked looking lot love made main
    make makes making manage many matter mean means meant mention minute minutes month months morning name near new
    next nice nothing number old one open order ordered ordering orders part people person place possible problem
    problems product products provide put question questions quick quickly read ready real reason receive received
    right run said saw say says second see seem seen sell show side simple sir situation something sorry sort start
    state still stop stopped story stuff supposed take taken takes taking talk tell telling thing think thought
    three time times today together told tomorrow took top total tried trouble true try trying turn turned two
    understand use used useful user using usual usually view wait waited waiting wanted wanting watch week weeks
    went whole wish wonder wondering word words work worked working works world worry write writing wrong year years
    yesterday
    """
)
"""Content words that say little about the subject: they count, but less than the others."""

PHRASES: dict[str, str] = {
    "sign in": "login",
    "signing in": "login",
    "signed in": "login",
    "log in": "login",
    "logging in": "login",
    "logged in": "login",
    "log on": "login",
    "send back": "return",
    "sending back": "return",
    "sent back": "returned",
    "give back": "return",
    "money back": "refund",
    "e mail": "email",
    "e mails": "emails",
    "how much": "price",
    "wi fi": "wifi",
    "two step": "two-factor",
    "pick up": "pickup",
    "set up": "setup",
    "setting up": "setup",
    "business day": "working day",
    "business days": "working days",
    "get rid of": "delete",
}

_GROUPS = """
price cost costs costing charges charged fee fees pricing expensive cheap
buy buying bought purchase purchases purchased purchasing
parcel package packages parcels shipment
ship shipping shipped send sends sending sent post posted postage
deliver delivery delivers delivered delivering deliveries arrive arrives arrived arrival
refund refunds refunded refunding reimburse reimbursed reimbursement
return returns returned returning
broken defective faulty damaged damage fault defect
mobile phone phones telephone smartphone
delete deletes deleted deleting deletion remove removes removed removing erase erased
cancel cancels cancelled canceled cancelling canceling cancellation
login signin logon
bill bills invoice invoices
voucher vouchers coupon coupons promo
photo photos picture pictures image images
fix fixes repair repairs repaired repairing fixed
begin begins start starts started beginning began
end ends finish finished ended
allow allows allowed permit permitted
change changes changed changing alter modify modified update updates updated
quick quickly fast
pound pounds quid gbp
spend spends spending spent
smart intelligent
stolen theft steal stole hacked
lost lose losing loses missing
account accounts profile
combine combined combining together
minimum min
maximum max
big large
company firm
job position
film movie
kid kids child children
abroad overseas international internationally
free complimentary
""".strip()


def _groups() -> dict[str, str]:
    return {word: f"{line.split()[0]}" for line in _GROUPS.splitlines() for word in line.split()}


SYNONYMS: dict[str, str] = _groups()
