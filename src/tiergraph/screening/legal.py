"""Legal matters: a request for legal advice, a threat, a contract, an authority, a dispute, a subpoena.

A chargeback or a "dispute" of a card payment is billing, not law. General terms on a page of a help centre are
normal, so documents, tool results and drafts are read only for papers that are addressed to somebody: a subpoena, a
summons, a cease-and-desist letter, a court order, a formal demand, the file number of an authority.
"""

from __future__ import annotations

from typing import Literal

from tiergraph.screening.folding import keyword_form
from tiergraph.screening.phrases import Phrase, PhraseBook, phrase

LegalRule = Literal[
    "legal:advice", "legal:threat", "legal:contract", "legal:subpoena", "legal:regulator", "legal:dispute"
]

_WHOM = r"you|them|him|her|us|me|my|his|their|your|the|this|that|these|those|an?|our|over|for"
_WANT = (
    r"will|would|could|can|may|might|should|must|shall|cannot|can't|i'll|we'll|they'll|he'll|she'll|going to"
    r"|gonna|want to|wants to"
    r"|wanted to|threat\w+ to|like to|able to|right to|grounds to|reason to|how to|plan\w* to|intend\w* to|try\w* to"
    r"|ready to|prepared to|have to|do i|do we|can i|can we|could i|should i|let's|enough to|worth it to|trying to"
)
_PAPER = (
    r"contract|agreement|lease|nda|non-disclosure agreement|employment contract|tenancy agreement|settlement"
    r"|deed|will"
)
_OWN = r"my|our|the|this|that|a|an|your|their|his|her|attached|employment|rental|signed"

_THREATS = (
    phrase("legal:threat", "sue", rf"(?:{_WANT}) (?:\w+ ){{0,2}}?sue(?! (?:from|said|says|in|at|and|to|is|has)\b)"),
    phrase(
        "legal:threat",
        "sue",
        r"(?<!talk to )(?<!speak to )(?<!ask )(?<!tell )(?<!with )sue (?:you|them|him|my|the (?:company"
        r"|seller|store|landlord|school|city|bank|hospital|driver|owner)|your)",
    ),
    phrase(
        "legal:threat",
        "suing sued",
        rf"(?:be|being|been|get|getting|got|was|were|is|are|am|i'm|they're|he's|she's|consider\w*"
        rf"|about) (?:\w+ )?(?:sued|suing)|(?:suing|sued) (?:{_WHOM})",
    ),
    phrase("legal:threat", "lawsuit lawsuits", r"law ?suits?"),
    phrase("legal:threat", "action", r"legal action|class[- ]action (?:law)?suit|join (?:a|the) class[- ]action"),
    phrase(
        "legal:threat",
        "court",
        r"(?:take|taking|took|taken|see|dragg?\w*|haul\w*|bring\w*) (?:\w+ ){1,4}(?:to|in"
        r"|before) (?:small claims )?court",
    ),
    phrase(
        "legal:threat",
        "court",
        r"(?:go|going|goes|went|gone|end up|be) (?:back )?(?:to|in) court(?! (?:side|shoes|number \d)\b)",
    ),
    phrase(
        "legal:threat",
        "lawyer attorney solicitor lawyers attorneys solicitors barrister",
        r"(?:my|our|their|his|her|your) (?:\w+ )?(?:lawyers?|attorneys?|solicitors?|barristers?)",
    ),
    phrase("legal:threat", "charges", r"press(?:ed|ing)? charges|pursue charges|file charges"),
    phrase(
        "legal:threat",
        "legal",
        r"legal (?:proceedings|department will|team will|steps|claim|demand)|my legal team|proceed legally",
    ),
    phrase("legal:threat", "legally", r"(?:pursue|take) (?:this|it|the matter) (?:further )?legally"),
    phrase(
        "legal:threat",
        "claim action",
        r"letter before (?:claim|action)|(?:file|filed|filing|bring|issue"
        r"|lodge) (?:an? )?(?:\w+ )?claim (?:against|in court|with the court)",
    ),
    phrase("legal:threat", "litigate litigation litigating", r"litigat\w+"),
    phrase(
        "legal:threat",
        "verklage verklagen anwalt rechtsanwalt klage gericht",
        r"verklagen?|(?:mein\w*|einen?|zum) (?:rechts)?anwalt|klage (?:ein\w*|erheb\w*)|vor gericht"
        r"|rechtliche schritte",
    ),
    phrase("legal:threat", "rechtliche rechtlichen", r"rechtliche\w? (?:schritte|beratung|hilfe|frage|mittel)"),
    phrase(
        "legal:threat",
        "porter plainte justice avocat",
        r"porter plainte|poursuiv\w+ en justice|en justice|(?:mon|ma|un|une|notre) avocate?",
    ),
    phrase(
        "legal:threat",
        "demanda demandar demandare demandarlos demandarles demandarle demandarte abogado abogada",
        r"(?:voy a|vamos a|quiero|puedo) demandar\w*|los? demandare|(?:mi|un|nuestro) abogad[oa]"
        r"|acciones legales",
    ),
    phrase("legal:threat", "legales legali", r"acciones legales|vie legali|azioni legali"),
    phrase(
        "legal:threat",
        "avvocato denuncia denunciare querela tribunale",
        r"(?:mio|un|nostro) avvocato|far[eo]? (?:causa|denuncia)|querela|in tribunale|denunci(?:are|o|ero)",
    ),
    phrase(
        "legal:threat",
        "advocaat rechter rechtszaak dagvaarding aanklagen",
        r"(?:mijn|een|onze) advocaat|naar de rechter|rechtszaak|dagvaarding|aanklagen",
    ),
)

