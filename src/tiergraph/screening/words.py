"""Requests for a person, and words that call for one: self-harm, violence, weapons, hazards, children."""

from __future__ import annotations

import re
from collections.abc import Iterable

from tiergraph.screening.folding import keyword_form
from tiergraph.screening.phrases import PhraseBook, phrase

_MISSPELT = (
    "humna hunam huamn hunan humen humaan persn peson perosn preson agnet agetn operater opertor advisr "
    "represenative representive "
    "reprasentative reprsentative represntative representitive respresentative reprezentative"
)
_TYPOS = "|".join(_MISSPELT.split())
_AGENT = (
    r"humans?(?: being)?|person|agents?|rep|reps|representa?tives?|operators?|advis[eo]rs?|someone|somebody"
    r"|anyone|anybody|staff"
    r"|managers?|supervisors?|specialist|employee|colleague|team member|customer (?:service|care|support)"
    r"|support (?:team|staff|person)"
    r"|live (?:chat|support|agent|person)|" + "|".join(_MISSPELT.split())
)
_AGENT_WORDS = (
    "human humans person agent agents rep reps representative representatives representitive operator "
    "operators advisor adviser "
    "advisors someone somebody anyone anybody staff manager managers supervisor supervisors specialist "
    "employee colleague member "
    f"customer support live {_MISSPELT}"
)
_KIND = (
    r"(?:(?:real|actual|live|living|human|proper|genuine|breathing|fucking|f\S*ing|bloody|damn|goddamn"
    r"|stupid|different|another|other"
    r"|customer|service|support|care|sales|billing|flesh and blood|competent|qualified|single|senior|in|an?"
    r"|your|the|of|from|one)[ ,]+){0,5}"
)
_NOT = (
    r"(?<!don't want to )(?<!do not want to )(?<!dont want to )(?<!rather not )(?<!no need to )(?<!don't "
    r"need to )(?<!don't )(?<!do not )(?<!dont )(?<!not )(?<!never )(?<!without )(?<!cannot )(?<!am i "
    r")(?<!i'm )(?<!i am )(?<!are we )(?<!was i )"
)
_TALK = (
    r"(?:talk(?:ing)?|speak(?:ing)?|chat(?:ting)?|spk|tlk|converse|communicate|deal(?:ing)?|get in (?:touch"
    r"|contact)|be connected|get through"
    r"|be transferred|be put through|connect(?:ed)?|transfer(?:red)?|escalate)"
)
_ASK = (
    r"(?:want|need|wanna|demand|require|prefer|would like|'d like|id like|get me|give me|gimme"
    r"|connect me (?:to|with)|transfer me to"
    r"|put me (?:through|in touch|on|over)(?: (?:to|with))?|pass me (?:to|on to|over to)|hand me (?:over"
    r"|off) to|let me have|where is|wheres"
    r"|send me|find me|bring me|fetch me|request(?:ing)?|asking for|asked for|escalate (?:me |this |it )?to)"
)
_SURE = (
    rf"(?:humans?(?: being)?|(?:real|actual|live|living|human|proper|breathing) (?:\w+ )?(?:person|people"
    rf"|agent|rep|representative|being|operator|advis[eo]r|someone)|live (?:agent|chat|support|person)"
    rf"|customer (?:service|support|care) (?:agent|rep|representative|person)|representa?tives?|operator"
    rf"|{_TYPOS})"
)
_FIELD = (
    r"(?! (?:of the year|resources?|rights?|body|readable|nature|error|history|anatomy|eye|ear|brain|being's"
    r"|who (?:invented|wrote)|services? department|loop|(?:\w+ )?protein)\b)"
)

