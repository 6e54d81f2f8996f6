"""Own-written texts with personal data, and the same texts with the personal spans replaced by plain words.

A network that learns the frames instead of the spans gains nothing: every frame occurs with both labels.
"""

# ruff: noqa: E501  (one template a line reads better than a wrapped one)

from __future__ import annotations

import random
from collections.abc import Iterator

from tiergraph.training.grammar import Slots, expand
from tiergraph.training.labels import Row, label
from tiergraph.training.personal import PERSONAL, PLAIN

_FRAMES = [
    line.strip()
    for line in """
    my name is {NAME} [and I have a question about order {order}|, please call me back|]
    {NAME} here, [where is my {item}|order {order} is late|need a new invoice]
    this is {NAME} from {city}
    please [send|ship|deliver] it to {ADDRESS}
    [I moved|we moved], the new address is {ADDRESS}
    [deliver|bring] order {order} to {ADDRESS} instead of {ADDRESS}
    you can reach me at {EMAIL} [or {PHONE}|]
    [my e-mail is|write to|reply to|cc] {EMAIL}
    call me on {PHONE} [after {n} pm|tomorrow|]
    my number is {PHONE}, [text me|please call]
    charge {CARD} for the {item}
    the card is {CARD}, [expires 0{n}/2{n}|it was declined|please update it]
    my {ID}, [can you check it|please confirm|is that enough]
    here is my {ID} for the verification
    please update my file: {NAME}, {ADDRESS}, {PHONE}
    the package for {NAME} was left at {ADDRESS}
    [Write|Draft] [an e-mail|a letter] to {NAME} about the {topic} meeting on {date}
    [Write|Draft] a [reference|complaint|thank-you note] for {NAME}, who worked with us for {n} years
    schedule a call with {NAME} [on {date}|at {n}]
    {NAME} complained about the {item} and wants {price} back
    the patient is {NAME}, {m} years old, [lives at {ADDRESS}|seen on {date}|on metformin]
    {NAME} lives at {ADDRESS} and works for the city
    who is {NAME} and what do they do in our {city} office
    add {NAME} to the account as a second user
    change the name on the booking from {NAME} to {NAME}
    I am writing on behalf of {NAME} regarding {ID}
    the invoice should go to {NAME}, {ADDRESS}
    ship to: {ADDRESS}
    contact: {EMAIL}
    tel {PHONE}
    Dear {NAME}, thank you for your order {order}.
    Best regards, {NAME}
    Name: {NAME}\\nPhone: {PHONE}\\nIssue: {device} broken
    meet me at {ADDRESS} at {n}
    pick me up from {ADDRESS} and drive to {city}
    the fire was at {ADDRESS} according to the report
    my neighbour {NAME} took the parcel
    summarise this note: {NAME} came in on {date}, was upset about {price}, will call {PHONE}
    translate: "{NAME} has moved to {ADDRESS}"
    extract the fields: {NAME}; {EMAIL}; {ID}
    is {EMAIL} registered with you
    block {CARD}, it was stolen on {date}
    log: user {EMAIL} failed login from {ID}
    forward this to {NAME} at {EMAIL}
    transfer {price} to {ID}
    my [wife|husband|son|daughter|mother], {NAME}, also needs access
    {NAME}, {NAME} and {NAME} will attend the {topic} workshop
    the tenant at {ADDRESS} has not paid since {date}
    our driver {NAME} is at {ADDRESS} now
    can you find the file of {NAME}, {ID}
    I live at {ADDRESS}, is that in your delivery area
    reset the password of {EMAIL}
    it is {NAME}'s [birthday|last day|turn], write a card
    [what did|did] {NAME} say about the {topic} budget
    Attendees: {NAME} (chair), {NAME}. Agenda: {topic}, {topic}.
    employee {NAME} earns {price} and reports to {NAME}
    visitor {NAME} has {ID}
    the doctor, {NAME}, prescribed {n} pills
    home address {ADDRESS}, work address {ADDRESS}
    {ADDRESS}
    {NAME}
    {PHONE}
    {EMAIL}
    [write|prepare|draft] [a welcome note|a performance review|a reference|minutes|a farewell speech|feedback] for [our new colleague|my employee|the intern|the teacher|] {NAME}
    {NAME} will [pick up the keys|come by|take over|drop it off] [tomorrow|on {date}|at noon]
    {NAME} [starts|started|left|retired|was promoted] on {date}
    [signed|yours|love|sent by|approved by|reported by|created by], {NAME}
    the [customer|guest|client|student|applicant|witness|driver|nurse] {NAME} [from {city}|] is [unhappy|waiting|ill|late|missing a {item}]
    [I am|I'm|it's|hi, I'm|hello I am] {NAME}[, my parcel is lost|, a customer since 20{m}|]
    [our house|the flat|the party|my clinic|the office of {NAME}] is [at|] {ADDRESS}
    [could you|please] forward [it|this] to {EMAIL}
    [replace|resend|collect] it [at|to|from] {ADDRESS} [before {n} pm|]
    {CARD} [exp|expires|valid thru] 0{n}/2{n} was [rejected|charged twice]
    [my|his|her|our] {ID} [expires soon|was rejected|is correct|has a typo]
    [ring|text|reach|phone] [me|her|him|{NAME}] [at|on] {PHONE}
    {NAME} said that {NAME} [owes|gave] them {price}
    [CV of|profile of|notes on] {NAME}: {n} years at the {city} office, likes {topic}
    patient {NAME}, [chest pain|broken wrist|check-up], [room {n}|seen by {NAME}]
    [seat|room|desk|locker] {m} is for {NAME}
    [invite|remind|thank|call|ask|pay] {NAME} [about the {item}|for {price}|again|]
    """.strip().splitlines()
]