_ADVICE = (
    phrase(
        "legal:advice",
        "lawyer attorney solicitor lawyers attorneys solicitors",
        r"(?:need|needs|get|hire|hired|hiring|find|finding|contact\w*|consult\w*|call|see|retain\w*|afford"
        r"|talk(?:ed|ing)? to|sp(?:eak|oke|oken|eaking) (?:to|with)|without|involve|through"
        r"|recommend) (?:an? |the |another |some )?(?:\w+ ){0,2}(?:lawyers?|attorneys?|solicitors?)",
    ),
    phrase(
        "legal:advice",
        "lawyer attorney solicitor lawyers attorneys",
        r"(?:divorce|immigration|criminal|injury|employment|family|tax|defen[cs]e|estate|labor|bankruptcy"
        r"|real estate|court-appointed) (?:lawyers?|attorneys?|solicitors?)",
    ),
    phrase(
        "legal:advice",
        "lawyer attorney solicitor lawyers attorneys paralegal barrister",
        r"(?<!power of )(?:lawyers?|attorneys?|solicitors?|paralegal|barrister)(?! general)",
        0.5,
    ),
    phrase(
        "legal:advice",
        "legal",
        r"legal (?:advice|rights?|question|issues?|matters?|help|counsel|obligations?|problems?|grounds"
        r"|recourse|options|disputes?|liability|separation|guardian\w*|representation|standing|situation"
        r"|trouble|custody|ramifications|consequences|fees|services|aid|opinion|implications|basis"
        r"|requirements?|document|notice|remed(?:y|ies))",
    ),
    phrase(
        "legal:advice",
        "legal illegal",
        r"(?:is|was|are|would|isn't|be|it's|that's|this) (?:(?:it|this|that|they|he|she|even|also|totally"
        r"|completely|actually|there|considered|not|any of this) ){0,3}(?:il)?legal(?:ly)?(?! (?:size|paper"
        r"|tender|name|pad|address|entity|notice page|drinking)\b)",
    ),
    phrase(
        "legal:advice",
        "legally illegally",
        r"(?:il)?legally (?:allowed|required|binding|entitled|obligated|obliged|responsible|liable|permitted"
        r"|able|bound|have to|own|do|married|separated|force|evict\w*|fire\w*|terminat\w*|park\w*|record\w*"
        r"|enter\w*|keep|withhold|change|charge)",
    ),
    phrase("legal:advice", "legally", r"(?:can|could|may|do|does|is|are|am) (?:\w+ ){1,4}legally"),
    phrase(
        "legal:advice",
        "law laws",
        r"against the law|break(?:ing)? the law|by law|under (?:the|\w+) law|what (?:does|is) the law|(?:the"
        r"|state|federal|local|labor|labour|employment|tenant|housing|criminal|tort|family|consumer|contract"
        r"|immigration|copyright|privacy) laws? (?:says?|requires?|allows?|protect\w*|on|about|regarding"
        r"|in my|here|prohibit\w*|cover\w*)",
    ),
    phrase(
        "legal:advice",
        "rights",
        r"(?:my|our|their|tenants?'?|employee|worker'?s?|consumer|parental|father'?s?|renter'?s?"
        r"|squatter'?s?) rights(?! reserved)",
    ),
    phrase("legal:advice", "limitations", r"statute of limitations"),
    phrase("legal:advice", "attorney", r"power of attorney"),
    phrase("legal:advice", "sued sue recourse", r"(?:any|what|no) recourse"),
    phrase("legal:advice", "rechtsberatung rechtsanwalt rechtslage anwalt", r"rechtsberatung|rechtsanw\w+|rechtslage"),
    phrase(
        "legal:advice",
        "juridique juridiques legalement",
        r"conseils? juridiques?|est[- ]ce legal|juridiquement|legalement",
    ),
    phrase(
        "legal:advice",
        "legal legalmente juridico juridica",
        r"asesor\w+ (?:legal|juridic\w)|consejo legal|es legal que|legalmente|consulta (?:legal|juridica)",
    ),
    phrase("legal:advice", "legale legalmente", r"consulenza legale|consiglio legale|e legale|parere legale"),
    phrase("legal:advice", "juridisch juridische", r"juridische? (?:advies|hulp|vraag|stappen|bijstand)"),
)

