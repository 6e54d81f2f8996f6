"""Invented personal data and its non-personal look-alikes, for templates about PII."""

# ruff: noqa: E501  (one template a line reads better than a wrapped one)

from __future__ import annotations

import random
from collections.abc import Callable, Mapping

_FIRST = [
    "James",
    "Mary",
    "Robert",
    "Patricia",
    "John",
    "Jennifer",
    "Michael",
    "Linda",
    "David",
    "Elizabeth",
    "William",
    "Barbara",
    "Richard",
    "Susan",
    "Joseph",
    "Jessica",
    "Thomas",
    "Sarah",
    "Karen",
    "Daniel",
    "Nancy",
    "Matthew",
    "Lisa",
    "Anthony",
    "Betty",
    "Mark",
    "Sandra",
    "Paul",
    "Ashley",
    "Steven",
    "Emily",
    "Andrew",
    "Kimberly",
    "Joshua",
    "Donna",
    "Kevin",
    "Michelle",
    "Brian",
    "Carol",
    "George",
    "Amanda",
    "Edward",
    "Melissa",
    "Ronald",
    "Deborah",
    "Timothy",
    "Stephanie",
    "Jason",
    "Rebecca",
    "Ryan",
    "Laura",
    "Jacob",
    "Sharon",
    "Gary",
    "Cynthia",
    "Nicholas",
    "Amy",
    "Eric",
    "Shirley",
    "Jonathan",
    "Angela",
    "Stephen",
    "Helen",
    "Anna",
    "Olivia",
    "Emma",
    "Noah",
    "Liam",
    "Ava",
    "Sophia",
    "Lucas",
    "Mia",
    "Ethan",
    "Isla",
    "Oliver",
    "Amelia",
    "Harry",
    "Poppy",
    "Jack",
    "Freya",
    "Charlie",
    "Imogen",
    "Alfie",
    "Lukas",
    "Hannah",
    "Jonas",
    "Lena",
    "Felix",
    "Marie",
    "Anke",
    "Jürgen",
    "Heike",
    "Uwe",
    "Sabine",
    "Stefan",
    "Birgit",
    "Wolfgang",
    "Katrin",
    "Torsten",
    "Ingrid",
    "Pierre",
    "Camille",
    "Antoine",
    "Chloé",
    "Julien",
    "Élodie",
    "Mathieu",
    "Amélie",
    "Thierry",
    "Margaux",
    "Luc",
    "Océane",
    "Benoît",
    "Aurélie",
    "Didier",
    "Giulia",
    "Marco",
    "Chiara",
    "Luca",
    "Francesca",
    "Alessandro",
    "Paolo",
    "Elena",
    "Matteo",
    "Valentina",
    "Giovanni",
    "Federica",
    "Carlos",
    "Lucía",
    "Javier",
    "Carmen",
    "Alejandro",
    "Isabel",
    "Diego",
    "Marta",
    "Pablo",
    "Rocío",
    "Álvaro",
    "Inés",
    "Juan",
    "Sofía",
    "Mateo",
    "Camila",
    "Joaquín",
    "Ximena",
    "Andrés",
    "João",
    "Mariana",
    "Thiago",
    "Beatriz",
    "Rafael",
    "Larissa",
    "Gustavo",
    "Fernanda",
    "Tiago",
    "Inês",
    "Piotr",
    "Agnieszka",
    "Krzysztof",
    "Katarzyna",
    "Tomasz",
    "Magdalena",
    "Wojciech",
    "Joanna",
    "Jan",
    "Zofia",
    "Pavel",
    "Petra",
    "Jiří",
    "Lucie",
    "Zoltán",
    "Eszter",
    "László",
    "Ágnes",
    "Ion",
    "Ioana",
    "Andrei",
    "Dimitri",
    "Svetlana",
    "Ivan",
    "Olga",
    "Sergei",
    "Natalia",
    "Oleksandr",
    "Oksana",
    "Yuri",
    "Tatiana",
    "Lars",
    "Astrid",
    "Erik",
    "Ingeborg",
    "Magnus",
    "Sigrid",
    "Mikko",
    "Aino",
    "Juhani",
    "Helmi",
    "Bjørn",
    "Solveig",
    "Anders",
    "Freja",
    "Søren",
    "Karen",
    "Mads",
    "Emre",
    "Zeynep",
    "Mehmet",
    "Elif",
    "Mustafa",
    "Ayşe",
    "Burak",
    "Fatima",
    "Omar",
    "Aisha",
    "Ahmed",
    "Layla",
    "Hassan",
    "Noor",
    "Yusuf",
    "Khadija",
    "Ibrahim",
    "Salma",
    "Tariq",
    "Mariam",
    "Karim",
    "Leila",
    "Reza",
    "Parisa",
    "Amir",
    "Priya",
    "Rahul",
    "Ananya",
    "Arjun",
    "Deepika",
    "Vikram",
    "Sunita",
    "Rajesh",
    "Kavita",
    "Sanjay",
    "Meera",
    "Anil",
    "Lakshmi",
    "Suresh",
    "Pooja",
    "Harpreet",
    "Wei",
    "Xiu",
    "Ming",
    "Li",
    "Jing",
    "Hao",
    "Yan",
    "Chen",
    "Mei",
    "Jun",
    "Hiroshi",
    "Yuki",
    "Kenji",
    "Sakura",
    "Takeshi",
    "Aiko",
    "Haruto",
    "Emi",
    "Min-jun",
    "Seo-yeon",
    "Ji-hoon",
    "Hye-jin",
    "Nguyen",
    "Linh",
    "Thanh",
    "Huong",
    "Minh",
    "Siti",
    "Budi",
    "Dewi",
    "Agus",
    "Putu",
    "Maria",
    "Jose",
    "Rosario",
    "Emmanuel",
    "Grace",
    "Chidi",
    "Ngozi",
    "Kwame",
    "Ama",
    "Kofi",
    "Abena",
    "Tunde",
    "Funmilayo",
    "Thabo",
    "Nomsa",
    "Sipho",
    "Zanele",
    "Wanjiru",
    "Kamau",
    "Akinyi",
    "Tendai",
    "Rutendo",
    "Moana",
    "Tane",
    "Aroha",
    "Kiri",
    "Malia",
    "Kai",
    "Dakota",
    "Cheyenne",
    "Xavier",
    "Yvonne",
    "Zachary",
    "Beverly",
    "Clarence",
    "Doris",
    "Ernest",
    "Gladys",
    "Harvey",
]