_NEVER_PERSONAL = [
    line.strip()
    for line in """
    order {order} from {date} for {price} [is late|arrived|was cancelled]
    the {item} costs {price} and weighs {n} kg
    meeting on {date} at {n}:30 in room {big}
    flight {order} to {city} leaves at {n}:45
    the shop on the high street in {city} opens at {n}
    which bus goes from the main station in {city} to the old town
    is there a pharmacy near Market Square
    how long is Fifth Avenue
    Wall Street closed {n}% lower on {date}
    the Abbey Road album by the Beatles
    Harry Potter box set {price}
    Tom and Jerry cartoons
    who painted the Mona Lisa
    plays by William Shakespeare
    when did Albert Einstein publish special relativity
    songs by Taylor Swift
    Marie Curie won how many Nobel prizes
    Dr. Martens boots in size {m}
    John Deere tractor parts
    Ben & Jerry's near me
    Calvin Klein [jeans|shirt] in {city}
    Mercedes C {big} against BMW {n}{m}
    Dell Latitude {big} battery
    iPhone {n} Pro Max [{big} GB|case]
    version {n}.{m}.{big} crashes
    error {big} at line {m}
    ISBN 978-{n}-{big}-{big}-{n}
    room {big}, building {n}
    {m} x {big} = ?
    pi to {n} digits: 3.14159265358979
    population of {city} in 20{m}
    [April|May|June|August] sales were {price}
    Rose and lily seeds, {n} packs
    Jack of all trades meaning
    will Grace be enough of a name for a boat
    a Victoria sponge recipe for {n}
    Florence or Paris in {date}
    Jordan and Chad are countries
    Austin, Texas to Charlotte by car
    ask Alexa to play jazz
    Hey Siri, set a timer for {n} minutes
    Wells Fargo opening hours
    my name tag fell off
    what should I name my [cat|boat|start-up]
    how do I change the name on my account
    can I change my delivery address later
    why do you need my phone number
    is my card number stored
    where do I enter my e-mail
    I forgot which e-mail I used
    what is an IBAN
    do you need my passport for check-in
    my address has changed, where do I update it
    Natalie had {m} apples and gave {n} to Ben
    Alice sends Bob a message through Eve
    Maria is twice as old as Carlos; together they are {m}
    write a story about a detective called Max
    [does|has|is] [a|the] [Airbus|Cessna|Embraer|Concorde] {big} [have power sockets|loud|still flying]
    [serial|part|batch|reference|article|licence plate frame] [number|code|no.] [SN|WX|AB|ZT]-{big}-[A|B|C] [does not register|is worn off|is missing]
    the [bridge|café|market|road work] on [Station Road|Church Street|Broadway|King Street] [is closed|was lovely|starts on {date}]
    [Michael Jackson|Louis Vuitton|Ralph Lauren|Tommy Hilfiger|Estée Lauder|Hugo Boss] [bag|perfume|poster|belt] [has a broken zip|is sold out]
    [how old was|who was|when was] [Cleopatra|Mozart|Abraham Lincoln|Gandhi|Galileo Galilei|Queen Victoria] [born|when crowned|famous for]?
    the [Eiffel Tower|Lincoln Memorial|Brandenburg Gate|Golden Gate Bridge] is {big} metres [tall|long]
    why do you [need|ask for|store] my [date of birth|passport|phone number|surname|postcode]
    what is [a social security number|a tax ID|a sort code|a middle name] [used for|]
    my [manager|sister|uncle|teacher|landlady] [wants|needs|lost|will bring] the [report|keys|{item}] [by Friday at {n}|on {date}|]
    [call|ring|text] me [back|] [this afternoon|later|when it is ready] please
    [Python|Java|C++] {n}.{m} release notes
    the {item} in size {m} was out of stock in {city}
    ticket INC{big}{m} is [open|closed|pending]
    [chapter|page|verse|season|round|level] {m} of [the book|the series|the game]
    """.strip().splitlines()
]


def rows(slots: Slots, count: int, draw: random.Random) -> Iterator[Row]:
    """``count`` rows: the frames with personal data, with plain words, and texts that never hold any."""
    personal, plain = {**slots, **PERSONAL}, {**slots, **PLAIN}
    for _ in range(count):
        choice = draw.random()
        if choice < 0.75:
            index = draw.randrange(len(_FRAMES))
            filled = personal if choice < 0.45 else plain
            text = expand(_FRAMES[index], filled, draw).replace("\\n", "\n")
            group, pii = f"templates_pii:frame:{index}", filled is personal
        else:
            index = draw.randrange(len(_NEVER_PERSONAL))
            text, group, pii = (
                expand(_NEVER_PERSONAL[index], slots, draw),
                f"templates_pii:plain:{index}",
                False,
            )
        yield Row(text=text, source="templates_pii", group=group, labels=label(pii=pii, legal=False, tier="easy"))