_CONTRACTS = (
    phrase(
        "legal:contract",
        "contract agreement lease nda settlement deed",
        rf"(?:review|check|look over|look at|interpret|explain|proofread|redline|negotiat\w+|draft|write"
        rf"|terminate|void|enforce|breach\w*|violat\w+|challenge|contest|read through|get out of"
        rf"|back out of) (?:{_OWN}) (?:\w+ ){{0,2}}?(?:{_PAPER})(?! (?:bridge|killer)\b)",
    ),
    phrase(
        "legal:contract",
        "contract agreement warranty fiduciary",
        r"breach(?:ed|es|ing)? (?:of )?(?:the |my |our |their )?(?:\w+ )?(?:contract|agreement|warranty"
        r"|lease|fiduciary duty|confidentiality)|in breach of",
    ),
    phrase(
        "legal:contract",
        "contract agreement lease nda",
        r"(?:contract|agreement|lease|nda) (?:is |was )?(?:legally |still )?(?:binding|enforceable"
        r"|unenforceable|void|invalid|terms|clauses?|disputes?|says|states|law|violation|term sheet"
        r"|provisions?)",
    ),
    phrase(
        "legal:contract",
        "contract agreement lease",
        r"(?:terms|clauses?|wording|conditions|provisions?) (?:of|in) (?:my|our|the|this|a"
        r"|your) (?:\w+ )?(?:contract|agreement|lease|nda)",
    ),
    phrase(
        "legal:contract",
        "compete disclosure noncompete nda",
        r"non-? ?compete|noncompete|non-?disclosure|(?:an|the|my|sign\w*|under|this) nda",
    ),
    phrase(
        "legal:contract",
        "indemnify indemnification indemnity majeure severability",
        r"indemnif\w+|indemnity clause|force majeure|severability",
    ),
    phrase(
        "legal:contract",
        "clause clauses",
        r"(?:termination|liability|arbitration|indemnity|confidentiality|penalty|escape|exclusivity"
        r"|non-solicitation) clauses?",
    ),
    phrase("legal:contract", "clause clauses", r"clauses?", 0.4),
    phrase(
        "legal:contract",
        "lease",
        r"(?:break|breaking|broke|sign(?:ed|ing)?|renew\w*|end|terminat\w+|under|in|on|of) (?:my|our|the|a"
        r"|this|their) lease|lease (?:agreement|expires|ends|is up|was up|violation)|month-to-month lease"
        r"|year lease",
        0.6,
    ),
    phrase(
        "legal:contract",
        "contract agreement",
        r"sign(?:ed|ing)? (?:a|an|the|any|this|my|our) (?:\w+ ){0,2}(?:contract|agreement|waiver|release)",
        0.6,
    ),
    phrase(
        "legal:contract",
        "vertrag mietvertrag arbeitsvertrag",
        r"(?:miet|arbeits|kauf)?vertrag\w* (?:prufen|anfechten|verletz\w*|kundigen)|vertragsbruch"
        r"|vertragsverletzung",
    ),
    phrase(
        "legal:contract",
        "contrat contrato contratto",
        r"rupture d[eu] contrat|clause du contrat|incumplimiento de(?:l)? contrato|revisar (?:el|mi"
        r"|este) contrato|violazione del contratto|clausola",
    ),
    phrase(
        "legal:contract",
        "vertragsbruch vertragsverletzung contractbreuk clausola",
        r"vertragsbruch|vertragsverletzung|contractbreuk|clausola",
    ),
)