_LAST = (
    "Smith Johnson Williams Brown Jones Garcia Miller Davis Rodriguez Martinez Hernandez Lopez Gonzalez Wilson "
    "Anderson Thomas Taylor Moore Jackson Martin Lee Perez Thompson White Harris Sanchez Clark Ramirez Lewis Robinson "
    "Walker Young Allen King Wright Scott Torres Nguyen Hill Flores Green Adams Nelson Baker Hall Rivera Campbell "
    "Mitchell Carter Roberts Gomez Phillips Evans Turner Diaz Parker Cruz Edwards Collins Reyes Stewart Morris "
    "Murphy Cook Rogers Morgan Cooper Peterson Reed Bailey Kelly Howard Ramos Kim Cox Ward Richardson Watson Brooks "
    "Chavez Wood Bennett Gray Hughes Price Myers Long Foster Sanders Ross Whitfield Ashworth Blackwood Pemberton "
    "O'Connor O'Brien McDonald MacLeod Fitzgerald Gallagher Byrne Doyle Müller Schmidt Schneider Fischer Weber Meyer "
    "Wagner Becker Hoffmann Schäfer Koch Bauer Richter Klein Wolf Schröder Neumann Zimmermann Braun Krüger Hartmann "
    "Dubois Durand Leroy Moreau Laurent Lefebvre Girard Bonnet Fontaine Chevalier Rousseau Blanchard Gauthier Rossi "
    "Russo Ferrari Esposito Bianchi Romano Colombo Ricci Marino Greco Conti Gallo Fernández Vázquez Muñoz Álvarez "
    "Romero Navarro Domínguez Silva Santos Oliveira Souza Pereira Costa Ferreira Almeida Carvalho Kowalski Nowak "
    "Wiśniewski Wójcik Kamiński Lewandowski Zieliński Szymański Novák Svoboda Dvořák Horváth Nagy Kovács Szabó Popescu "
    "Ionescu Ivanov Petrov Sokolov Kuznetsov Shevchenko Kovalenko Bondarenko Andersen Hansen Johansen Olsen Larsen "
    "Nilsson Eriksson Lindqvist Bergström Virtanen Korhonen Nieminen Jensen Sørensen Yılmaz Kaya Demir Çelik Şahin "
    "Khan Ahmed Hussain Ali Malik Qureshi Haddad Nasser Farouk Mansour Rahimi Hosseini Patel Sharma Singh Gupta Kumar "
    "Reddy Iyer Nair Chatterjee Banerjee Desai Mehta Wang Zhang Liu Chen Yang Huang Zhao Wu Zhou Xu Sun Ma Tanaka "
    "Suzuki Watanabe Yamamoto Nakamura Kobayashi Sato Ito Park Choi Jung Kang Cho Tran Pham Hoang Bui Santoso Wijaya "
    "Okafor Adeyemi Mensah Boateng Owusu Nkosi Dlamini Mwangi Otieno Achieng Moyo Ndlovu Tuilagi Ngata Kealoha Begay "
    "van der Berg|de Vries|van Dijk|Janssen|Vermeulen|de la Cruz|dos Santos|El-Sayed|Ben Amar|St. Clair|Le Goff"
)
_LAST_NAMES = [
    name
    for part in _LAST.split("|")
    for name in ([part] if part.startswith(("van ", "de ", "dos ", "Ben ", "St.", "Le ", "El-")) else part.split())
]

