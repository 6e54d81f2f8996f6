"""The phrasings by which a text speaks to its judge or router, over one reading of a sentence. Pure.

A reading is in small letters without accents. Every gap in a pattern is bounded, so that matching stays linear.
"""

from __future__ import annotations

import re

from tiergraph.judges.addressees import CALL, DEAR, GRADER, IDENTITY, INSTRUCTED, OFFICE, WHO

_TOP = (
    r"(?:(?:an? )?(?:perfect|full|clean|solid|straight) (?:5|five|10|ten)s?\b"
    r"|(?:full|top|highest|maximum|max|maximal|perfect|best|excellent) (?:possible )?"
    r"(?:marks?|scores?|points?|ratings?|grades?|verdicts?)|(?:the )?(?:maximum|highest|top|max)(?! of| \w+ of)\b"
    r"|(?:with |of |as |a |an |it |at )?(?<![-\w.])(?:5|five|10|ten|100|1\.0)"
    r"(?: ?/ ?(?:5|10|100)| (?:out of|of) (?:5|five|10|ten|100)| and (?:5|five)|,? ?(?:5|five)\b)?"
    r"(?: points?| stars?| marks?)?(?= ?(?:[.,;:!)\"'\]]|$)"
    r"| (?:and|for|to|in|on|out|please|thanks|with|because|regardless|whatever)\b))"
)
_GIVE = r"(?:give|gives|award|awards|assign|grant|return|output|report|respond|answer|rate|score|mark|grade|put|set)"
_WORK = (
    r"(?:(?:this|the|every|each|any|all|these|that|my|our)(?: of the)? (?:\w+ ){0,2}"
    r"(?:draft|reply|replies|response|answer|submission|completion|output|candidate)s?|drafts?)"
)
_DRAFT = (
    r"(?:(?:(?:this|the|every|each|any|all|these|that|my) (?:\w+ )?)?drafts?\b(?= ?[.,;:!)\"']|$"
    r"| (?:and|with|above|below|that|as|now|is|are|must|will|please|without|because|for)\b))"
)
_THIS = rf"(?:{_DRAFT}|(?:this|the above|every) (?:reply|response|answer|submission|completion))"
_RUBRIC = r"(?:rubrics?|grading (?:criteria|scale|instructions|scheme)|scoring (?:criteria|scale|guide)|faithfulness)"
_IN_A_LETTER = r"(?! (?:in|from|on|of|inside|within) (?:(?:our|the|my|your|that|this|such|an?|any) ))"
_DROP = r"(?:ignor(?:e|ing)|disregard(?:ing)?|forget|override|overrule|bypass)"

