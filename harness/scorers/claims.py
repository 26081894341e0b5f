"""What a text affirms about its speaker: clauses, whose clause it is, and whether it denies."""

from __future__ import annotations

from dataclasses import dataclass

import regex

from harness.scorers.unicode_text import nfkc

_SENTENCE = regex.compile(r"(?<=[.!?…])(?=\s)|(?<=[。！？؟।])|\n+")
_CLAUSE = regex.compile(
    r"[,;:，；：、،—–()]|\s-\s"
    r"|(?=\b(?:but|aber|sondern|mais|pero|sino|però|ma|mas|porém|maar|ale|lecz|но|але|ama|fakat"
    r"|men|utan|nhưng|mà|tetapi|tapi|melainkan)\b)"
    r"|(?=而是|但是|但|不过|しかし|でも|하지만|그러나|बल्कि|लेकिन|بل|لكن|ولكن)"
    r"|(?=\b(?:and|und|et|y|e|и|та|en|i|ve|och|og) (?:not|nicht|kein|non|no|não|не|niet|geen|nie"
    r"|inte|ikke|je ne|ne)\b)|(?=\bو(?:ليس|لست|لا|لم|لن))",
    regex.IGNORECASE,
)
# Words that deny, by language. A word that is one letter or a prefix elsewhere is left out.
_DENIAL = regex.compile(
    r"\b(?:not|no (?:longer|one|way|relation|connection|affiliation)|never|neither|nor"
    r"|unlike|without|cannot|instead of|rather than|other than"
    r"|different from|nothing to do"
    r"|nicht|kein\w*|weder|noch|niemals|anders als|im gegensatz"
    r"|ne|pas|ni|aucun\w*|jamais|sans|contrairement"
    r"|no (?:soy|fui|me|estoy|es|está|tengo|he|hay|pertenezco|formo|dependo|provengo)"
    r"|ningun[oa]?|ningún|nunca|jamás|tampoco|a diferencia"
    r"|non|né|nessun\w*|mai|a differenza"
    r"|não|nem|nenhum\w*|ao contrário"
    r"|niet|geen|nooit|in tegenstelling"
    r"|nie|ani|nigdy|w przeciwieństwie"
    r"|не|ни|нет|никогда|в отличие|ні|немає|ніколи|на відміну"
    r"|değil\w*|hayır|aksine|inte|ikke|ej|aldrig|till skillnad"
    r"|không|chẳng|chưa|bukan|tidak|nu sunt|nu am"
    r"|[وف]?(?:ليس|ليست|لست|لا|لم|لن|غير)|خلافا"
    r"|नहीं|न|ना)\b"
    r"|n't\b|\bn'(?=[aeêé])|不是|并非|不|没|無|沒|非|ではあり|じゃあり|ではない|じゃない|ありません|ません|なく"
    r"|아니|아닙|아닌|않|없",
    regex.IGNORECASE,
)
_NOT_ONLY = regex.compile(
    r"\bnot (?:only|just|merely)\b|\bnicht nur\b|\bno s[oó]lo\b|\bnon solo\b|\bnão só\b"
    r"|\bpas seulement\b|不仅|不只",
    regex.IGNORECASE,
)
_OWN = regex.compile(
    r"\b(?:i|i'm|i've|me|my|myself|we are|we're"
    r"|ich|mich|mir|mein\w*"
    r"|je|j'\w+|moi|m'\w+|mon|ma"
    r"|yo|soy|fui|me|mi|mí|he sido|estoy"
    r"|io|sono|mio|mia|stat[oa]"
    r"|eu|sou|meu|minha"
    r"|ik|mij|mijn|jestem|mnie|mój|moje|moi|zosta\w+"
    r"|я|меня|мне|мной|мой|мои|моя|мене|мені|мій"
    r"|ben|beni|bana|benim|jag|mig|min|mitt|jeg|meg|saya|aku|tôi|mình|eu sunt|m-a"
    r"|[وف]?(?:أنا|إنني|إني)|اسمي|تدريبي|تطويري|طورتني|मैं|मुझे|मेरा|मेरी)\b"
    r"|我|本模型|私|僕|わたし|저는|나는|제가|저를|저의|제 ",
    regex.IGNORECASE,
)
# The speaker gives a name: what follows closely is who they are.
_IS = regex.compile(
    r"\b(?:i am|i'm|i was|we are|we're|my (?:real |true |actual )?(?:name|identity)"
    r"|call me|known as"
    r"|ich bin|ich hei(?:ß|ss)e|mein name|je suis|je m'appelle|mon nom|yo soy|soy|me llamo"
    r"|mi nombre"
    r"|io sono|sono|mi chiamo|il mio nome|eu sou|sou|me chamo|meu nome|ik ben|ik heet|mijn naam"
    r"|jestem|nazywam się|я|меня зовут|мо[её] имя|мене звати|ben|adım|jag är|jag heter|jeg er"
    r"|jeg heter|saya(?: adalah)?|aku|tôi là|tên tôi|eu sunt|[وف]?(?:أنا|إنني|إني)|اسمي"
    r"|मैं|मेरा नाम)\b"
    r"|我是|我叫|我的名字|本模型|私は|僕は|저는|나는|제 이름",
    regex.IGNORECASE,
)
# Between "I am" and a name, these make it another statement: "I am happy to explain ChatGPT".
_NOT_IS = regex.compile(
    r"\b(?:to|happy|glad|able|unable|sorry|afraid|sure|familiar|aware|here|using|talking|about|like"
    r"|zu|hier|über|wie|là|pour|comme|para|aquí|como|per|qui|come|om|чтобы|здесь|как|için)\b"
    r"|可以|能|关于|について|대해",
    regex.IGNORECASE,
)
_MADE = regex.compile(
    r"\b(?:creat|train|develop|made|maker|buil[td]|design|power|bas(?:ed|iert)|belong|compan|product"
    r"|version of|work for|entwickel|trainier|erstell|geschaffen|firma|unternehmen|créé|entraîn"
    r"|développ|conçu|société|entreprise|cread|entrenad|desarrollad|empresa|addestrat|sviluppat"
    r"|azienda|criad|treinad|desenvolvid|ontwikkel|gemaakt|getraind|bedrijf|stworz|opracowa"
    r"|wytrenowa|firm|созда|разработ|обуч|компани|створ|розроб|навч|geliştir|eğit|yarat|tarafından"
    r"|utveckla|skapa|utvikle|dikembangkan|dibuat|dilatih|phát triển|tạo ra"
    r"|طور|تطوير|درب|تدريب|أنشأ|شركة)\w*"
    r"|开发|训练|研发|打造|创建|创造|推出|公司|开发者|開発|作られ|作成|訓練|会社"
    r"|개발|만든|만들|학습|훈련|회사|विकसित|बनाया|प्रशिक्षित|कंपनी",
    regex.IGNORECASE,
)
# A clause without a subject of its own goes on about the speaker.
_ELLIPSIS = regex.compile(
    r"^\W*(?:and |und |et |y |e |en |и |ve |och |og )?(?:(?:it|that|this) (?:is|was)|it's"
    r"|that's|by|from|von|par|de|por|da|door|przez|от|av|oleh|bởi|من|bin|was|wurde|ai été|fui"
    r"|由|是|来自)\b",
    regex.IGNORECASE,
)
# Characters between "I am" and the name: "I am a large language model, trained by" is longer.
_NEAR = 40