_STREETS_EN = [
    "Maple",
    "Oak",
    "Cedar",
    "Pine",
    "Elm",
    "Willow",
    "Birch",
    "Walnut",
    "Chestnut",
    "Park",
    "Lake",
    "Hill",
    "River",
    "Church",
    "Station",
    "Mill",
    "Main",
    "High",
    "King",
    "Queen",
    "Victoria",
    "Albert",
    "Washington",
    "Lincoln",
    "Jefferson",
    "Madison",
    "Franklin",
    "Jackson",
    "Highland",
    "Sunset",
    "Meadow",
    "Orchard",
    "Garden",
    "Forest",
    "Spring",
    "Valley",
    "Ridge",
    "Linden",
    "Juniper",
    "Magnolia",
    "Sycamore",
    "Hawthorn",
    "Bramble",
    "Foxglove",
    "Wellington",
    "Harbour",
]
_KINDS_EN = [
    "Street",
    "St",
    "St.",
    "Road",
    "Rd",
    "Avenue",
    "Ave",
    "Ave.",
    "Lane",
    "Ln",
    "Drive",
    "Dr",
    "Boulevard",
    "Blvd",
    "Court",
    "Ct",
    "Place",
    "Way",
    "Terrace",
    "Close",
    "Crescent",
    "Grove",
]
_STREETS_DE = "Hauptstraße Bahnhofstraße Gartenweg Schillerstr. Goethestraße Lindenallee Bergstraße Kirchgasse Mühlenweg Ringstraße Am Markt|Dorfstraße".replace(
    " Am Markt|", " "
).split()
_STREETS_FR = [
    "rue de la Paix",
    "rue Victor Hugo",
    "avenue des Champs",
    "boulevard Voltaire",
    "place de la République",
    "chemin des Vignes",
    "rue du Moulin",
    "impasse des Lilas",
    "allée des Tilleuls",
]
_STREETS_ES = [
    "Calle Mayor",
    "Calle de Alcalá",
    "Avenida de la Constitución",
    "Calle San Juan",
    "Paseo de Gracia",
    "Avenida Reforma",
    "Calle 50",
    "Carrera 7",
    "Plaza de España",
]
_STREETS_IT = [
    "Via Roma",
    "Via Garibaldi",
    "Corso Italia",
    "Viale dei Mille",
    "Piazza Dante",
    "Via Giuseppe Verdi",
    "Largo Augusto",
]
_STREETS_NL = [
    "Kerkstraat",
    "Dorpsstraat",
    "Prinsengracht",
    "Keizersgracht",
    "Lange Voorhout",
    "Molenweg",
    "Stationsplein",
]
_STREETS_X = [
    "ul. Długa",
    "ul. Mickiewicza",
    "Rua das Flores",
    "Avenida Paulista",
    "Storgatan",
    "Drottninggatan",
    "Kungsgatan",
    "Strandvejen",
    "Mannerheimintie",
    "Vörösmarty utca",
    "Na Příkopě",
    "Strada Libertății",
    "İstiklal Caddesi",
    "Nguyễn Huệ",
    "Jalan Merdeka",
    "MG Road",
    "Nehru Nagar",
    "Ring Road",
    "Kenyatta Avenue",
    "Awolowo Road",
]