_SUBPOENAS = (
    phrase("legal:subpoena", "subpoena subpoenas subpoenaed", r"subpoena(?:s|ed)?"),
    phrase("legal:subpoena", "desist", r"cease[- ](?:and|&)[- ]desist"),
    phrase(
        "legal:subpoena",
        "summons summoned",
        r"(?:court|jury|civil|witness|this|a|the|my|received|served|got) summons(?! (?:an?|the|his|her"
        r"|demons|creatures)\b)|summons (?:to appear|and complaint|from (?:the |a )?court)|summoned (?:to"
        r"|before) (?:the |a )?(?:court|judge|tribunal)",
    ),
    phrase(
        "legal:subpoena",
        "order orders ordered",
        r"court[- ]order(?:s|ed)?|(?:restraining|protective|protection|gag|garnishment"
        r"|injunction) orders?(?! of)",
    ),
    phrase(
        "legal:subpoena",
        "hereby",
        r"hereby (?:demand|notif\w+|command\w*|order\w*|summon\w*|request that you preserve|put on notice)",
    ),
    phrase("legal:subpoena", "warrant", r"(?:search|arrest|bench) warrant|warrant (?:for|out)"),
    phrase(
        "legal:subpoena",
        "deposition injunction affidavit discovery",
        r"depositions?|injunctions?|affidavits?|discovery request",
        0.7,
    ),
    phrase("legal:subpoena", "litigation preservation", r"litigation hold|preservation (?:letter|notice|request)"),
    phrase(
        "legal:subpoena",
        "vorladung abmahnung vollstreckungsbescheid mahnbescheid",
        r"(?:gerichtliche )?vorladung|abmahnung|vollstreckungsbescheid|mahnbescheid|unterlassungs\w+",
    ),
    phrase(
        "legal:subpoena",
        "unterlassungserklarung citacion citazione assignation",
        r"unterlassungserklarung|citacion judicial|citazione (?:in giudizio|in tribunale)"
        r"|assignation en justice|mise en demeure|dagvaarding",
    ),
    phrase("legal:subpoena", "demeure diffida burofax", r"mise en demeure|diffida|burofax"),
)

_REGULATORS = (
    phrase("legal:regulator", "gdpr ccpa dsgvo rgpd hipaa ferpa dsar", r"gdpr|ccpa|dsgvo|rgpd|hipaa|ferpa|dsar"),
    phrase(
        "legal:regulator",
        "protection",
        r"data[- ]protection (?:authority|officer|commissioner|act|agency|law|regulator|complaint|request)"
        r"|consumer protection(?: (?:agency|bureau|act|law|office|authority))?",
    ),
    phrase(
        "legal:regulator",
        "ico ftc cfpb fca cnil bafin finra sec hud eeoc osha fcc cma accc ofcom ofgem dmv",
        r"(?:report\w*|complain\w*|complaint|go|going|contact\w*|escalat\w*"
        r"|refer\w*) (?:\S+ ){0,6}?(?:the )?(?:ico|ftc|cfpb|fca|cnil|bafin|finra|hud|eeoc|osha|fcc|cma|accc"
        r"|ofcom|ofgem|sec)(?! (?:files?|icon|format|image)\b)",
    ),
    phrase(
        "legal:regulator",
        "ico ftc cfpb fca cnil bafin finra eeoc osha ofcom ofgem",
        r"(?:ftc|cfpb|cnil|bafin|finra|eeoc|osha|ofcom|ofgem|the ico|the fca) (?:complaint|report"
        r"|investigation|case|rules?|guidance|request)|complaint (?:number|no|ref\w*) \w+ (?:ftc|cfpb|ico)",
    ),
    phrase(
        "legal:regulator",
        "commissioner trade",
        r"information commissioner\w*|federal trade commission|fair trading",
    ),
    phrase("legal:regulator", "ombudsman ombudsmann ombudsperson ombudswoman", r"ombuds\w+"),
    phrase("legal:regulator", "attorney", r"attorney general'?s?"),
    phrase("legal:regulator", "trading bureau", r"trading standards|consumer financial protection bureau"),
    phrase(
        "legal:regulator",
        "regulator regulators authority authorities agency",
        r"(?:report\w*|complain\w*|complaint|escalat\w*) (?:\w+ ){0,5}?(?:to|with) (?:the |a |your "
        r"|our )?(?:\w+ ){0,2}(?:regulators?|authorit(?:y|ies)|labor board|tax authority)",
    ),
    phrase(
        "legal:regulator",
        "erasure forgotten subject",
        r"right (?:to|of) (?:be forgotten|erasure)|(?:data )?subject access request|article 1[57] (?:request"
        r"|gdpr)",
    ),
    phrase(
        "legal:regulator",
        "complaint complaints",
        r"(?:regulatory|consumer rights|discrimination|formal legal|hr|police|licensing) complaints?",
        0.6,
    ),
    phrase(
        "legal:regulator",
        "datenschutz datenschutzbehorde verbraucherschutz verbraucherzentrale",
        r"datenschutz(?:behorde|beauftragt\w+|beschwerde|verletzung)|verbraucher(?:schutz|zentrale)",
    ),
    phrase(
        "legal:regulator",
        "datenschutzbehorde datenschutzbeauftragten datenschutzbeauftragter datenschutzbeschwerde",
        r"datenschutz\w+",
    ),
    phrase(
        "legal:regulator",
        "proteccion protection protezione privacy gegevensbescherming consommateurs",
        r"proteccion de datos|protection des donnees|garante (?:della|per la) privacy|protezione dei dati"
        r"|autoriteit persoonsgegevens|repression des fraudes",
    ),
    phrase(
        "legal:regulator",
        "persoonsgegevens fraudes consumidor",
        r"autoriteit persoonsgegevens|repression des fraudes|(?:oficina|defensa) del consumidor",
    ),
)