_HUMAN = (
    phrase(
        "human_request",
        _AGENT_WORDS,
        rf"{_NOT}{_TALK} (?:\w+ )?(?:to|with) {_KIND}(?!humans\b)(?:{_AGENT}){_FIELD}(?! (?:in"
        rf"|of) (?:spanish|french|class|my|a language|history|the (?:past|party|game))\b)(?! (?:who"
        rf"|that) (?:is|has|was) (?:dead|dying|depressed|grieving|sad|narciss\w+))",
    ),
    phrase("human_request", _AGENT_WORDS, rf"{_NOT}{_ASK} {_KIND}{_SURE}{_FIELD}"),
    phrase(
        "human_request",
        "person people agent agents rep someone somebody manager supervisor",
        rf"{_NOT}(?:get me|give me|gimme|connect me (?:to|with)|transfer me to|put me (?:through"
        rf"|on)(?: (?:to|with))?|pass me (?:to|over to)|hand me (?:over|off) to|escalate (?:me |this "
        rf"|it )?to|i (?:just |really |now )?(?:want|need|demand|wanna)) (?:an? |your |the "
        rf"|some )?(?:\w+ )?(?:person|agent|rep|manager|supervisor|someone (?:real|human|who|else)"
        rf"|somebody (?:real|human|who|else))(?! (?:that|who|to|in|for|of|with|\w+ing|class|based|framework"
        rf"|name)\b)(?!s)",
    ),
    phrase(
        "human_request",
        "someone somebody anyone anybody",
        r"(?:put|pass|transfer|connect|forward|redirect) me (?:\w+ )?(?:to|with) (?:someone|somebody|anyone"
        r"|anybody)",
    ),
    phrase(
        "human_request",
        "anybody anyone someone somebody person human agent people humans rep humna",
        r"(?:is|are|isn't|any) (?:there |this )?(?:an? |any )?(?:real |actual |live |human )?(?:anybody"
        r"|anyone|someone|somebody|person|people|humans?|agents?|rep)(?: (?:real|human|alive|actually|there"
        r"|here|available|around|on|i|at|who|that)){1,4}(?: (?:can|could|i|to|real|there|here|talk|speak"
        r"|help)){0,5}(?! (?:\w+ ){0,2}(?:invented|wrote|made|lived?|born)\b)(?=\W*$|\W*[?.!]|.{0,60}(?:talk"
        r"|speak|chat|help|answer|read|respond|listen|contact|reach))",
    ),
    phrase(
        "human_request",
        "call callback phone ring",
        r"(?:can|could|will|would|have|please have|get|want|need|ask|let|make)(?: you)? (?:someone|somebody"
        r"|a person|an agent|a rep\w*|a manager|a human|anyone|your (?:team|manager|support)"
        r"|customer service)(?: \w+)?(?: to)? (?:please )?(?:call|phone|ring|contact) (?:me|us)",
    ),
    phrase(
        "human_request",
        "call callback phone ring",
        r"(?:please|can you|could you|just|kindly|pls) (?:call|ring|phone) me(?: back)?(?=\W*$|[.!?,]| (?:on"
        r"|at|back|asap|tomorrow|today|now|about|please|when|this|later|between|after|before|in|regarding))"
        r"|call me back|(?:request|want|need|get|schedule|arrange|like) (?:a )?call ?back",
    ),
    phrase(
        "human_request",
        "agent human representative operator person rep humna reprasentative represenative representive "
        "supervisor manager service humans people",
        r"\A\W*(?:(?:a|an|the|live|real|human|actual|speak|customer|please|pls|just|now|hello|hi|ok"
        r"|no) ){0,3}(?:agent|humans?(?: being)?|representative|operator|person|rep|supervisor|humna"
        r"|reprasentative|represenative|representive|customer service|people)(?:,? (?:please|pls|plz|now"
        r"|asap|here|immediately|thanks|thank you))*\W*\Z",
    ),
    phrase(
        "human_request",
        "person human humans agent rep someone somebody anyone anybody colleague colleagues team staff employee",
        r"(?:be|get|being) (?:put through|passed on|passed|handed over|handed|transferred|connected|forwarded"
        r"|redirected) (?:over )?(?:to|with) (?:one of |any of )?(?:an? |the |your |some )?(?:\w+ ){0,2}(?:person"
        r"|humans?|agents?|rep"
        r"|someone|somebody|anyone|anybody|colleagues?|team|staff|employees?)\b|(?:hand|pass|put|transfer|connect) me"
        r" (?:\w+ )?(?:to|with) (?:one of )?(?:an? |your |the )(?:\w+ )?(?:person|human|agent|rep|colleagues?"
        r"|employees?|member of (?:your )?staff)",
    ),
    phrase(
        "human_request",
        "somebody someone anybody anyone person human sombody somone someon sumone somebdy",
        r"(?:can|could|will|would) (?:somebody|someone|anybody|anyone|an? (?:real )?(?:person|human)|sombody|somone"
        r"|someon|sumone|somebdy) (?:\w+ ){0,2}(?:talk|speak|chat|reply|respond) (?:to|with) (?:me|us)",
    ),
    phrase(
        "human_request",
        "agent human representative operator",
        r"(?:(?<=[.!?;] )|(?<=\A))(?:agent|human|representative|operator)(?: (?:now|please|pls))?(?=[.!?]|\Z)",
    ),
    phrase(
        "human_request",
        "assistant bot chatbot robot machine ai",
        r"(?:person|human|someone|somebody|staff|employee|colleague|team)(?: (?!than\b|of\b)\w+){0,6}"
        r" (?:rather than|instead of|and not|not) (?:the|an?|this|your|some) (?:\w+ )?(?:assistant|chat ?bot|bot|robot"
        r"|machine|ai)",
    ),
    phrase(
        "human_request",
        "bot robot machine ai chatbot bots robots computer automated algorithm",
        r"(?:no more|stop (?:with )?(?:this|the|these)|sick of|tired of|fed up with|hate (?:talking to "
        r"|this |these |your )?(?:stupid )?|not (?:talk\w* )?(?:to )?|don't want (?:to (?:talk|speak"
        r"|chat) (?:to|with) )?|instead of|rather than|other than|done with)(?: talking to"
        r"| dealing with)?(?: an?| this| the| your| these)? ?(?:\w+ )?(?:chat ?bots?|bots?|robots?"
        r"|machines?|automated (?:\w+ )?(?:system|responses?|replies))(?=.{0,80}(?:person|human|someone"
        r"|somebody|agent|people|real)|.{0,5}$)",
    ),
    phrase(
        "human_request",
        "bot robot machine ai chatbot",
        rf"(?!humans\b)(?:{_SURE}|real person|a person|someone real|somebody real|a real one)(?:,"
        rf"| and)? (?:not|instead of|rather than|no) (?:an? |this |the |another )?(?:\w+ )?(?:chat ?bot|bot"
        rf"|robot|machine|ai|computer)",
    ),
    phrase(
        "human_request",
        "real human alive",
        rf"{_TALK} (?:to|with) (?:someone|somebody|anyone|anybody) (?:real|human|alive|else)",
    ),
    phrase(
        "human_request",
        "supervisor manager",
        r"(?:speak|talk|spoken|escalate\w*)(?: \w+)? (?:to|with) (?:your|a|the|his"
        r"|her) (?:\w+ )?(?:supervisor|manager)(?! about (?:a|my) (?:raise|promotion)\b)|(?:where is|get"
        r"|i want|let me see) your (?:supervisor|manager)",
    ),
    phrase(
        "human_request",
        "menschen mensch mitarbeiter mitarbeiterin berater kundenberater person jemandem ansprechpartner",
        r"(?:echte\w?|richtige\w?) (?:menschen?|person|mitarbeiter\w*)|(?:mit|an|zu) (?:eine[mrn]?|nem"
        r"|jemandem)(?: \w+)? ?(?:menschen?|mitarbeiter\w*|(?:kunden)?berater\w*|person|ansprechpartner"
        r"|jemandem)? ?(?:\w+ )?(?:sprechen|reden|verbinden|telefonieren|weiterleiten)",
    ),
    phrase(
        "human_request",
        "humain personne conseiller conseillere operateur agent quelqu humaine",
        r"(?:parler|discuter|echanger|communiquer) (?:a|avec) (?:une? |quelqu'un|un vrai "
        r"|une vraie )(?:vrai[e]? )?(?:etre )?(?:humaine?|personne|conseill\w+|operateur|agent|responsable)?"
        r"|(?:vraie? personne|vrai humain|agent humain)",
    ),
    phrase(
        "human_request",
        "persona humano agente representante operador asesor alguien",
        r"(?:hablar|comunicar\w*|contactar|chatear|conectar\w*|pas[ae]\w*) con (?:una?|algun|el"
        r"|la) (?:\w+ )?(?:persona|humano|agente|representante|operador\w?|asesor\w?)|hablar con alguien"
        r"|persona real|agente humano",
    ),
    phrase(
        "human_request",
        "persona operatore umano operatrice consulente qualcuno",
        r"(?:parlare|parlo|comunicare|chattare) con (?:una? |un'|qualcuno)(?:vera |vero )?(?:persona"
        r"|operator[ei]|operatrice|umano|agente|consulente)?|operatore umano|persona (?:reale|vera)",
    ),
    phrase(
        "human_request",
        "mens medewerker persoon iemand",
        r"(?:met|naar) (?:een |iemand)(?:echte? )?(?:mens|medewerker|persoon)? ?(?:te )?(?:spreken|praten"
        r"|bellen|doorverb\w+)|echte? (?:mens|persoon|medewerker)",
    ),
    phrase(
        "human_request",
        "pessoa humano atendente agente alguem",
        r"falar com (?:uma? |alguem)(?:\w+ )?(?:pessoa|humano|atendente|agente|representante)?"
        r"|pessoa (?:real|de verdade)",
    ),
)

