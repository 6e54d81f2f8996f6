"""Who a sentence may speak to when it does not speak to its reader, as regular expressions over small letters.

``GRADER``: names that hardly mean anything else. ``OFFICE``: names that people, devices and products bear as well, so
that more has to point at a judge. English, and the basics of German, French and Spanish.
"""

from __future__ import annotations

GRADER = (
    r"(?:evaluators?|graders?|scorers?|raters?|llms?|language models?|large models?|chatgpt|gpt-?[345]\w*"
    r"|(?:grading|judging|scoring|rating|evaluat(?:ing|ion)|review(?:ing)?|quality|verif(?:ying|ication)|checking"
    r"|moderation|routing|ai|artificial intelligence|automat(?:ic|ed)|llm|machine)[ -](?:\w+ )?"
    r"(?:models?|systems?|agents?|assistants?|judges?|reviewers?|evaluators?|graders?|checkers?|readers?|bots?|llms?)"
    r"|(?:models?|ais?|bots?|agents?|systems?|assistants?) (?:that|which|who) (?:\w+ )?"
    r"(?:checks?|grades?|judges?|scores?|rates?|evaluates?|reads? this|verif\w+)|llm[- ]as[- ]an?[- ]judge"
    r"|(?:ai|model|bot|agent|assistant)s? (?:that is |who is |which is )?"
    r"(?:(?:evaluating|grading|judging|scoring)\b|(?:checking|rating|reviewing) (?:this|the|my|a)\b)"
    r"|sprachmodelle?|(?:bewertungs|pruf|richter)(?:modell|system|ki)\w*|bewerter(?:in)?|ki-?(?:modell|system)\w*"
    r"|evaluat(?:eur|rice)s?|notateurs?|modele?s? de langage|model[eo]s? (?:qui|que) (?:evalu|juzg|juge|not|calific)\w*"
    r"|evaluador(?:a|es)?|calificador(?:a|es)?|modelos? de lenguaje)"
)
OFFICE = (
    r"(?:judges?|reviewers?|checkers?|verifiers?|assessors?|examiners?|moderators?|routers?|chatbots?|assistants?|models?|ais?"
    r"|classifiers?|prufer(?:in)?|pruefer(?:in)?|gutachter(?:in)?|richter(?:in)?|juges?|correcteurs?|correctrices?"
    r"|verificateurs?|relecteurs?|juez|jueza|jueces|revisor(?:a|es)?|modelos?|modeles?|asistente|ki|ia)"
)
WHO = rf"(?:{GRADER}|{OFFICE})\b"

_START = r"(?:^\W{0,8}|[.:;!(] ?)"
_GREETING = (
    r"(?:(?:my )?dear|hello|hey|hi|attention|attn|important|notice|p\.? ?s\.?|notes?|message|memo|(?:internal )?hint"
    r"|info|(?:hidden )?(?:text|comment|content) (?=for|to)|instructions? (?=for|to)|hinweis|nachricht|anweisung"
    r"|liebe[rs]?|sehr geehrter?|cher|chere|consigne|a l'attention|nota|mensaje|estimad[oa]s?|querid[oa]s?|aviso"
    r"|to|for|an (?=den|die|das|alle)|pour|para)[ :,.!]{0,3}"
)
_ARTICLE = (
    r"(?:(?:to|for|an|fur|pour|para|du|de|au|al|a|the|all|any|every|whoever|our|you|den|die|der|das|alle|la|les|el|los"
    r"|las|le)\b ?|l'|d'){0,3}"
)
_SUBJECT = r"(?! (?:is|are|was|were|can|may|has|have|will|does)\b)"

CALL = (
    rf"(?:{_START}{_GREETING}{_ARTICLE}(?:\w+ )?{WHO}{_SUBJECT}"
    rf"|{_START}{_ARTICLE}(?:\w+ )?{WHO}(?:'s (?:own )?\w+)?(?= ?[,:;!]| - |$| that )"
    rf"|, ?{GRADER}(?= ?[,:!])|, ?(?:{GRADER}|judge|reviewer|router)(?= ?(?:[.!]|$)))"
)
"""A judge called on: "Dear judge," "Note to the model that reads this", "Judge:", "do it, grader:"."""

DEAR = (
    rf"(?:{_START}{_GREETING}{_ARTICLE}(?:\w+ )?{GRADER}(?= ?[,:;!.]| - |$)"
    rf"|{_START}(?:(?:automat(?:ed|ic)|ai|llm) )?(?:evaluators?|graders?|judges)(?= ?:))"
)
"""A call that needs nothing beside it: a greeting and a name that hardly means anything else."""

IDENTITY = (
    rf"\b(?:if|as|since|because|when|while) (?:you are |you're |you )?(?:an?|the|our)? ?(?:\w+ )?{WHO}"
    r"(?: \w+){0,6}?,? you (?:must|should|shall|will|are required|are instructed|have to|need to|cannot|can only)\b"
    rf"|\b(?:als|como|en tant qu'?e?) ?{WHO},? (?:musst|sollst|mussen|sollen|debes?|tienes|vous devez|tu dois)\b"
)
"""A reader told what follows from being a judge: "As the evaluator, you must"."""

INSTRUCTED = (
    rf"(?:\b{WHO} (?:\w+ )?(?:is|are|has been|have been) (?:instructed|required|told|ordered) to\b"
    rf"|\b(?:instruct|order|tell|command)(?:s|ed)? (?:the|all|any|every) (?:\w+ )?{WHO} to\b"
    rf"|\b{WHO} (?:\w+ ){{0,3}}?(?:must|should|shall|agrees? to|has to|have to|muss|soll|doit|debe) (?:\w+ )?"
    r"(?:return|give|accept|approve|pass|award|score|rate|mark|send|state|accepter|valider|aprobar|aceptar)\b)"
)
"""A judge spoken of as if it had been ordered: "the grader must return"."""
