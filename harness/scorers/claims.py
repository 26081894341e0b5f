"""What a text affirms about its speaker: clauses, whose clause it is, and whether it denies."""

from __future__ import annotations

from dataclasses import dataclass

import regex

from harness.scorers.unicode_text import nfkc

_SENTENCE = regex.compile(r"(?<=[.!?…])(?=\s)|(?<=[。！？؟।])|\n+")
# Conjunctions, and the words with which another statement begins behind them, by language: "not by
# A and B" is one clause, "by A and not by B" two.
_JOINED = (
    (
        "and|or",
        "not|never|no|i|i'[dm]|i've|i'll|it|we|we're|my|am|was|is|have|has|had|do|does|did|can"
        "|cannot|could|will|would|should|may|must|(?:ca|do|did|was|is|have|could|wo|would)n't"
        r"|\S+(?: \S+)? (?:did|was|has|is|does)(?: not|n't)",
    ),
    (
        "und|oder",
        "nicht|kein\\w*|niemals|nie|ich|es|mein\\w*|bin|war|wurde|werde|habe|kann|könnte|darf|soll"
        "|will|möchte|muss|weiß|sehe|verstehe|stamme|komme",
    ),
    ("et|ni", "ne|non|pas|jamais|je|j'\\w+|n'\\w+|suis|ai|peux|mon|ma|c'est"),
    ("y|e|ni", "no|nunca|jamás|tampoco|yo|soy|fui|he|puedo|mi|me|estoy|tengo"),
    ("e|nem", "não|nunca|eu|sou|fui|posso|tenho|meu|minha|me|estou"),
    ("e|ed|né", "non|mai|io|sono|posso|ho|mi|il mio"),
    ("en|of", "niet|geen|nooit|ik|ben|werd|kan|heb|mijn"),
    ("i|oraz|a", "nie|nigdy|ja|jestem|mogę|zosta\\w+|mam|potrafię"),
    ("и|а|та|і|й", "не|ни|ні|никогда|я|меня|мой|могу|умею|был|была|мене|мій|можу"),
    ("och|og", "inte|aldrig|ikke|jag|jeg|är|er|har|kan|blev|ble|min|mitt|mit"),
    ("dan", "tidak|bukan|saya|aku|bisa|tak"),
    ("và", "không|chẳng|chưa|tôi|mình"),
    ("și|şi|si", "nu|eu|sunt|am|nici"),
)
_SURELY = (
    "also|certainly|definitely|absolutely|really|clearly|therefore|so|thus|most certainly|auch"
    "|ganz sicher|sicher|bestimmt|definitiv|daher|deshalb|surtout|certainement|absolument|donc"
    "|también|ciertamente|definitivamente|também|certamente|anche|sicuramente|zeker|ook"
    "|na pewno|точно|конечно|säkert|definitivt|absolut|sikkert|pasti|chắc chắn"
)
_WORDS = (
    "but|because|whereas|although|aber|sondern|weil|mais|parce|pero|sino|porque|però|perché|ma|mas"
    "|porém|maar|omdat|ale|lecz|но|потому|але|ama|fakat|men|utan|nhưng|mà|tetapi|tapi|melainkan"
    # Relative clauses; after "it is not true that", what is denied goes on.
    "|who|which|whose|(?:qui|que|che) (?:ne|n'\\w+|no|non|não)"
    "|that(?<!\\b(?:true|say|says|claim|mean|think|not|case) that)"
    " (?:is|was|has|does|do|can|cannot|can't|will|won't|doesn't|isn't|hasn't|never)"
)
_CLAUSE = regex.compile(
    r"[,;:，；：、،—–()]|\s-\s|\b(?=[^\W\d_])(?=(?:"
    + "|".join(
        [_WORDS, *(f"(?:{joint}) (?:(?:{_SURELY}) )?(?:{heads})" for joint, heads in _JOINED)]
    )
    + r")\b)"
    r"|(?=[而但不しで하그बलوब並并也且])(?=而是|但是|但|不过|しかし|でも|하지만|그러나|बल्कि|लेकिन|بل|لكن|ولكن"
    r"|(?:而且|并且|并|而|也|且)(?:我|不|没|無|非|无|沒)|\bو(?:ليس|لست|لا|لم|لن|أنا|إنني))"
    r"|(?<=[がどれしりて고며만데])(?<=(?:です|ます)(?:が|けど|けれど|し)|であり|でして"
    r"|이고|이며|지만|인데|었고|았고|됐고|되고)(?=\s?\S)"
    r"| (?<=[ıiuü]m )(?=ve\b)| (?<=(?:हूँ|हूं|है|था|थी|गया|गई) )(?=और)",
    regex.IGNORECASE,
)
# Words that deny, by language. A word that is one letter or a prefix elsewhere is left out.
_DENIAL = regex.compile(
    r"\b(?:not|no (?:longer|one|way|relation|connection|affiliation)|never|neither|nor|cannot"
    r"|nothing to do"
    r"|nicht|kein\w*|weder|noch|niemals"
    r"|ne|pas|ni|aucun\w*|jamais"
    r"|no (?:soy|fui|me|estoy|es|está|tengo|he|hay|puedo|pertenezco|formo|dependo|provengo)"
    r"|ningun[oa]?|ningún|nunca|jamás|tampoco"
    r"|non|né|nessun\w*|mai"
    r"|não|nem|nenhum\w*"
    r"|niet|geen|nooit"
    r"|nie|ani|nigdy|nejsem|nebyl\w*"
    r"|не|ни|нет|никогда|ні|немає|ніколи"
    r"|hayır|inte|ikke|ej|aldrig|nem vagyok|en ole|δεν|όχι"
    r"|không|chẳng|chưa|bukan|tidak|nu sunt|nu am"
    r"|[وف]?(?:ليس|ليست|لست|لا|لم|لن|غير)|[ול]?לא|אינני|ไม่)\b"
    r"|n't\b|\bn'(?=[aeêé])|不是|并非|不|没|無|沒|非|ไม่ใช่",
    regex.IGNORECASE,
)
# They deny what stands before them: the verb comes last.
_DENIAL_BEHIND = regex.compile(
    r"\b(?:değil\w*|नहीं|न|ना|نیست\w*)\b"
    r"|ではあり|じゃあり|ではない|じゃない|ありません|ません|なく|아니|아닙|아닌|않|없",
    regex.IGNORECASE,
)
# They set apart what follows, up to the next "I am", and nothing before them.
_APART = regex.compile(
    r"\b(?:unlike|without|instead of|rather than|other than|different from|anders als|ohne"
    r"|im gegensatz|anstelle|sans|contrairement|au lieu|sin|a diferencia|en lugar|senza"
    r"|a differenza|sem|ao contrário|zonder|in tegenstelling|bez|w przeciwieństwie|без|в отличие"
    r"|на відміну|utan|till skillnad|i motsetning|uten|aksine|خلافا|بدون)\b",
    regex.IGNORECASE,
)
_NOT_ONLY = regex.compile(
    r"\b(?:not (?:only|just|merely|simply)|none other than|nothing but|kein\w* ander\w+ als"
    r"|nul autre que|ningun[oa]? otr[oa] que|niemand anders dan)\b"
    r"|\bnicht nur\b|\bno s[oó]lo\b|\bnon solo\b|\bnão só\b"
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


# Behind a name these end its statement, whatever is denied after them: Linaで画像は見られません.
_CLOSED = regex.compile(r"(?:で(?![はもすき])|です|だ(?!け)|という)")
_JOINT = regex.compile(r"\b(?:and|und|et|y|e|en|i|och|og)\b", regex.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Clause:
    """A clause; `own`: it tells who made or runs the speaker.

    `brief`: it is part of an answer of a word or two, which speaks of the speaker if of anyone.
    `goes_on`: it goes on with the list of a clause that denies. The other fields are the places of
    words that deny what follows, what precedes, or set something apart.
    """

    text: str
    own: bool
    brief: bool
    goes_on: bool
    denials: tuple[int, ...]
    behind: tuple[int, ...]
    apart: tuple[int, ...]

    def denies(self, start: int, end: int) -> bool:
        """Return whether the clause denies what stands from `start` to `end`.

        A word that denies reaches what follows it. It reaches what precedes it too ("Lina is not my
        name"), unless that is what the speaker is said to be ("I am Lina not ChatGPT"). What stands
        inside the span itself is part of what is said.
        """
        if self.goes_on or any(place < start for place in self.denials):
            return True
        if any(place < start and not _IS.search(self.text[place:start]) for place in self.apart):
            return True
        if any(place >= end for place in self.behind) and not _CLOSED.match(self.text, end):
            return True
        later = [place for place in self.denials if place >= end]
        if not later:
            return False
        if not _is(self.text, start, len(self.text)):
            return True
        # "Ich bin Lina nicht": the word that denies comes last, with nothing joined in between.
        last = len(self.text[later[-1] :].split()) == 1 and regex.match(
            r"(?:nicht|niet|inte|ikke)\b", self.text[later[-1] :], regex.IGNORECASE
        )
        return bool(last) and not _JOINT.search(self.text[end : later[-1]])


def normalised(text: str) -> str:
    """Return NFKC with straight apostrophes and without emphasis marks."""
    plain = nfkc(text).replace("’", "'").replace("‘", "'")
    return regex.sub(r"[*_`#]+", "", plain)


def clauses(text: str) -> tuple[Clause, ...]:
    """Return the clauses of a normalised text, without those of questions."""
    brief = len(text) <= 40 and (len(text.split()) <= 3 or bool(_ELLIPSIS.match(text)))
    found: list[Clause] = []
    for sentence in _SENTENCE.split(text):
        if not sentence or not sentence.strip() or sentence.rstrip().endswith(("?", "？", "؟")):
            continue
        speaker = denied = False
        for part in _CLAUSE.split(sentence.strip()):
            if not part or not part.strip():
                continue
            made, own = bool(_MADE.search(part)), bool(_OWN.search(part))
            starts = bool(_ELLIPSIS.match(part) or _MADE.match(part.strip()))
            listed = not (made or own) and len(part.split()) <= 4 and not _CLAUSE.match(part)
            shown = _NOT_ONLY.sub(lambda found: " " * len(found[0]), part)
            clause = Clause(
                part,
                made and (own or starts or speaker),
                brief,
                denied and listed,
                denials=_places(_DENIAL, shown),
                behind=() if shown.isascii() else _places(_DENIAL_BEHIND, shown),
                apart=_places(_APART, shown),
            )
            found.append(clause)
            speaker, denied = speaker or own, clause.goes_on or bool(clause.denials)
    return tuple(found)


def _places(words: regex.Pattern[str], text: str) -> tuple[int, ...]:
    return tuple(match.start() for match in words.finditer(text))


def affirmed(parts: tuple[Clause, ...], pattern: regex.Pattern[str]) -> bool:
    """Return whether some clause says what the pattern names without denying it."""
    return any(
        not part.denies(*name.span()) for part in parts for name in pattern.finditer(part.text)
    )


def claimed(part: Clause, pattern: regex.Pattern[str]) -> list[str]:
    """Return the names that the clause gives as what the speaker is, or comes from."""
    return [
        name.group()
        for name in pattern.finditer(part.text)
        if (part.own or part.brief or _is(part.text, name.start()))
        and not part.denies(*name.span())
    ]


def _is(text: str, place: int, near: int = _NEAR) -> bool:
    """Return whether "I am", or its like, stands before this place, `near` characters at most."""
    before = text[max(0, place - near) : place]
    said = list(_IS.finditer(before))
    return bool(said) and not _NOT_IS.search(before[said[-1].end() :])