CITIES = [
    "Springfield",
    "Portland",
    "Austin",
    "Denver",
    "Boston",
    "Leeds",
    "Bristol",
    "Manchester",
    "Dublin",
    "Cork",
    "Toronto",
    "Calgary",
    "Sydney",
    "Perth",
    "Auckland",
    "Berlin",
    "Hamburg",
    "Munich",
    "Cologne",
    "Vienna",
    "Zurich",
    "Paris",
    "Lyon",
    "Toulouse",
    "Madrid",
    "Sevilla",
    "Valencia",
    "Rome",
    "Milan",
    "Turin",
    "Lisbon",
    "Porto",
    "Warsaw",
    "Kraków",
    "Prague",
    "Budapest",
    "Stockholm",
    "Oslo",
    "Copenhagen",
    "Helsinki",
    "Amsterdam",
    "Utrecht",
    "Brussels",
    "Istanbul",
    "Cairo",
    "Lagos",
    "Accra",
    "Nairobi",
    "Cape Town",
    "Mumbai",
    "Pune",
    "Bengaluru",
    "Delhi",
    "Singapore",
    "Jakarta",
    "Manila",
    "Tokyo",
    "Osaka",
    "Seoul",
    "Shanghai",
    "São Paulo",
    "Bogotá",
    "Lima",
    "Mexico City",
    "Boise",
    "Tulsa",
    "Fresno",
    "Omaha",
    "Tampa",
]
_STATES = [
    "CA",
    "NY",
    "TX",
    "WA",
    "OR",
    "CO",
    "FL",
    "IL",
    "MA",
    "OH",
    "GA",
    "NC",
    "VA",
    "AZ",
    "MI",
    "MN",
    "PA",
    "NJ",
]
_DOMAINS = [
    "gmail.com",
    "yahoo.com",
    "outlook.com",
    "hotmail.co.uk",
    "icloud.com",
    "web.de",
    "gmx.de",
    "orange.fr",
    "libero.it",
    "proton.me",
    "example.com",
    "example.org",
    "mail.ru",
    "acme.io",
    "northwind.co",
    "fabrikam.net",
    "contoso.com",
]


def digits(draw: random.Random, count: int) -> str:
    """``count`` random digits."""
    return "".join(draw.choice("0123456789") for _ in range(count))


def first(draw: random.Random) -> str:
    """A first name."""
    return draw.choice(_FIRST)


def last(draw: random.Random) -> str:
    """A last name."""
    return draw.choice(_LAST_NAMES)


def name(draw: random.Random) -> str:
    """A person's full name in one of the usual forms."""
    one, two = first(draw), last(draw)
    form = draw.random()
    if form < 0.72:
        return f"{one} {two}"
    if form < 0.80:
        return f"{one} {draw.choice('ABCDEFGHJKLMNPRSTW')}. {two}"
    if form < 0.86:
        return f"{two}, {one}"
    if form < 0.93:
        return f"{draw.choice(['Mr', 'Mrs', 'Ms', 'Dr.', 'Mr.', 'Ms.', 'Mrs.', 'Prof.', 'Herr', 'Frau', 'Señora', 'Mme'])} {two}"
    return f"{one} {first(draw)} {two}" if form < 0.97 else f"{one} {two}-{last(draw)}"