_THEM = (
    r"(?:you|him|her|myself and|my (?:\w+ )?(?:wife|husband|boss|ex|neighbou?r|family|kids?|children"
    r"|parents?|mom|dad|mother|father|brother|sister|classmates?|teacher|girlfriend|boyfriend|coworkers?"
    r"|landlord)|everyone|everybody|someone|somebody|people|the (?:driver|courier|manager|staff)"
    r"|your (?:family|staff|boss|agents?|driver))"
)
_MEAN = (
    r"(?:i'?ll|i will|i'?m going to|i am going to|i'?m gonna|i'?m about to|going to|gonna|i want to|i wanna"
    r"|want to|we will|we'll|he'?s going to|threat\w+ to|plan(?:ning)? to|i could|i should|thinking of"
    r"|thinking about)"
)
_DEVICE = (
    r"(?:batter(?:y|ies)|power ?banks?|chargers?|adapters?|cables?|cords?|phones?|laptops?|tablets?|devices?"
    r"|units?|outlets?|sockets?|plugs?|scooters?|hoverboards?|e-?bikes?|heaters?|ovens?|kettles?|toasters?"
    r"|dryers?|fryers?|blankets?|lamps?|vacuums?|earbuds|headphones|consoles?|microwaves?|fridges?|routers?"
    r"|appliances?|products?|kitchen|house|apartment|curtains?|couch|bed|it)"
)
_GIVER = (
    r"(?:fire|flames|smoke|smoking|smok(?:e|es|ed)|sparks?|sparking|explod\w+|exploded|swollen|swell\w*"
    r"|bulging|overheat\w*|melt\w*|burn(?:ed|t|ing)?|leak\w*|hiss\w*|blew up|blown up)"
)
_CHILD = r"(?:baby|child|kid|toddler|infant|son|daughter|newborn|grandson|granddaughter|children)"