_DISPUTES = (
    phrase("legal:dispute", "claims", r"small claims"),
    phrase("legal:dispute", "arbitration arbitrator", r"arbitrat(?:ion|or)"),
    phrase(
        "legal:dispute",
        "negligence negligent malpractice defamation libel slander",
        r"(?:gross |medical |criminal )?negligen(?:ce|t)|malpractice|defamation|libel|slander",
    ),
    phrase(
        "legal:dispute",
        "eviction evict evicted evicting",
        r"evict(?:ion|ed|ing|s)?(?! (?:#|\(|\w+ (?:file|entry|key|page)|(?:\w+ )?from (?:the )?cache"
        r"|polic(?:y|ies))\b)",
    ),
    phrase(
        "legal:dispute",
        "custody",
        r"(?:joint|sole|full|child|shared|physical|legal|primary|temporary|split|50/50) custody"
        r"|custody (?:of|battle|hearing|agreement|order|case|arrangement|rights|dispute)|(?:have|has|get"
        r"|lose|losing|gain\w*|fight\w*|file) (?:for )?custody",
    ),
    phrase("legal:dispute", "support alimony", r"child support|spousal support|alimony"),
    phrase(
        "legal:dispute",
        "divorce divorced divorcing",
        r"divorce (?:papers|settlement|decree|lawyer|proceedings|case|agreement|is final\w*|attorney"
        r"|mediation|court)|(?:fil(?:e|ed|ing) for|contested|uncontested) (?:a )?divorce",
    ),
    phrase("legal:dispute", "divorce divorced custody separated", r"divorced?|separated", 0.3),
    phrase(
        "legal:dispute",
        "termination dismissal terminated dismissed fired",
        r"(?:wrongful(?:ly)?|unfair(?:ly)?|illegal(?:ly)?|unlawful(?:ly)?) (?:termination|dismissal"
        r"|terminated|dismissed|fired|discharge)|constructive dismissal|retaliat\w+ (?:firing|termination)",
    ),
    phrase("legal:dispute", "compensation comp", r"worker'?s?'? comp(?:ensation)?(?! plan)"),
    phrase(
        "legal:dispute",
        "infringement infringing infringe infringed",
        r"(?:copyright|trademark|patent|ip) (?:infring\w+|violation|claim|notice)|infring\w+ (?:on )?(?:my"
        r"|our|a|the|your) (?:\w+ )?(?:copyright|trademark|patent|rights)",
    ),
    phrase("legal:dispute", "dmca takedown", r"dmca"),
    phrase(
        "legal:dispute",
        "bankruptcy probate foreclosure repossession",
        r"(?:file|filed|filing|declare\w*|chapter (?:7|11|13)) (?:for )?bankruptcy|in probate"
        r"|probate (?:court|process)|foreclos\w+",
    ),
    phrase(
        "legal:dispute",
        "discrimination harassment retaliation",
        r"(?:workplace|sexual|racial|age|gender|disability|pregnancy|housing) (?:discrimination|harassment)"
        r"|hostile work environment|retaliat(?:ion|ed) (?:against|for|by)",
    ),
    phrase(
        "legal:dispute",
        "misdemeanor misdemeanour felony dui dwi parole",
        r"misdemeanou?r|felony|(?:a|my|first|second|got|for) (?:dui|dwi)|on parole|parole (?:officer|hearing)",
    ),
    phrase(
        "legal:dispute",
        "charged convicted arrested indicted",
        r"(?:been|was|were|being|got|get|is|am|i'm) (?:charged with|convicted|arrested|indicted)",
    ),
    phrase(
        "legal:dispute",
        "liable damages",
        r"(?:held|be|is|are|am|i'm|being|not|who(?:'s| is)) (?:legally |personally |financially )?liable(?! to \w)"
        r"|(?:sue|claim|liable|seek\w*|pay) (?:\w+ ){0,2}(?:for )?damages|punitive damages",
    ),
    phrase(
        "legal:dispute",
        "landlord landlords",
        r"(?:my|the|our|his|her|ex|former|previous|old|new) landlords?(?:'s)?",
        0.5,
    ),
    phrase("legal:dispute", "tenant tenants renter renters subletter sublet", r"tenants?|renters?|sublet\w*", 0.4),
    phrase(
        "legal:dispute",
        "deposit",
        r"security deposit|(?:my|our|the) deposit back|return (?:my|our|the) deposit",
        0.5,
    ),
    phrase(
        "legal:dispute",
        "court courts",
        r"(?:in|to|the|family|traffic|civil|criminal|supreme|district|superior|federal"
        r"|appeals?) court(?! (?:of public opinion|shoes?|side|yard|vision|jester)\b)|court (?:date|case"
        r"|hearing|papers|documents|appearance|fees|costs)",
        0.5,
    ),
    phrase("legal:dispute", "court", r"court (?:date|hearing|papers|appearance|costs|proceedings|clerk)"),
    phrase(
        "legal:dispute",
        "judge judges magistrate prosecutor plaintiff defendant jury",
        r"(?:the|a|my) (?:judge|magistrate|prosecutor|jury|d\.?a\.?)(?: \w+)? (?:ruled|ordered|said|granted"
        r"|denied|signed|decided|awarded|dismissed|told)|plaintiffs?|defendants?",
    ),
    phrase(
        "legal:dispute",
        "guardianship inheritance executor executrix estate beneficiary",
        r"guardianship|executor of|executrix|(?:contest\w*|challeng\w+) (?:the|a|my) will|estate (?:of (?:my"
        r"|the)|lawyer|attorney)|without a will|(?:in|changed|left) (?:his|her|the|their) will",
    ),
    phrase(
        "legal:dispute",
        "police cops officer",
        r"(?:the|called|local|file\w* a) (?:police|cops)(?: report)?|police (?:report|officers?)|police came",
        0.4,
    ),
    phrase(
        "legal:dispute",
        "evidence witness testify prosecute prosecuted criminal trespassing trespass",
        r"testif(?:y|ied)|prosecut\w+|criminal (?:record|charges?|case|complaint)|trespass\w*",
        0.7,
    ),
    phrase(
        "legal:dispute",
        "citizenship deported deportation deport visa uscis",
        r"deport(?:ed|ation)?|overstay\w* (?:my |a |his |her )?visa|uscis|green card application"
        r"|removal proceedings",
        0.7,
    ),
    phrase(
        "legal:dispute",
        "liability lien settlement garnish garnished garnishment",
        r"(?:personal|product|civil|legal|my|our|your|any) liability|garnish(?:ed|ing|ment)? (?:my |his "
        r"|her )?wages|lien on|(?:accept|offered|sign\w*) (?:a|the) settlement",
        0.7,
    ),
    phrase(
        "legal:dispute",
        "employer boss employment employee hr",
        r"(?:my|the|former|old|ex|our) (?:employer|boss|hr(?: department)?)",
        0.3,
    ),
    phrase(
        "legal:dispute",
        "accident insurance fault",
        r"at[- ]fault|(?:their|his|her|other driver'?s?|my) insurance (?:company|claim|adjuster|is|will"
        r"|won't|refus\w+|den\w+)|(?:car|auto|hit and run) accident",
        0.4,
    ),
    phrase(
        "legal:dispute",
        "statute ordinance regulation bylaws hoa zoning easement",
        r"statutes?|ordinances?|bylaws|(?:my|our|the|an?) hoa|easement|zoning",
        0.5,
    ),
    phrase(
        "legal:dispute",
        "illegal unlawful law laws rights statutory",
        r"illegal(?:ly)?|unlawful(?:ly)?|(?:the|a|state|federal|labor|any) laws?|(?:our|my) rights",
        0.4,
    ),
    phrase(
        "legal:dispute",
        "contract lease notice",
        r"(?:written|days?'?|eviction|proper|30[- ]day|60[- ]day) notice",
        0.4,
    ),
    phrase(
        "legal:dispute",
        "owe owed owes unpaid wages overtime",
        r"unpaid (?:wages|overtime|rent)|(?:owes?|owed) me|final paycheck|back pay|wage theft|withh(?:eld"
        r"|old\w*) (?:my )?(?:wages|pay\w*)",
        0.5,
    ),
    phrase(
        "legal:dispute",
        "stole stolen theft fraud scam scammed forged assault assaulted stalking blackmail",
        r"stole(?:n)? (?:my|from)|committed fraud|forged|assault(?:ed)?|stalking|blackmail\w*|embezzl\w+",
        0.4,
    ),
    phrase(
        "legal:dispute",
        "options allowed entitled",
        r"(?:what are|any|do i have|are there any) (?:\w+ )?options|(?:can|are) (?:they|he|she|my \w+"
        r"|the \w+|my landlord) (?:\w+ )?(?:do this|do that|allowed to)|(?:am i|are we|is he|is she"
        r"|are they) (?:\w+ )?(?:entitled|allowed|obligated|required|responsible)",
        0.5,
    ),
    phrase(
        "legal:dispute",
        "landlady property rent",
        r"landlady|property manag(?:er|ement)|(?:pay|paid|paying|late on|owe) (?:\w+ )?rent",
        0.2,
    ),
    phrase(
        "legal:dispute",
        "apartment roommate roommates",
        r"(?:my|our) (?:\w+ )?apartment|(?:my|our|the|ex) (?:\w+ )?roommates?",
        0.3,
    ),
    phrase(
        "legal:dispute",
        "visitation cps guardian paternity parental",
        r"visitation|cps|legal guardian|paternity|parental rights",
        0.7,
    ),
    phrase(
        "legal:dispute",
        "wife husband spouse father mother kids",
        r"ex[- ](?:wife|husband|spouse)|(?:the|my|our|his|her) (?:child|kids?)'?s? (?:father|mother)"
        r"|baby (?:mama|daddy)",
        0.4,
    ),
    phrase(
        "legal:dispute",
        "fired quit terminated laid wage overtime salary",
        r"(?:got|was|were|been|being|get) (?:\w+ )?(?:fired|terminated|laid off)|minimum wage|overtime pay"
        r"|two weeks'? notice",
        0.5,
    ),
    phrase(
        "legal:dispute",
        "bail probation warrant charges charge felon jail arrest arrested prison",
        r"on probation|probation officer|(?:on|out on|post\w*) bail|charges? (?:against|of|were|was|dropped)"
        r"|arrest(?:ed)?|(?:in|to) (?:jail|prison)",
        0.5,
    ),
    phrase(
        "legal:dispute",
        "ticket citation speeding",
        r"(?:speeding|traffic|parking) (?:ticket|citation)|fight (?:the|this|a|my) ticket",
        0.5,
    ),
    phrase(
        "legal:dispute",
        "debt collections collection collector",
        r"debt collect\w+|(?:sent|went|gone|going) to collections|collection agency",
        0.6,
    ),
    phrase(
        "legal:dispute",
        "signed sign contract agreement verbal written",
        r"(?:signed|sign|verbal|written|oral) (?:\w+ ){0,2}(?:contract|agreement|document|papers?|form)"
        r"|(?:my|the|our|their) contract",
        0.4,
    ),
    phrase(
        "legal:dispute",
        "refusing refuses refused refuse threatened threatening threatens",
        r"refus(?:ing|es|ed|e) to (?:pay|return|give|refund|leave|let|allow|fix|honor)|threaten(?:ed|ing"
        r"|s)? (?:to|me|us)",
        0.4,
    ),
    phrase(
        "legal:dispute",
        "property title deed fence neighbor neighbour neighbors mortgage",
        r"property line|(?:the|my) (?:deed|title)|(?:my|our|the) neighbou?rs?(?:'s)?|on (?:my|our) property",
        0.4,
    ),
    phrase(
        "legal:dispute",
        "inherit inheritance will trust passed estate",
        r"inherit(?:ed|ance)?|(?:his|her|my|the|their) (?:estate|trust|will)(?! (?:be|not|have)\b)"
        r"|next of kin",
        0.4,
    ),
    phrase(
        "legal:dispute",
        "record recording evidence proof",
        r"(?:on (?:his|her|my|your)|criminal|permanent) record|as evidence|have (?:\w+ )?(?:proof|evidence)",
        0.4,
    ),
    phrase(
        "legal:dispute",
        "schadensersatz rechtsstreit gewahrleistung raumungsklage scheidung sorgerecht haftung",
        r"schadensersatz|rechtsstreit|raumungsklage|sorgerecht|scheidungs\w+|haftungs\w+",
    ),
    phrase(
        "legal:dispute",
        "litige prejudice divorce prudhommes",
        r"dommages et interets|prud'?hommes|litige (?:avec|juridique)",
    ),
    phrase(
        "legal:dispute",
        "indemnizacion despido desahucio custodia",
        r"despido improcedente|desahucio|custodia de|danos y perjuicios",
    ),
    phrase("legal:dispute", "risarcimento sfratto licenziamento", r"risarcimento|sfratto|licenziamento illegittimo"),
    phrase(
        "legal:dispute",
        "schadevergoeding ontslag huisuitzetting",
        r"schadevergoeding|huisuitzetting|onterecht ontslag",
    ),
)

