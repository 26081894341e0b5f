"""Writes the long documents of `long_context.yaml`: `python make_documents.py [FOLDER]`.

Every document is drawn from a seed, together with questions whose answers are computed from the
records that it is written from. One row of a JSONL file is one document: `id`, `document`, and
for each question its text, the answer and, where the answer is a name, the other names that
stand in the document.
"""

from __future__ import annotations

import json
import random
import sys
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

Row = dict[str, Any]
T = TypeVar("T")


def _question(question: str, answer: int | str, names: Iterable[str] = ()) -> Row:
    """A question; `others` are the wrong names, for answers that are names."""
    return {"question": question, "answer": answer, "others": sorted({*names} - {str(answer)})}


def _words(text: str) -> list[str]:
    return text.split()


def _once(items: Iterable[T]) -> list[T]:
    """Those that occur exactly once, in order."""
    counted = Counter(items)
    return [item for item, times in counted.items() if times == 1]


# -- English: the log of a depot -------------------------------------------------------------------

DOCKS = ["Amber", "Birch", "Cobalt", "Dune", "Ember", "Flint"]
GOODS = ["pears", "lamps", "bricks", "carpets", "kettles", "saddles", "tiles", "onions"]
RARE = "quinces"


@dataclass(frozen=True)
class Unloading:
    """One line of the log."""

    day: int
    clock: str
    dock: str
    van: int
    crates: int
    goods: str
    broken: bool

    @property
    def line(self) -> str:
        seal = "SEAL BROKEN" if self.broken else "seal intact"
        where = f"dock {self.dock}, van {self.van}"
        load = f"{self.crates} crates of {self.goods}"
        return f"Day {self.day}, {self.clock} | {where} | {load} | {seal}"


