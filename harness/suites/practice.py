"""A suite's own generators once more, with other seeds and other rows: what a repair trains on.

No case of the suite is among them. A practice case has the checks of its family, and stands at its
family's place in the file, so that what fails can be practised and the rest left alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from harness.common.yaml_positions import YamlDocument, read_yaml_file
from harness.suites.load import SuiteReader
from harness.suites.values import Suite


def practice_suite(
    path: str | Path,
    *,
    tag: str,
    seeds: int = 0,
    rows: Mapping[str, str] | None = None,
    modules: Iterable[str] = (),
) -> Suite | None:
    """Return the families of a suite file under new ids; None where it has none to practise.

    `tag` ends every id and seeds the haystacks: another tag means other keys, values and prose.
    `seeds` haystacks are made for each length and depth; `rows` maps a data file under `from_file`
    to the file whose rows take its place. Raises InputError as loading does.
    """
    path = Path(path)
    document = read_yaml_file(path)
    others = rows or {}

    def other_rows(entry: dict[str, Any]) -> dict[str, Any] | None:
        file = others.get(entry["path"])
        case = {**entry["case"], "id": f"{entry['case'].get('id', '')}.{tag}"}
        return {**entry, "path": file, "case": case} if file else None

    def other_seeds(family: dict[str, Any]) -> dict[str, Any] | None:
        spec = {**family["haystack"], "id": f"{family['haystack']['id']}.{tag}", "seeds": seeds}
        return {"haystack": spec} if seeds else None

    # The document with its families changed, and its cases, `retire` and `fix` left out
    changes = {"from_file": other_rows, "generate": other_seeds}
    gone = ("cases", "retire", "fix")
    value = {key: part for key, part in document.value.items() if key not in gone}
    kept: dict[str, list[int]] = {}
    for key, change in changes.items():
        changed = {at: change(entry) for at, entry in enumerate(value.get(key, []))}
        kept[key] = [at for at, entry in changed.items() if entry]
        value[key] = [changed[at] for at in kept[key]]
    # Its nodes without the entries that are gone: places in messages stay right
    root = document.root
    if isinstance(root, yaml.MappingNode):
        pairs = []
        for key, node in root.value:
            if key.value in kept and isinstance(node, yaml.SequenceNode):
                some = [node.value[at] for at in kept[key.value]]
                node = yaml.SequenceNode(node.tag, some, node.start_mark, node.end_mark)
            pairs.append((key, node))
        root = yaml.MappingNode(root.tag, pairs, root.start_mark, root.end_mark)
    derived = YamlDocument(document.path, value, root)
    if not derived.value["from_file"] and not derived.value["generate"]:
        return None
    return SuiteReader(path.parent, derived, modules).read()
