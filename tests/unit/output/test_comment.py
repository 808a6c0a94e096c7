"""The comment: bounded, deterministic, and what strangers write in it is only text."""

import re

import pytest

from reconciler.diagnostics import error, warning
from reconciler.engine import review
from reconciler.engine.views.report import Findings, Report
from reconciler.engine.views.reviews import plan_report
from reconciler.errors import ExitCode
from reconciler.origin import Site
from reconciler.output import format as formats
from reconciler.output.format import Options
from reconciler.output.markdown import cell, code, fence, link, prose
from tests.support import NOW, select, small
from tests.unit.output import reports

BASE = "https://git.example/o/r/blob/abc"
OWN = "environments/prod/one/web.yaml"


def comment(report, **options):
    return formats.format_named("markdown").render(report, Options(**options))


def of(*diagnostics):
    return Report("check", (Findings(diagnostics),), exit_code=ExitCode.ERROR)


def balanced(text):
    assert text.count("<details>") == text.count("</details>")
    assert len(re.findall(r"^```", text, re.MULTILINE)) % 2 == 0
    return True


def test_the_order_is_marker_verdict_deletes_blocking_warnings_apps_and_how_to_see_it_again():
    text = comment(reports.base(), marker="plan", again="reconciler plan --base main")
    parts = [
        "<!-- ml-reconciler: plan -->",
        "### ✅ reconciler plan: ",
        "**Deleted or replaced**",
        "| app | create |",
        "<details><summary>",
        "To see the same on your machine: `reconciler plan --base main`",
    ]
    places = [text.index(part) for part in parts]
    assert places == sorted(places)
    assert balanced(text)


def test_what_a_proposal_removes_is_named_with_the_file_that_is_gone():
    text = comment(reports.base())
    assert "delete `Deployment/search-ranker-v6` of `prod/hz-b/search-ranker`" in text
    assert "environments/prod/hz-b/search-ranker.yaml is gone" in text


def test_a_line_is_a_link_to_the_commit_where_a_base_is_known():
    text = comment(of(error("E_X", "no", Site("a b/c.yaml", 7, 2))), link_base=BASE)
    assert f"[`a b/c.yaml:7`]({BASE}/a%20b/c.yaml#L7)" in text
    assert "](" not in comment(of(error("E_X", "no", Site("a.yaml", 7, 2))))


def test_a_denial_says_who_what_where_and_how_out():
    text = comment(reports.denied())
    assert text.startswith("<!-- ml-reconciler: plan -->\n\n### ❌ reconciler plan: policy denies")
    assert "**Blocking** (" in text
    assert "`Deployment/web-v1 spec.replicas`: one replica is none" in text
    assert "environments/base.yaml:1" in text
    assert "policies/replicas.yaml:" in text


# -- the budget ------------------------------------------------------------------------------------


def _large(apps):
    files = {}
    for number in range(apps):
        name = f"m{number:03}"
        files[f"models/{name}/model.yaml"] = (
            "model: {type: vision, owner: web}\nserving: {image: registry.example/web:1}\n"
        )
        files[f"models/{name}/versions/v1.yaml"] = small().files["models/web/versions/v1.yaml"]
        files[f"environments/prod/{name}.yaml"] = 'serving: {version: "v1"}\n'
        files[f"environments/prod/one/{name}.yaml"] = ""
    return small().but(files)


@pytest.fixture(scope="module")
def large():
    head = _large(150).but(
        {"environments/base.yaml": "serving: {replicas: 2, resources: {cpu: 2, memory: 2Gi}}\n"}
    )
    gone = {f"environments/prod/one/m{n:03}.yaml": None for n in range(0, 150, 10)}
    return plan_report(review.review(head.but(gone), select(), NOW, base=_large(150)))


@pytest.mark.parametrize("budget", [60_000, 20_000, 8_000, 3_000])
def test_a_budget_is_kept_and_the_verdict_stays(large, budget):
    text = comment(large, budget=budget)
    assert len(text.encode()) <= budget
    assert "to update, 30 to delete" in text.splitlines()[2]
    assert "Cut to fit: " in text
    assert balanced(text)