_MARKERS = (
    r"<\|[a-z0-9_ ]{2,30}\|>",
    r"\[/?inst\]|<</?sys>>",
    r"</? ?(?:data-\d{1,9}|system|instructions?|drafts?|verdict|judge|assistant|rubric|im_(?:start|end))"
    r"(?:\s[^>=]{1,40}=[^>]{0,80})?\s?/?>",
    r"\[/?(?:system|assistant|developer|judge|grader)\]",
    r"</(?:documents?|question|context|request|answer|user)>",
    r"^\W{0,8}(?:end|begin|start) of (?:the )?(?:drafts?|documents?|requests?|data|prompt|context|user input)\b",
    r"\b(?:begin|start|end) (?:of )?(?:the )?system (?:message|prompt|instructions?)\b",
    r"\b(?:judge|grader|evaluator|router|assistant)(?:'s)? (?:instructions?|prompt|override|message)\b"
    r"\s?(?:\(|:|v\d|#|=)",
    r"\bsystem (?:prompt|override)\b\s?(?:\(|:|v\d|#|=)",
    r"\brole\W{1,4}(?:system|assistant|developer)\b",
    r"^\W{0,4}(?:new|updated|additional|real|actual|revised) (?:system )?(?:instructions?|prompt|rubric|task)\b"
    r"(?: (?:for|to) (?:the )?\w+)? ?:",
    r"^\W{0,4}(?:system|assistant|judge|router)\W{1,3}\{",
    r"\bend of (?:the )?(?:drafts?|documents?|data|prompt)\b.{0,40}\b(?:judge|grader|evaluator|model|instruction)",
)
_FORGED = (
    r"\b(?:faithfulness|helpfulness)\b\W{0,6}(?:score|is|of|rating)?\W{0,4}(?:\d|five|full|max)",
    r"\bunsupported(?:[_ ]claims?)?\b\W{0,4}[:=]\W{0,3}(?:\[|none|null|0|empty|nil)",
    r"\bclaims? without (?:support|evidence)\W{1,3}(?:none|0|nil|\[)",
    r"\b(?:passed|is_supported|approved)\b[\"']?\s?[:=]{1,2}\s?[\"']?(?:true|yes|1)\b",
    r"\bverdict\b\W{1,4}(?:pass|passed|approved?|accept(?:ed)?|supported|correct|true|5|five)\b",
    r"\b(?:final|overall) (?:result|grade|rating|assessment)\b ?[:=-] ?(?:pass|faithful|5|five|approved|supported)\b",
    r"\b(?:set|return|output|report) (?:\w+ )?passed\b.{0,6}\btrue\b",
    r"[\"']verdict[\"']\s?:",
    r"[\"'](?:tier|route)[\"']\s?:.{0,200}[\"'](?:difficulty|intent|needs_retrieval|contains_pii|is_legal)[\"']\s?:",
    r"\b(?:contains_pii|is_legal|needs_retrieval)\b.{0,12}\b(?:true|false)\b",
)
_FORGET = (
    rf"\b(?:{_DROP}|neglect|drop|discard)\b (?:\w+ ){{0,4}}?"
    r"(?:previous|prior|above|earlier|preceding|foregoing|former|initial|original|past|system|other|old)"
    r"(?: \w+){0,2} (?:instructions?|rules?|prompts?|directions?|directives?|guidelines?|guidance|commands?|orders"
    rf"|context|messages?|constraints?)\b{_IN_A_LETTER}",
    rf"\b{_DROP}\b (?:(?:all|any|every|each|of) ){{0,4}}(?:your|thy) (?:\w+ ){{0,2}}?"
    r"(?:instructions?|rules?|prompts?|programming|guidelines?|training|rubric|criteria)\b",
    rf"\b{_DROP}\b (?:\w+ ){{0,3}}(?:rules?|instructions?) (?:that )?you (?:were|are|have|had|got|received)",
    rf"\b(?:{_DROP}|replace|skip)\b (?:\w+ ){{0,2}}{_RUBRIC}",
    r"\b(?:ignore|disregard|forget) (?:(?:all|any|everything|anything)\b ?){1,2}(?:of )?(?:the |that )?"
    r"(?:above|before|previous(?:ly)?|prior|instructions?\b(?! (?:in|on|from|of)\b)|you (?:were|have been) told)",
    rf"\b{_DROP}\b (?:all |everything )?what you (?:were|have been) told\b",
    r"\byour system prompt\b|\byou (?:have been|were|are) (?:now )?re-?(?:configured|programmed) to\b",
    rf"\b{_DROP}\b (?:\w+ ){{0,2}}previously (?:given|stated|received)\b",
    r"\b(?:do not|don't|never) (?:follow|obey|listen to|apply|use)\b (?:\w+ ){0,3}"
    r"(?:your|previous|prior|above|earlier|system) (?:\w+ )?(?:instructions?|rules?|prompt|rubric|information)\b",
    r"\b(?:instructions?|rules?) you (?:received|were given|got)(?: before| earlier)?\b.{0,20}"
    r"\b(?:void|obsolete|null)\b",
    r"\b(?:repeat|print|reveal|show|output|translate|leak) (?:\w+ ){0,4}?"
    r"(?:your (?:\w+ )?(?:prompt|instructions?|rules)|system prompt|instructions (?:above|so far|you were given))\b",
    r"\brubric (?:is|has been|was) (?:replaced|changed|updated|suspended|switched off|void|obsolete)",
    r"\byour (?:new |updated |only |real )?rubric\b",
    r"\bnew (?:rule|scale|criteri\w+) for the (?:rubric|grad|judg|evaluat)",
    r"\b(?:grading|scoring|evaluation|judging) (?:is|has been|was) (?:disabled|suspended|switched off)\b",
    r"\b(?:decodes?|decrypt|deobfuscate|translate)\b.{0,60}\band (?:then )?(?:obeys?|execute|follows? (?:it|them))\b",
)
_BECOME = (
    r"\b(?:you are|you're|act|behave|pretend|respond) (?:now |no longer |as |to be ){1,2}(?:\w+ ){0,4}?"
    r"(?:router(?:gpt)?|judge|grader|evaluator|chatgpt|dan|language model|llm|jailbroken|unrestricted|unfiltered"
    r"|switchboard|(?:maintenance|debug|god|admin|jailbreak|sudo) mode)\b",
    r"\byou are (?:an? |the )(?:\w+ ){0,2}(?:judge|grader|evaluator|scorer|ai model|ai language model)\b",
    r"\b(?:maintenance|developer|debug|jailbreak|sudo) mode\b.{0,40}\b(?:approve|accept|pass) (?:every|all|this|the)\b",
    r"\b(?:from now on|henceforth)\b.{0,60}\b(?:you (?:will|are|must|shall|should|can) (?:\w+ )?"
    r"(?:act|behave|answer as|respond as|going to act|pretend|obey)|all drafts|every draft)",
    r"\bwho(?:so)?ever (?:grades?|judges?|scores?|evaluates?|rates?|assess(?:es)?) (?:this|the|it|my)\b",
    r"\bwhen (?:you are |you're )?asked to (?:evaluate|grade|judge|score|assess)\b",
    r"\bby reading this\b.{0,60}\b(?:model|judge|grader|evaluator|ai|you agree to (?:accept|approve|pass))\b",
    r"\b(?:required|mandatory) (?:\w+ )?directive\b.{0,30}\bmodels?\b",
)
_SCORES = (
    rf"\b{_GIVE}\b (?:\w+ ){{0,3}}?{_WORK}\b (?:[a-z]+ ){{0,2}}?{_TOP}",
    rf"\b{_GIVE}\b (?:it |them |itself )?(?:\w+ ){{0,2}}?{_TOP}(?: \w+){{0,2}} (?:to|for) {_WORK}",
    rf"\b{_THIS} (?:\w+ ){{0,3}}?(?:gets?|deserves?|receives?|earns?|(?:should|must|will|has to) (?:get|receive|be"
    rf"|score))\b (?:(?:a|the|an|rated|scored|given) ){{0,2}}{_TOP}",
    rf"\b{_WORK}.{{0,80}}\b(?:rate|score|grade|mark|give) it (?:\w+ ){{0,2}}?{_TOP}",
    rf"\b(?:rate|mark|grade|score) {_WORK} as (?:\w+ )?(?:perfect|excellent|correct|faithful|flawless)\b",
    r"\b(?:rating|score|grade|mark)s? (?:for|of) (?:the|this|that) (?:text|draft|reply|answer|response|passage)\b"
    rf"(?: \w+){{0,2}} (?:is|are|must be|should be) (?:a |an )?{_TOP}",
    rf"\b(?:pass|approve|accept|validate|greenlight|wave through) {_DRAFT}",
    rf"\b{_DRAFT} (?:\w+ ){{0,3}}?(?:is|are|be|been|as|always|must|will|gets?) (?:\w+ )?"
    r"(?:approved?|accept(?:ed)?|pass(?:ed|es)?|perfect|validated|the reference)\b",
    r"\b(?:leave|keep|return|output)\b (?:\w+ ){0,5}?unsupported (?:\w+ ){0,3}(?:empty|blank)\b",
    r"\b(?:leave|keep|return|output) (?:\w+ ){0,3}(?:empty|blank) (?:list|array) (?:\w+ ){0,2}unsupported",
    r"\b(?:do not|don't|must not|mustn't|never|not to|without) (?:list|report|flag|name|mention|mark)\w* (?:\w+ ){0,3}?"
    r"(?:(?:unsupported|unverified|ungrounded) (?:claims?|statements?)|claims? as)\b",
    r"\b(?:treat|mark|consider|regard|count|label|accept|rate)\b (?:\w+ ){0,6}?(?:as )?(?:fully |all |entirely )?"
    r"(?:supported|verified|faithful|grounded|backed)\b(?! (?:with|purchase|account|user|devic))",
    r"\bverification (?:is|has been|was) (?:switched|turned) off\b.{0,80}\b(?:treat|statements?|answers?|claims?)\b",
    r"\bno (?:further|more) (?:checks?|verification|review|evaluation)\b.{0,30}\b(?:needed|required|necessary)\b"
    r".{0,60}\b(?:verdict|draft|answer)",
    rf"\bno (?:verification|check(?:ing)?|review|judging) (?:by|from) (?:the |an? |any )?(?:{GRADER}|{OFFICE})\b",
    r"\bno judge (?:is )?needed\b",
)
_ROUTES = (
    r"\b(?:send|route|forward|escalate|hand|pass|refer)\b (?:this|it|everything|all|every|me)\b(?: \w+){0,3} "
    r"(?:to|through|via|on) .{1,60}\b(?:regardless of|whatever|no matter what|never mind|ignoring|despite)\b.{0,20}"
    r"\b(?:polic(?:y|ies)|rules?|router|tiers?)\b(?! of)",
    r"\b(?:route|send|escalate|forward)\b (?:this|it|everything|all|the|every)\b(?: \w+){0,3} (?:to|through) "
    r"(?:the |a )?(?:\w+ ){0,2}(?:tier|(?:largest|biggest|strongest|best|frontier|most expensive) model)\b",
    r"\b(?:send|route|escalate|forward|go|hand over)\b (?:\w+ ){0,2}(?:to|through|via) (?:\w+ ){1,4}"
    r"(?:regardless of|no matter what) (?:\w+ ){0,3}(?:policy|policies|rules?|router)\b(?! of)",
    r"\b(?:use|choose|pick) (?:the )?(?:most expensive|strongest|largest|biggest|best|cheapest|frontier) "
    r"(?:model|tier)\b.{0,60}\b(?:ignor\w+|regardless|policy|routing|router|no judge)\b",
    r"\b(?:only )?allowed tiers? (?:is|are)\b|\btier policy\b.{0,40}\boverrid",
)
_OTHER_LANGUAGES = (
    r"\b(?:ignorier\w*|vergiss|vergessen sie|missachte\w*)\b (?:\w+ ){0,4}?"
    r"(?:anweisung|vorgabe|instruktion|bisherigen? regel|bewertungsma|bewertungskriteri|richtlinie|prompt)\w*",
    r"\b(?:bewerte\w*|benote\w*|beurteile\w*|vergib|vergeben sie|gib|geben sie)\b (?:\w+ ){0,5}?"
    r"(?:antwort|entwurf|draft)\w*(?: \w+){0,4}? (?:hochstnote|hochstpunktzahl|bestnote|volle\w* punkt\w*"
    r"|(?:5|funf) (?:von (?:5|funf)|punkt\w*))",
    r"\b(?:gib|vergib|geben sie|vergeben sie)\b (?:\w+ ){0,4}?(?:hochstnote|hochstpunktzahl|bestnote|volle punkt\w+)",
    r"\b(?:vergiss|ignoriere|missachte) (?:alle |deine |die ){1,2}(?:regeln|vorgaben|anweisungen),? (?:die du|und)\b",
    r"\b(?:ignore[zr]?|oublie[zr]?|ne (?:tenez|tiens) pas compte (?:de|des))\b (?:\w+ ){0,3}?"
    r"(?:(?:instructions?|regles?|consignes?|directives?) (?:\w+ )?(?:precedentes?|anterieures?|ci-dessus|donnees)"
    r"|vos (?:instructions|consignes|regles))\b",
    r"\b(?:attribue[zr]?|donne[zr]?|notez|mets|mettez|accorde[zr]?)\b (?:\w+ ){0,6}?"
    r"(?:note maximale|meilleure note|5 sur 5|cinq sur cinq|score maximal)",
    r"\b(?:ignor[ae]n?|olvid[ae]n?|descart[ae]n?|omit[ae]n?)\b (?:\w+ ){0,3}?(?:rubrica"
    r"|(?:instrucciones|reglas|directrices)(?: \w+)? (?:anteriores|previas|dadas|recibidas)|tus instrucciones)\b",
    r"\b(?:pon(?:ga)?|de|da|dale|otorgu?[ae]|asign[ae]|califi(?:ca|que))\b (?:\w+ ){0,5}?"
    r"(?:puntuacion maxima|maxima puntuacion|nota maxima|maxima nota|5 de 5|cinco de cinco)",
)
# What is asked of somebody whom the sentence names as a judge.
_ASKED = (
    rf"\b{_GIVE}\b (?:\w+ ){{0,6}}?{_TOP}",
    rf"\b(?:must|should|shall|has to|have to|please|thank you|thanks|agrees?|deserves?|choose)\b.{{0,40}}{_TOP}",
    r"\b(?:pass|approve|accept|validate|trust|confirm) (?:this|it|the|every|all|any|each)\b",
    r"\b(?:give|award) .{0,30}\bpass\b",
    r"\breturn (?:passed|true|pass)\b|\bmark (?:\w+ ){0,3}(?:as )?(?:supported|correct|passed|verified|true)\b",
    r"\bforget (?:your|all|the|previous)\b|\bunsupported claims?\b",
    r"\b(?:ignore|disregard)\b (?:\w+ ){0,2}(?:documents?|rubric|rules?)",
    r"\b(?:draft|answer|reply|response)s? (?:\w+ ){0,6}?(?:is|are|was) (?:\w+ )?"
    r"(?:correct|perfect|faithful|helpful|approved|supported|right)\b",
    rf"\b(?:go with|settle on|say|answer|anything (?:below|under)|less than|lower than) {_TOP}",
    r"\b(?:generous|lenient|overlook|let (?:it|this) (?:pass|through))\b",
    r"\balways pass|\b(?:must )?send (?:the )?requests? to\b|\b(?:choose|pick|select) .{1,40}\btier\b",
    r"\bskip (?:\w+ )?(?:verification|checks|the check|grading)\b",
    r"\b(?:must|should|shall|may|do) (?:not|never) (?:penali[sz]e|deduct|object|reject|complain|list|flag|doubt"
    r"|question|report)\b",
    r"\b(?:consider|treat|regard|count) (?:the|this|every|all) (?:reply|draft|answer|response|claim|statement)s?\b",
    r"\b(?:bewerte|benote|beurteile|akzeptiere|bestatige|genehmige)\w*\b|\bmit (?:5|funf|1) bewerten\b"
    r"|\bhochstnote\b|\bvolle punktzahl\b|\bunbelegt\w*",
    r"\b(?:attribue|donne|note|valide|accepte|approuve)[zr]\b (?:\w+ )?(?:reponse|brouillon|note|la|le|cette|ce)\b",
    r"\b(?:aprueb[ae]n?|acept[ae]n?|valid[ae]n?|pon(?:ga)?|otorgu?e|califique|aprobar|aceptar|validar)\b (?:\w+ )?"
    r"(?:la|el|esta|este|un|su|respuesta)\b",
)
_WISHED = (_TOP, r"\b(?:full|top) marks\b")  # enough where the judge is called on