_SAFETY = (
    phrase("safety:self_harm", "kill killing", r"kill(?:ing)? (?:myself|my self|themsel\w+|himself|herself)"),
    phrase(
        "safety:self_harm",
        "suicide suicidal",
        r"suicid(?:e|al)(?! (?:squad|doors?|mission|prevention (?:film|movie)|bomb(?:er|ing)? (?:in|movie)"
        r"|kings?|burn|squeeze|cliff|forest|note (?:song"
        r"|film))\b)(?<!career suicide)(?<!political suicide)(?<!commercial suicide)",
    ),
    phrase(
        "safety:self_harm",
        "life die dead alive live living",
        r"(?:end(?:ing)?|take|taking) my (?:own )?life|(?:i |just )(?:want|wanna|wish)(?: to)? (?:die"
        r"|be dead|i was dead|i were dead)|better off dead|(?:no (?:reason|point) (?:to|in) (?:live|living))"
        r"|(?:don't|do not|dont) (?:want|wanna) (?:to )?(?:live|be alive|be here|exist)(?: any ?more|\W*$)"
        r"|can't go on living",
    ),
    phrase(
        "safety:self_harm",
        "hurt hurting harm harming cut cutting cutter overdose overdosed overdosing",
        r"(?:hurt|harm|cut)(?:ting|ing)? myself(?! (?:shaving|cooking|some slack|a |while|off|out|short"
        r"|chopping|on (?:the|a)))|self[- ]?harm\w*|overdos(?:e|ed|ing)(?! of (?:cute|sugar|fun))",
    ),
    phrase(
        "safety:self_harm",
        "umbringen selbstmord suizid ritzen leben",
        r"(?:mich|sich) (?:\w+ )?umbringen|selbstmord\w*|suizid\w*|nicht mehr leben",
    ),
    phrase(
        "safety:self_harm",
        "suicider suicide tuer mourir suicidarme suicidio matarme morir uccidermi suicidarmi morire zelfmoord",
        r"me (?:suicider|tuer)|envie de mourir|suicidarme|suicidio|matarme|quiero morir|uccidermi|suicidarmi"
        r"|voglio morire|zelfmoord",
    ),
    phrase(
        "safety:violence",
        "kill killing shoot stab murder strangle hurt beat rape attack poison",
        rf"{_MEAN} (?:\w+ )?(?:kill|shoot|stab|murder|strangle|hurt|beat up|rape|attack|poison|burn down"
        rf"|set fire to) (?:{_THEM})(?! (?:an|a|over|some) (?:\w+ )?(?:e-?mail|message|text|question|note"
        rf"|line|dm|invoice|reply|video|photo|portrait|film|line|few))",
    ),
    phrase(
        "safety:violence",
        "break smash",
        rf"{_MEAN} (?:break|smash) (?:your|his|her|their) (?:legs?|arms?|neck|bones?|face|jaw|skull|fingers|head)",
    ),
    phrase(
        "safety:hazard",
        "fluid acid chemical chemicals bleach cleaner electrolyte lye",
        r"(?:fluid|acid|chemicals?|bleach|cleaner|electrolyte|lye)(?: (?!not\b)\w+){0,10} (?:in|on|into|over|onto)"
        r" (?:my|his|her|their|our) (?:\w+ )?(?:eyes?|skin|hands?|face|mouth|arms?|legs?)",
    ),
    phrase(
        "safety:violence",
        "kill murder shoot",
        r"(?:kill|murder|shoot) (?:you|him|her|your family) (?:all|dead|when|if|for|and)|death threats?",
    ),
    phrase(
        "safety:violence",
        "bomb bombs explosive explosives",
        r"bomb threat|(?:there is|there's|plant(?:ed|ing)?|have|has|build|building|make|making|detonate"
        r"|bring) (?:an? |the )?(?:pipe |car |dirty |nail )?(?:bombs?|explosives?)(?! (?:deal|joke|emoji"
        r"|defus\w+|game)\b)",
    ),
    phrase(
        "safety:violence",
        "shooting shooter hostage hostages massacre terrorist",
        r"(?:mass|school|active) shoot(?:ing|er)|(?:take|taking|took|taken|hold\w*) (?:\w+ )?hostages?"
        r"|shoot up (?:the|a|my)|terror(?:ist)? attack",
    ),
    phrase(
        "safety:violence",
        "hits hitting beats beating abuses abusing abused attacking attacked stabbed raped assaulted "
        "strangled choked chokes",
        r"(?:he|she|they|husband|wife|boyfriend|girlfriend|father|mother|dad|mom|someone|somebody|man"
        r"|partner) (?:is |was |keeps |just |has been )?(?:hits|hitting|beats|beating|abuses|abusing"
        r"|attacking|attacked|stabbed|raped|assaulted|strangled|choked|chokes) (?:me|us|my)|i (?:was|got"
        r"|have been|'ve been) (?:\w+ )?(?:raped|assaulted|stabbed|strangled)",
    ),
    phrase(
        "safety:violence",
        "umbringen toten erschiessen bombe tuer matar bombe bomba uccidere vermoorden",
        r"(?:dich|ihn|sie|euch) (?:umbringen|toten|erschiessen)|ich (?:bringe|toete|tote) (?:dich|ihn|sie"
        r"|euch)|vais (?:te|le|la|vous) tuer|voy a matar\w*|ti uccido|(?:amenaza de|alerte a la"
        r"|allarme) bomba?e?|bombendrohung|(?:je|hem|haar) vermoorden",
    ),
    phrase(
        "safety:weapon",
        "gun guns rifle pistol firearm silencer grenade grenades molotov ricin nerve sarin ammunition "
        "explosive explosives napalm thermite weapon ghost",
        r"(?:build|building|make|making|3d[- ]print(?:ing)?|smuggle|buy|get|convert) (?:me )?(?:an? |the "
        r"|some |untraceable )?(?:homemade |illegal |ghost |untraceable |automatic )?(?:guns?|rifles?"
        r"|pistols?|firearms?|silencers?|grenades?|molotov\w*|ricin|nerve agent|sarin|napalm|explosives?"
        r"|chemical weapons?|bioweapons?)(?! (?:holster|case|cabinet|show|safe|game|model|skin|prop"
        r"|emoji)\b)|ghost guns?|brought (?:a|his|her) (?:gun|knife) to",
    ),
    phrase(
        "safety:hazard",
        "fire flames smoke smoking sparks sparking spark exploded exploding explodes explosion swollen "
        "swelling swelled bulging overheating overheated overheats overheat melted melting burned burnt "
        "burning leaking leaked hissing caught catch smoked smokes",
        rf"{_DEVICE}(?: \w+){{0,3}} (?:(?:is|was|are|were|has|have|had|started|just|starts|began|suddenly"
        rf"|keeps|got|gets|getting|went|on|up|to|caught|catches|catching|burst|into|gives?|giving|gave|off"
        rf"|and|it|literally|actually|completely|nearly|almost|shoots?"
        rf"|producing) ){{1,5}}(?:{_GIVER})(?<! is fire)(?! (?:emoji|tv|tablet|stick|sale|deals?|hot|song"
        rf"|hose|pit)\b)",
    ),
    phrase(
        "safety:hazard",
        "caught burst fire flames explode",
        r"(?:caught|catches|catching|set on|started a|burst into) (?:fire|flames)(?! (?:emoji|tv"
        r"|stick)\b)(?<!hunger games catching fire)(?<!catching fire movie)|burst into flames",
    ),
    phrase(
        "safety:hazard",
        "exploded explodes exploding smoking sparking overheated melted",
        rf"{_DEVICE} (?:explod(?:ed|es|ing)|smoking|sparking|overheated|melted)",
    ),
    phrase(
        "safety:hazard",
        "smoke smoking sparks flames burning smell smells smelled smelling",
        r"(?:smoke|sparks|flames|burning smell) (?:is |are |was |were )?(?:coming|came|pouring|shooting"
        r"|flying)(?: out)?(?: of| from)?|smell(?:s|ed|ing)? (?:\w+ )?(?:like |of )?(?:burning|burnt plastic"
        r"|gas\b)",
    ),
    phrase(
        "safety:hazard",
        "electrocuted shock shocked electric electrical shocks",
        r"electrocut\w+|(?:electric(?:al)?|bad|nasty) shock(?! absor)|(?:got|was|gets|been"
        r"|i'm getting) (?:\w+ )?shocked (?:by|when|from|touching)|(?:it|charger|cable|plug|toaster|lamp"
        r"|device) (?:shocked|shocks|zapped) (?:me|my)",
    ),
    phrase(
        "safety:hazard",
        "gas carbon monoxide leak chemical fumes bleach ammonia acid toxic",
        r"gas leak|carbon monoxide|chemical (?:burns?|spill|leak|fumes)|(?:toxic|poisonous) (?:fumes|gas)"
        r"|(?:mix(?:ed|ing)?|combin\w+) (?:\w+ )?bleach|bleach (?:and|with) (?:ammonia|vinegar|acid)"
        r"|acid (?:burn|leak|spill)",
    ),
    phrase(
        "safety:hazard",
        "burned burnt burns burn injured injury bleeding hospital ambulance unconscious choking anaphylaxis "
        "anaphylactic swallowed drank ingested poisoned",
        r"(?:burn(?:ed|t)|injured|cut|hurt) (?:my|her|his|our|their) (?:\w+ )?(?:hands?|face|arms?|legs?"
        r"|skin|fingers?|eyes?|mouth|baby|child|son|daughter|wife|husband)|(?:second|third)[- ]degree burns?"
        r"|(?:need|call|called) an ambulance|(?:is|was|he's|she's) (?:unconscious|not breathing|choking"
        r"|bleeding)|anaphyla\w+|(?:swallowed|drank|ingested|ate) (?:\w+ ){0,2}(?:battery|batteries|bleach"
        r"|magnets?|detergent|poison|pills|antifreeze|cleaner)|(?:been|was|got|were) poisoned",
    ),
    phrase(
        "safety:hazard",
        "reaction heart chest stroke breathe breathing",
        r"(?:severe|bad|serious) allergic reaction|having a (?:heart attack|stroke|seizure)|(?:can't|cannot"
        r"|trouble|struggling to|difficulty) breath(?:e|ing)",
    ),
    phrase(
        "safety:hazard",
        "brennt feuer explodiert raucht rauch akku stromschlag brandgeruch",
        r"(?:akku|gerat|ladegerat|handy|batterie|es)(?: \w+){0,3} (?:brennt|raucht|explodiert|feuer gefangen"
        r"|in flammen)|feuer gefangen|stromschlag|brandgeruch",
    ),
    phrase(
        "safety:hazard",
        "feu explose incendie fuego incendio explotado explota fiamme esploso incendiata brand ontploft",
        r"(?:pris|prend) feu|a explose|se prendio fuego|(?:en|de) llamas|ha explotado|prendio fuego|(?:preso"
        r"|prende) fuoco|in fiamme|e esplos[oa]|in brand|ontploft",
    ),
    phrase(
        "safety:child",
        "child children kid kids minor minors csam underage porn groomed grooming molested molest molesting "
        "pedophile paedophile",
        r"child (?:porn\w*|abuse|sexual\w*|molest\w*|exploitation)|csam|(?:sex\w*|nude\w*|porn\w*"
        r"|naked) (?:\w+ ){0,4}(?:child(?:ren)?|minors?|kids?|underage)|(?:underage|minor) (?:sex|nudes?"
        r"|porn)|molest\w*|groom(?:ed|ing) (?:a |an |my |the |by )?(?:\w+ )?(?:child|minor|daughter|son|kid"
        r"|teen)|p(?:a)?edophil\w*",
    ),
    phrase(
        "safety:child",
        "baby child kid toddler infant son daughter newborn grandson granddaughter children",
        rf"(?:{_CHILD}) (?:has |had |just |is |was |almost |nearly |might have |may have )*(?:swallowed"
        rf"|choked|choking|ingested|drank|strangled|suffocat\w+|trapped|electrocuted|burn(?:ed|t)|drown\w*"
        rf"|injured|missing)|(?:choking|strangulation|suffocation) hazard",
    ),
)