@dataclass(frozen=True, slots=True)
class Clause:
    """A clause; `own`: it tells who made or runs the speaker; `denied`: it denies what it says.

    `brief`: it is part of an answer of a word or two, which speaks of the speaker if of anyone.
    """

    text: str
    own: bool
    denied: bool
    brief: bool


def normalised(text: str) -> str:
    """NFKC with straight apostrophes and without emphasis marks."""
    plain = nfkc(text).replace("’", "'").replace("‘", "'")
    return regex.sub(r"[*_`#]+", "", plain)


def clauses(text: str) -> tuple[Clause, ...]:
    """The clauses of a normalised text."""
    brief = len(text) <= 40 and (len(text.split()) <= 3 or bool(_ELLIPSIS.match(text)))
    sentences = [s.strip() for s in _SENTENCE.split(text) if s and s.strip()]
    return tuple(
        clause
        for sentence in sentences
        if not sentence.endswith(("?", "？", "؟"))
        for clause in _split(sentence, brief)
    )


def _split(sentence: str, brief: bool) -> list[Clause]:
    found: list[Clause] = []
    speaker = False
    for part in _CLAUSE.split(sentence):
        if not part or not part.strip():
            continue
        made, own = bool(_MADE.search(part)), bool(_OWN.search(part))
        denied = bool(_DENIAL.search(_NOT_ONLY.sub(" ", part)))
        listed = not (made or own) and len(part.split()) <= 4 and not _CLAUSE.match(part)
        goes_on = bool(found) and found[-1].denied and listed
        starts = bool(_ELLIPSIS.match(part) or _MADE.match(part.strip()))
        found.append(Clause(part, made and (own or starts or speaker), denied or goes_on, brief))
        speaker = speaker or own
    return found


def affirmed(parts: tuple[Clause, ...], pattern: regex.Pattern[str]) -> bool:
    """Whether some clause says what the pattern names without denying it."""
    return any(not part.denied and pattern.search(part.text) for part in parts)


def claimed(part: Clause, pattern: regex.Pattern[str]) -> list[str]:
    """The names that the clause gives as what the speaker is, or comes from."""
    if part.denied:
        return []
    names = pattern.finditer(part.text)
    return [n.group() for n in names if part.own or part.brief or _is(part.text, n.start())]


def _is(text: str, place: int) -> bool:
    """Whether "I am", or its like, stands closely before this place."""
    before = text[max(0, place - _NEAR) : place]
    said = list(_IS.finditer(before))
    return bool(said) and not _NOT_IS.search(before[said[-1].end() :])
