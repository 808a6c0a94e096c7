"""The merge rules as data: tests/cases/merge."""

import json
from pathlib import Path

import pytest
import yaml

from reconciler.layers import chains, document, merge, stack
from reconciler.origin import plain

CASES = Path(__file__).parents[2] / "cases" / "merge"
_ALIASES = "a: &x 1\nb: [" + ", ".join(["*x"] * 101) + "]\n"
_DEEP = "a: " + "[" * 80 + "]" * 80 + "\n"


def _cases():
    for file in sorted(CASES.glob("*.yaml")):
        for case in yaml.safe_load(file.read_text()):
            yield pytest.param(case, id=f"{file.stem}: {case['name']}")


def _stack(case):
    entries = [
        {"name": name, "file": f"{name}.yaml", **case.get("options", {}).get(name, {})}
        for name in case["layers"]
    ]
    data = json.dumps({"layers": entries, "lists": case.get("lists", {})}).encode()
    order, mistakes = stack.load(data, "layers.yaml")
    assert order is not None, mistakes
    return order


def _place(site):
    return f"{site.file.removesuffix('.yaml')}:{site.line}:{site.column}"


@pytest.mark.parametrize("case", list(_cases()))
def test_the_merge_rules(case):
    order = _stack(case)
    texts = {
        k: v.replace("@ALIASES", _ALIASES).replace("@DEEP", _DEEP)
        for k, v in case["layers"].items()
    }
    documents = [document.parse(t.encode(), f"{n}.yaml", n) for n, t in texts.items()]
    merged = merge.fold(documents, order)
    found = [d for doc in documents for d in doc.diagnostics] + list(merged.diagnostics)
    errors = [d for d in found if d.is_error]
    if "errors" in case:
        assert sorted(d.code for d in errors) == sorted(case["errors"])
        return
    if "error" in case:
        want = case["error"]
        told = [
            {
                "code": d.code,
                "path": d.path,
                "at": _place(d.site),
                "also": [_place(r.site) for r in d.related],
            }
            for d in errors
        ]
        for one in told:
            also = want.get("also")
            same = all(one[key] == want[key] for key in ("code", "path", "at") if key in want)
            if same and (also is None or also in one["also"]):
                break
        else:
            pytest.fail(f"wanted {want}, found {told}")
        return
    assert not errors, errors
    assert plain(merged.tree) == case["value"]
    assert json.dumps(plain(merged.tree), sort_keys=True) == json.dumps(
        case["value"], sort_keys=True
    )
    warnings = [{"code": d.code, "at": _place(d.site)} for d in found if not d.is_error]
    assert warnings == case.get("warnings", [])
    for path, keys in case.get("order", {}).items():
        node = merged.tree if path == "." else chains.find_path(merged.tree, path)[0]
        assert list(node.children) == keys
    listing = chains.list_origins(merged.tree)
    for path, wanted in case.get("provenance", {}).items():
        links = [*listing[path].chain(), *chains.referenced(listing[path])]
        said = [
            {"at": _place(o.site), "op": o.op, **({"value": plain(o.value)} if o.is_scalar else {})}
            for o in links
        ]
        cut = [{k: s[k] for k in w if k in s} for s, w in zip(said, wanted, strict=False)]
        assert len(said) == len(wanted), said
        assert cut == wanted


def test_there_are_more_than_a_hundred_cases():
    assert len(list(_cases())) > 100