_HUMAN_BOOK = PhraseBook(_HUMAN)
_SAFETY_BOOK = PhraseBook(_SAFETY)
_TASKS = re.compile(
    r"\b(?:process(?:es)?|threads?|daemons?|containers?|pids?|tasks?|jobs?|servers?|zombies?|in (?:the"
    r"|this) game|boss fight|npcs?|minecraft)\b"
)
CUSTOM = "safety:custom"
"""Rule id of the configured words."""


def human_request(text: str) -> bool:
    """Whether somebody asks to be handed to a person. Meant for the last user message only.

    A lone word such as ``AGENT`` is such a wish also where other text comes after a blank line: what is appended to a
    request lifts nothing.
    """
    first, _, rest = text.partition("\n\n")
    parts = (text, first) if rest else (text,)
    return any(_HUMAN_BOOK.find(keyword_form(part)) for part in parts)


class SafetyWords:
    """The built-in safety phrases and the configured ones, as whole words in any case."""

    def __init__(self, words: Iterable[str] = ()) -> None:
        self._custom = whole_words(words)

    def find(self, text: str) -> tuple[str, ...]:
        """Rule ids such as ``safety:self_harm``, sorted; ``safety:custom`` for the configured words."""
        plain = keyword_form(text)
        rules = set(_SAFETY_BOOK.find(plain))
        if "safety:violence" in rules and _TASKS.search(plain) and not _HARM.search(plain):
            rules.discard("safety:violence")
        if self._custom is not None and self._custom.search(plain):
            rules.add(CUSTOM)
        return tuple(sorted(rules))


_HARM = re.compile(r"\b(?:you|him|her|people|everyone|everybody|my|bomb|shooting|hostages?|stab|murder)\b")


def whole_words(words: Iterable[str]) -> re.Pattern[str] | None:
    """One pattern for words and phrases over the keyword form of a text; ``None`` where there are none."""
    distinct = {keyword_form(word).strip() for word in words} - {""}
    forms = sorted(distinct, key=lambda form: (-len(form), form))
    if not forms:
        return None
    return re.compile(r"(?<!\w)(?:" + "|".join(map(re.escape, forms)) + r")(?!\w)")