def depot_log(size: int) -> Row:
    """A log of `size` lines and eight questions about it."""
    rng = random.Random(f"depot/{size}")
    log = _unloadings(rng, size)
    largest = max(log, key=lambda entry: entry.crates)
    vans = sorted({entry.van for entry in log})
    asked = rng.choice(_asked_once(log))
    followed = rng.choice([entry for entry in log[: size // 2] if entry.broken])
    seen = rng.choice(vans)
    stranger = next(van for van in range(500, 600) if van not in vans)
    nowhere = next(
        (van, dock)
        for van in vans
        for dock in DOCKS
        if all((entry.van, entry.dock) != (van, dock) for entry in log)
    )
    return {
        "id": f"{size}",
        "document": "\n".join(entry.line for entry in log),
        "lookup": _question(
            f"How many crates did van {asked.van} unload at dock {asked.dock}?", asked.crates
        ),
        "count": _question("How many entries report a broken seal?", sum(e.broken for e in log)),
        "sum": _question(
            f"How many crates of {RARE} were unloaded in all?",
            sum(entry.crates for entry in log if entry.goods == RARE),
        ),
        "most": _question(
            "Which van unloaded the largest number of crates in a single entry?", largest.van
        ),
        "last": _question(
            f"At which dock was van {seen} unloaded in its last entry?",
            next(entry.dock for entry in reversed(log) if entry.van == seen),
            DOCKS,
        ),
        "next": _question(
            f"Which goods stand in the entry directly below that of day {followed.day},"
            f" {followed.clock}?",
            log[log.index(followed) + 1].goods,
            [*GOODS, RARE],
        ),
        "absent": _question(f"How many crates did van {stranger} unload?", "not mentioned"),
        "absent_pair": _question(
            f"How many crates did van {nowhere[0]} unload at dock {nowhere[1]}?", "not mentioned"
        ),
    }


def _unloadings(rng: random.Random, size: int) -> list[Unloading]:
    """Lines in the order of time; the largest load is unique, and a few carry the rare goods."""
    rare = set(rng.sample(range(size), 5))
    broken = set(rng.sample(range(size // 2), rng.randint(3, 6)))
    broken |= set(rng.sample(range(size // 2, size), rng.randint(2, 4)))
    largest = rng.randrange(size)
    vans = rng.sample(range(100, 500), 8 + size // 15)
    minute, log = 7 * 60, []
    for at in range(size):
        minute += rng.randint(4, 19)
        day, clock = 1 + minute // 1440, f"{minute % 1440 // 60:02d}:{minute % 60:02d}"
        crates = 99 if at == largest else rng.randint(3, 88)
        goods = RARE if at in rare else rng.choice(GOODS)
        log.append(
            Unloading(day, clock, rng.choice(DOCKS), rng.choice(vans), crates, goods, at in broken)
        )
    return log


def _asked_once(log: list[Unloading]) -> list[Unloading]:
    """Entries whose van came to that dock only once."""
    once = set(_once((entry.van, entry.dock) for entry in log))
    return [entry for entry in log if (entry.van, entry.dock) in once]


# -- German: house rules with amendments -----------------------------------------------------------

ROOMS = _words("""
Lesesaal Schwimmbecken Werkstatt Musikzimmer Turnhalle Dachgarten Kantine Archiv Fotolabor
Tanzsaal Bastelraum Sternwarte Weinkeller Töpferei Fahrradkeller Spielzimmer Gewächshaus
Waschküche Probebühne Bootshaus Saftbar Kletterwand Malstube Druckerei Nähstube Imkerei
Backstube Kegelbahn Kinoraum Billardzimmer Lernraum Teestube Kartenraum Mosterei Sauna Ruheraum
""")
DUTIES = [
    "Wer als Letzter geht, löscht das Licht und schließt die Fenster.",
    "Speisen und Getränke sind hier nicht erlaubt.",
    "Kinder dürfen nur in Begleitung eintreten.",
    "Schäden sind noch am selben Tag der Verwaltung zu melden.",
    "Der Schlüssel hängt beim Pförtner und ist gegen Unterschrift zu haben.",
    "Gäste tragen sich in das Buch am Eingang ein.",
]


def house_rules(size: int) -> Row:
    """Rules for `size` rooms with amendments, the last of which holds, and four questions."""
    rng = random.Random(f"rules/{size}")
    rooms = rng.sample(ROOMS, size)
    times = {room: [_clock(rng)] for room in rooms}
    lines = [
        f"§ {at} {room}. Dieser Bereich schließt um {times[room][0]} Uhr. {_duties(rng)}"
        for at, room in enumerate(rooms, start=1)
    ]
    changed = rng.sample(rooms, size // 2 + rng.randint(-2, 2))
    changes = [room for room in changed for _ in range(rng.randint(1, 3))]
    rng.shuffle(changes)
    for number, room in enumerate(changes, start=1):
        times[room].append(_clock(rng, times[room]))
        where = f"§ {rooms.index(room) + 1} ({room})"
        lines.append(
            f"Änderung {number}: In {where} gilt als Schließzeit nunmehr {times[room][-1]} Uhr."
            f" {_duties(rng)}"
        )
    every = sorted({clock for found in times.values() for clock in found})
    often = max(rooms, key=lambda room: len(times[room]))
    never = next(room for room in reversed(rooms) if len(times[room]) == 1)
    absent = next(room for room in ROOMS if room not in rooms)
    ask = "Um wie viel Uhr schließt nach dem letzten Stand: {}?"
    return {
        "id": f"{size}",
        "document": "\n\n".join(lines),
        "amended": _question(ask.format(often), times[often][-1], every),
        "unchanged": _question(ask.format(never), times[never][0], every),
        "count": _question(
            "Für wie viele Bereiche wurde die Schließzeit mindestens einmal geändert?",
            len({*changes}),
        ),
        "absent": _question(ask.format(absent), "nicht erwähnt"),
    }


def _clock(rng: random.Random, taken: Iterable[str] = ()) -> str:
    clocks = [f"{hour}:{minute:02d}" for hour in range(14, 23) for minute in (0, 10, 20, 40, 50)]
    return rng.choice([clock for clock in clocks if clock not in {*taken}])


def _duties(rng: random.Random) -> str:
    return " ".join(rng.sample(DUTIES, 2))


# -- Spanish: the diary of a journey ---------------------------------------------------------------

TOWNS = _words("""
Almagro Baeza Cuenca Denia Elche Frigiliana Granada Huesca Illescas Jaca Laredo Mojácar Nerja
Olvera Potes Quesada Ronda Segovia Tudela Utrera Vejer Zafra Ávila Béjar Cazorla Lerma Morella
Pals Reinosa Soria Toledo Úbeda Valls Yecla Zamora Aracena Besalú Chinchón Daroca Estella
""")
SIGHTS = [
    "Paseé por la plaza hasta que empezó a llover.",
    "En el mercado probé un queso que no conocía.",
    "El dueño me contó la historia de su abuelo.",
    "Por la tarde escribí cartas junto a la ventana.",
    "Me dormí pronto, porque el camino había sido largo.",
    "Un perro me siguió hasta la puerta.",
]


def travel_diary(size: int) -> Row:
    """The diary of `size` days, each in another town, and four questions."""
    rng = random.Random(f"diary/{size}")
    towns = rng.sample(TOWNS, size)
    prices = rng.sample(range(21, 99), size)
    lines = [
        f"Día {day}. Llegué a {town} y pagué {price} euros por la habitación. "
        + " ".join(rng.sample(SIGHTS, 3))
        for day, (town, price) in enumerate(zip(towns, prices, strict=True), start=1)
    ]
    first, second, third = sorted(rng.sample(range(size), 3))
    middle = rng.randrange(size // 3, 2 * size // 3)
    absent = next(town for town in TOWNS if town not in towns) if size < len(TOWNS) else "Lugo"
    total = prices[first] + prices[second] + prices[third]
    return {
        "id": f"{size}",
        "document": "\n".join(lines),
        "price": _question(
            f"¿Cuántos euros costó la habitación en {towns[middle]}?", prices[middle]
        ),
        "after": _question(
            f"¿En qué lugar durmió la noche siguiente a la de {towns[middle]}?",
            towns[middle + 1],
            towns,
        ),
        "sum": _question(
            f"¿Cuántos euros costaron en total las habitaciones de {towns[third]}, {towns[first]}"
            f" y {towns[second]}?",
            total,
        ),
        "absent": _question(f"¿Cuántos euros costó la habitación en {absent}?", "no se menciona"),
    }


# -- Chinese: who has which tool -------------------------------------------------------------------

PEOPLE = _words("王芳 李强 张敏 刘洋 陈静 杨帆 赵磊 黄丽 周涛 吴霞 徐峰 孙梅")
TOOLS = _words("锄头 梯子 水泵 电钻 铁锹 推车 锯子 帐篷 油灯 秤 绳子 篮子")
REMARKS = [
    "当天有小雨。",
    "仓库门前很热闹。",
    "中午大家一起吃了饭。",
    "傍晚风很大。",
    "邻村也来了人。",
]


def tool_ledger(size: int) -> Row:
    """A ledger of `size` entries: tools pass from hand to hand; three questions."""
    rng = random.Random(f"ledger/{size}")
    tools, absent = TOOLS[:-1], TOOLS[-1]
    holder: dict[str, str] = {}
    moves: Counter[str] = Counter()
    lines = []
    for number in range(1, size + 1):
        tool = rng.choice(tools)
        person = rng.choice([name for name in PEOPLE if name != holder.get(tool)])
        lines.append(f"第{number}条：{tool}交给{person}保管。{rng.choice(REMARKS)}")
        holder[tool] = person
        moves[tool] += 1
    asked = rng.choice(sorted(holder))
    counted = min(sorted(moves), key=lambda tool: moves[tool])
    return {
        "id": f"{size}",
        "document": "\n".join(lines),
        "holder": _question(f"按照最后的记录，{asked}现在由谁保管？", holder[asked], PEOPLE),
        "count": _question(f"{counted}一共转交过多少次？", moves[counted]),
        "absent": _question(f"按照最后的记录，{absent}现在由谁保管？", "未提及"),
    }


# -- files -----------------------------------------------------------------------------------------

FILES: dict[str, tuple[Callable[[int], Row], tuple[int, ...]]] = {
    "depot_log.jsonl": (depot_log, (40, 120, 250, 450)),
    "house_rules.jsonl": (house_rules, (12, 24, 35)),
    "travel_diary.jsonl": (travel_diary, (12, 24, 40)),
    "tool_ledger.jsonl": (tool_ledger, (60, 150, 400)),
}


def write(folder: Path) -> None:
    """Write all files into `folder`."""
    for name, (make, sizes) in FILES.items():
        rows = (json.dumps(make(size), ensure_ascii=False) for size in sizes)
        (folder / name).write_text("\n".join(rows) + "\n", encoding="utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