def _any(*patterns: str) -> re.Pattern[str]:
    return re.compile("|".join(f"(?:{pattern})" for pattern in patterns))


_PLAIN = [
    _any(*patterns) for patterns in (_MARKERS, _FORGED, _FORGET, _BECOME, _SCORES, _ROUTES, _OTHER_LANGUAGES, (DEAR,))
]
_SCORED, _WHO, _GRADER = _any(*_SCORES), re.compile(rf"\b{WHO}"), re.compile(rf"\b{GRADER}\b")
_CALL, _IDENTITY, _INSTRUCTED = re.compile(CALL), re.compile(IDENTITY), re.compile(INSTRUCTED)
_ASK, _WISH = _any(*_ASKED), _any(*_WISHED)
_ABOUT = re.compile(
    rf"\b(?:{_WORK}|verdict|{_RUBRIC}|this (?:page|text|document|hint|sentence)|to (?:accept|approve|pass)[.!])"
)
_PASSES = re.compile(r"\bpass(?:es)?\b|\bapprove|\baccept")


def says_to_judge(reading: str) -> bool:
    """Whether one reading of a sentence speaks to a judge or router."""
    return any(pattern.search(reading) for pattern in _PLAIN) or combines(reading)


def says_together(reading: str) -> bool:
    """`says_to_judge` for two sentences: only what one may leave to the other."""
    return combines(reading) or _SCORED.search(reading) is not None


def combines(reading: str) -> bool:
    """Whether the reading names a judge and asks something of it, neither of which tells anything alone."""
    if not _WHO.search(reading):
        return False
    grader, asked = _GRADER.search(reading) is not None, _ASK.search(reading) is not None
    about = _ABOUT.search(reading) is not None
    if asked and grader:
        return True
    if _CALL.search(reading) and (asked or _WISH.search(reading)):
        return True
    if _INSTRUCTED.search(reading) and about:
        return True
    if _IDENTITY.search(reading) and (asked or grader or about):
        return True
    return grader and about and _PASSES.search(reading) is not None