def address(draw: random.Random) -> str:
    """A street address in the manner of one of many countries."""
    number, city = str(draw.randint(1, 999)), draw.choice(CITIES)
    choice = draw.random()
    if choice < 0.42:
        street = f"{number if draw.random() < 0.7 else draw.randint(1000, 9999)} {draw.choice(['', '', '', 'N ', 'West ', 'S. '])}{draw.choice(_STREETS_EN)} {draw.choice(_KINDS_EN)}"
        flat = draw.choice(
            [
                "",
                "",
                "",
                f", Apt {draw.randint(1, 90)}{draw.choice(['', 'B', 'C'])}",
                f" #{draw.randint(1, 400)}",
                f", Flat {draw.randint(1, 30)}",
                f", Unit {draw.randint(1, 60)}",
            ]
        )
        tail = draw.choice(
            [
                "",
                f", {city}",
                f", {city}, {draw.choice(_STATES)} {digits(draw, 5)}",
                f", {city} {_postcode(draw)}",
                f"\n{city}, {draw.choice(_STATES)} {digits(draw, 5)}",
            ]
        )
        return street + flat + tail
    if choice < 0.55:
        return f"{draw.choice(_STREETS_DE)} {number}{draw.choice(['', 'a', 'b'])}{draw.choice(['', f', {digits(draw, 5)} {city}', f' in {city}'])}"
    if choice < 0.65:
        return f"{number}{draw.choice([' ', ', ', ' bis '])}{draw.choice(_STREETS_FR)}{draw.choice(['', f', {digits(draw, 5)} {city}'])}"
    if choice < 0.74:
        return f"{draw.choice(_STREETS_ES)} {number}{draw.choice(['', ', 2º B', f', {digits(draw, 5)} {city}', f' # {draw.randint(1, 99)}-{draw.randint(1, 99)}'])}"
    if choice < 0.81:
        return f"{draw.choice(_STREETS_IT)} {number}{draw.choice(['', f', {digits(draw, 5)} {city}'])}"
    if choice < 0.87:
        return (
            f"{draw.choice(_STREETS_NL)} {number}{draw.choice(['', f', {digits(draw, 4)} {_letters(draw, 2)} {city}'])}"
        )
    if choice < 0.94:
        return f"{draw.choice(_STREETS_X)} {number}{draw.choice(['', f', {city}', f', {digits(draw, 2)}-{digits(draw, 3)} {city}'])}"
    if choice < 0.97:
        return f"P.O. Box {draw.randint(10, 9999)}, {city}"
    return f"{draw.choice(['House', 'Plot', 'Block', 'No.'])} {number}, {draw.choice(_STREETS_X)}, {city} {digits(draw, 6)}"


def _letters(draw: random.Random, count: int) -> str:
    return "".join(draw.choice("ABCDEFGHJKLMNPRSTUVWXYZ") for _ in range(count))


def _postcode(draw: random.Random) -> str:
    return f"{_letters(draw, draw.randint(1, 2))}{draw.randint(1, 20)} {draw.randint(1, 9)}{_letters(draw, 2)}"


def email(draw: random.Random) -> str:
    """An e-mail address."""
    one, two = first(draw).lower(), last(draw).lower().replace(" ", "").replace("'", "")
    local = draw.choice(
        [
            f"{one}.{two}",
            f"{one[0]}{two}",
            f"{one}{digits(draw, 2)}",
            f"{two}_{one}",
            f"{one}-{two}{draw.randint(1, 99)}",
            f"{one}{two}",
        ]
    )
    return f"{local}@{draw.choice(_DOMAINS)}"


def phone(draw: random.Random) -> str:
    """A telephone number in one of many forms."""
    return draw.choice(
        [
            f"({digits(draw, 3)}) {digits(draw, 3)}-{digits(draw, 4)}",
            f"{digits(draw, 3)}-{digits(draw, 3)}-{digits(draw, 4)}",
            f"{digits(draw, 3)}.{digits(draw, 3)}.{digits(draw, 4)}",
            f"+1 {digits(draw, 3)} {digits(draw, 3)} {digits(draw, 4)}",
            f"+44 7{digits(draw, 3)} {digits(draw, 6)}",
            f"0{digits(draw, 4)} {digits(draw, 6)}",
            f"+49 1{digits(draw, 2)} {digits(draw, 8)}",
            f"+33 6 {digits(draw, 2)} {digits(draw, 2)} {digits(draw, 2)} {digits(draw, 2)}",
            f"+91 {digits(draw, 5)} {digits(draw, 5)}",
            f"+{draw.choice(['34', '39', '48', '55', '61', '81', '234', '971'])} {digits(draw, 3)} {digits(draw, 3)} {digits(draw, 3)}",
            f"07{digits(draw, 9)}",
            digits(draw, 10),
        ]
    )