_PAPERS = (
    phrase(
        "legal:subpoena",
        "subpoena",
        r"(?:this|the|attached|enclosed|served|received|issued|grand jury|civil|criminal|deposition|trial"
        r"|administrative|federal|comply with this|response to (?:this|the)) subpoena(?! or\b)"
        r"|subpoena (?:duces|ad test|in a|in the|no\b|number|issued|dated|served|re\b|to (?:produce|testify"
        r"|appear|attend|compel))|(?:a|an) subpoena (?:dated|issued|for (?:the|your|all))|subpoena:",
    ),
    phrase(
        "legal:subpoena",
        "commanded summoned ordered",
        r"(?:you|your company|recipient) (?:are|is) (?:hereby )?(?:commanded|summoned|ordered"
        r"|required) (?:to|by)",
    ),
    phrase(
        "legal:subpoena",
        "summons",
        r"(?:court|civil|jury|witness|this|attached|enclosed) summons|summons (?:in a|to appear"
        r"|and complaint|no\b|issued)|served with (?:a |the )?summons",
    ),
    phrase("legal:subpoena", "desist", r"cease[- ](?:and|&)[- ]desist"),
    phrase(
        "legal:subpoena",
        "hereby",
        r"hereby (?:demand|formally demand|put on notice|command\w*|summon\w*|order\w*|notif\w+ you (?:that"
        r"|of) (?:\w+ ){0,6}(?:claim|action|violation|infringement|breach))",
    ),
    phrase(
        "legal:subpoena",
        "court",
        r"(?:this|the|attached|enclosed|by|under|pursuant to) (?:a |the )?court order(?! or\b)"
        r"|court order (?:dated|no\b|number|issued|requiring|directing)|it is (?:hereby |so )?ordered",
    ),
    phrase("legal:subpoena", "litigation preservation", r"litigation hold|preservation (?:letter|notice|demand)"),
    phrase(
        "legal:regulator",
        "ftc cfpb ico cnil bafin fca bbb regulator ombudsman commissioner authority",
        r"(?:ftc|cfpb|ico|cnil|bafin|fca|regulator'?s?|ombudsman'?s?|commissioner'?s?|(?:data protection"
        r"|supervisory) authority'?s?) (?:complaint|case|file|reference|investigation) ?(?:number|no|id"
        r"|ref\w*|#|:)",
    ),
)

_REQUEST = PhraseBook((*_THREATS, *_ADVICE, *_CONTRACTS, *_SUBPOENAS, *_REGULATORS, *_DISPUTES))
_PAPER_BOOK = PhraseBook(_PAPERS)


def legal_request(text: str) -> tuple[str, ...]:
    """Rule ids that fire on what a user writes, sorted; empty where it is no legal matter."""
    return tuple(sorted(_REQUEST.find(keyword_form(text))))


def legal_paper(text: str) -> tuple[str, ...]:
    """Rule ids that fire on a document or a tool result: only papers addressed to somebody, not legal vocabulary."""
    if text.strip().casefold().lstrip("#*= ").startswith(("subpoena", "civil subpoena", "summons\n", "court order")):
        return ("legal:subpoena",)
    return tuple(sorted(_PAPER_BOOK.find(keyword_form(text))))


def phrases() -> tuple[Phrase, ...]:
    """Every phrase, for tests."""
    return (*_THREATS, *_ADVICE, *_CONTRACTS, *_SUBPOENAS, *_REGULATORS, *_DISPUTES, *_PAPERS)