def test_deletes_are_the_last_to_be_cut(large):
    text = comment(large, budget=20_000)
    assert text.partition("**Warnings**")[0].count("- delete `") == 30


def test_within_the_budget_nothing_is_cut(large):
    assert "Cut to fit" not in formats.format_named("summary").render(large, Options())


def test_many_errors_are_cut_and_counted():
    found = [error(f"E_{n}", "x" * 300, Site("a.yaml", n + 1, 1)) for n in range(2000)]
    text = comment(of(*found))
    assert len(text) <= 60_000
    assert "**Blocking** (2000)" in text


def test_warnings_go_before_errors():
    bad = [error(f"E_{n}", "x" * 200, Site("a.yaml", n + 1, 1)) for n in range(100)]
    hm = [warning(f"W_{n}", "y" * 200, Site("a.yaml", n + 1, 1)) for n in range(400)]
    text = comment(of(*bad, *hm))
    assert text.count("- **`E") == 100
    assert text.count("- **`W") < 400


# -- strangers' text -------------------------------------------------------------------------------

REFERENCES = (
    "@org/team",
    "@user",
    "mail me@example.org",
    "#1",
    "o/r#1",
    "GH-12",
    "a94a8fe5ccb19ba61c4c0873d391e987982fbbd3",
    "o/r@a94a8fe",
    "https://evil.example/x",
    "www.evil.example",
    "!12",
    "~label",
    "%milestone",
    "&7",
    "$5",
    "[x](https://evil.example)",
    "![x](https://evil.example/p.png)",
    "<img src=x onerror=alert(1)>",
    "<!-- ml-reconciler: plan -->",
    "</details>",
)
LIVE = re.compile(
    r"(?<![`\w])@\w|(?<!&)#\d|\bGH-\d|\b[0-9a-f]{7,40}\b|https?://|\bwww\.|(?<!\\)\]\(|<(?!details|/details|summary|/summary|!-- ml-reconciler: check -->|code|/code)[a-z!/]|(?<!\w)[!~%&$]\w(?!mp;|t;)",
    re.IGNORECASE,
)


def _outside_code(text):
    return re.sub(r"(`+)(?!`).*?(?<!`)\1(?!`)", "", text)


@pytest.mark.parametrize("said", REFERENCES)
def test_nothing_in_a_value_becomes_a_mention_a_reference_a_link_or_markup(said):
    report = of(error("E_X", f"found {said} here", Site("a.yaml", 1, 1), help=f"try {said}"))
    text = _outside_code(comment(report).partition("-->")[2])
    found = LIVE.search(text.replace("\\<", ""))
    assert found is None, found


@pytest.mark.parametrize("said", REFERENCES)
def test_a_value_that_changes_is_only_code(said):
    files = {OWN: "serving:\n  env:\n  - {name: SAID, value: " + repr(said) + "}\n"}
    before = {OWN: "serving:\n  env:\n  - {name: SAID, value: before}\n"}
    report = plan_report(review.review(small().but(files), select(), NOW, base=small().but(before)))
    text = comment(report)
    assert "SAID" in text
    assert LIVE.search(_outside_code(text.partition("-->")[2])) is None


def test_a_span_s_ticks_outnumber_those_inside():
    assert code("a``b") == "```a``b```"
    assert code("`a`") == "`` `a` ``"
    assert cell("a|b") == "`a\\|b`"
    assert fence("```\n````x").startswith("`````\n")


def test_control_characters_are_shown():
    assert "\x1b" not in prose("\x1b[2J\x07")
    assert prose("a\u202eb") == "a\\\\u202eb"


def test_a_marker_cannot_leave_its_comment():
    text = comment(of(), marker="x --> <b> -- y")
    first = text.splitlines()[0]
    assert first.count("-->") == 1
    assert first.endswith("-->")
    assert "<b" not in first[4:]


def test_no_link_to_what_is_built_in():
    assert link(Site("built-in default", 0, 0), BASE) == "`built-in default`"
    assert link(None, BASE) == ""