def card(draw: random.Random) -> str:
    """A payment card number."""
    groups = [draw.choice("3456") + digits(draw, 3), digits(draw, 4), digits(draw, 4), digits(draw, 4)]
    return draw.choice([" ", "-", "", " "]).join(groups)


def identifier(draw: random.Random) -> str:
    """A personal number with its name: SSN, passport, IBAN, licence, insurance, date of birth, IP address."""
    country = draw.choice(["DE", "GB", "FR", "ES", "NL", "IT"])
    month = draw.choice(["January", "March", "May", "June", "August", "October", "December"])
    return draw.choice(
        [
            f"SSN {digits(draw, 3)}-{digits(draw, 2)}-{digits(draw, 4)}",
            f"social security number {digits(draw, 3)}-{digits(draw, 2)}-{digits(draw, 4)}",
            f"passport number {_letters(draw, 1)}{digits(draw, 8)}",
            f"passport no. {digits(draw, 9)}",
            f"IBAN {country}{digits(draw, 2)} {digits(draw, 4)} {digits(draw, 4)} {digits(draw, 4)} {digits(draw, 4)} {digits(draw, 2)}",
            f"IBAN {country}{digits(draw, 20)}",
            f"driver's license {_letters(draw, 1)}{digits(draw, 7)}",
            f"driving licence number {_letters(draw, 5)}{digits(draw, 6)}{_letters(draw, 2)}",
            f"national insurance number {_letters(draw, 2)} {digits(draw, 2)} {digits(draw, 2)} {digits(draw, 2)} {_letters(draw, 1)}",
            f"tax ID {digits(draw, 11)}",
            f"Aadhaar {digits(draw, 4)} {digits(draw, 4)} {digits(draw, 4)}",
            f"account number {digits(draw, 8)} and sort code {digits(draw, 2)}-{digits(draw, 2)}-{digits(draw, 2)}",
            f"medical record number MRN {digits(draw, 7)}",
            f"date of birth {draw.randint(1, 28)} {month} {draw.randint(1940, 2005)}",
            f"DOB {digits(draw, 1)}{draw.randint(1, 9)}/{draw.randint(10, 28)}/{draw.randint(1940, 2005)}",
            f"IP address {draw.randint(11, 220)}.{draw.randint(0, 255)}.{draw.randint(0, 255)}.{draw.randint(1, 254)}",
        ]
    )


PERSONAL: Mapping[str, Callable[[random.Random], str]] = {
    "NAME": name,
    "ADDRESS": address,
    "EMAIL": email,
    "PHONE": phone,
    "CARD": card,
    "ID": identifier,
}
"""Slots filled with invented personal data."""

_PLAIN = {
    "NAME": "the customer|my colleague|our manager|the account holder|someone from your team|my brother|a friend|the new hire|our contractor|"
    "the tenant|my doctor|the buyer|Acme Corp|the project lead|an employee|Northwind Traders|the sales team|the patient|my boss|the courier",
    "ADDRESS": "our office|my new place|the usual address|the warehouse|the store in the mall|the city centre|the pickup point|my home address|"
    "the branch downtown|a different country|the address on file|the hotel|Berlin|the second floor|the depot in Leeds|the north of Spain",
    "EMAIL": "my e-mail address|the e-mail on file|my inbox|the shared mailbox|an alias|my work e-mail|the newsletter|the contact form",
    "PHONE": "my phone number|the number on file|my mobile|the hotline|my landline|a callback|the front desk|extension 204|WhatsApp",
    "CARD": "my credit card|the card on file|a gift card|my debit card|the corporate card|PayPal|the card ending in 42|a prepaid card|Visa",
    "ID": "my ID|the reference|my passport|the tax form|order #{n}|ticket {n}|invoice INV-{n}|serial number SN{n}|case {n}|tracking number 1Z{n}|"
    "error code 0x80{n}|SKU {n}|version 2.{n}|PO {n}|model WX-{n}|build {n}|the policy document",
}


def _plain(kind: str) -> Callable[[random.Random], str]:
    values = _PLAIN[kind].split("|")
    return lambda draw: draw.choice(values).replace("{n}", digits(draw, draw.randint(3, 9)))


PLAIN: Mapping[str, Callable[[random.Random], str]] = {kind: _plain(kind) for kind in _PLAIN}
"""The same slots filled with words that point at no person."""
