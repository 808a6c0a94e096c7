"""The exposition format, and a closed set of names and labels."""

import pytest

from reconciler.operate.exposition import text
from reconciler.operate.metrics import FAMILIES, Registry


def test_the_text_is_what_prometheus_reads():
    made = Registry()
    made.add("reconcile_total", environment="prod", result="noop")
    made.add("reconcile_total", 2, environment="prod", result="noop")
    made.set("git_source_age_seconds", 1.5)
    assert text(made) == (
        "# HELP reconciler_git_source_age_seconds Seconds since Git last answered.\n"
        "# TYPE reconciler_git_source_age_seconds gauge\n"
        "reconciler_git_source_age_seconds 1.5\n"
        "# HELP reconciler_reconcile_total Apps by result.\n"
        "# TYPE reconciler_reconcile_total counter\n"
        'reconciler_reconcile_total{environment="prod",result="noop"} 3.0\n'
    )


def test_a_histogram_counts_up_to_each_bound():
    made = Registry()
    for value in (0.05, 0.2, 1000):
        made.observe("pass_duration_seconds", value)
    shown = text(made)
    assert 'pass_duration_seconds_bucket{le="0.05"} 1.0\n' in shown
    assert 'pass_duration_seconds_bucket{le="0.25"} 2.0\n' in shown
    assert 'pass_duration_seconds_bucket{le="300.0"} 2.0\n' in shown
    assert 'pass_duration_seconds_bucket{le="+Inf"} 3.0\n' in shown
    assert "pass_duration_seconds_sum 1000.25\n" in shown
    assert "pass_duration_seconds_count 3.0\n" in shown


def test_a_label_cannot_break_out_of_its_quotes():
    made = Registry()
    made.set("lease_held", 1, group='a"} 1\nforged 1\\')
    (line,) = [line for line in text(made).splitlines() if not line.startswith("#")]
    assert line == 'reconciler_lease_held{group="a\\"} 1\\nforged 1\\\\"} 1.0'


def test_labels_are_a_closed_set():
    made = Registry()
    with pytest.raises(KeyError):
        made.add("reconcile_total", environment="prod")
    with pytest.raises(KeyError):
        made.add("unheard_of")
    with pytest.raises(KeyError):
        made.set("passes_total", 1, result="success")


def test_the_number_of_series_is_bounded():
    """F54."""
    made = Registry()
    for number in range(5000):
        made.set("lease_held", 1, group=str(number))
    assert text(made).count("\n") <= 2003
    assert 'group="other"' in text(made)


def test_a_family_s_labels_are_shown_by_name_whatever_their_order():
    made = Registry()
    made.set("environment_info", 1, environment="prod", revision="a", ready="true")
    made.set("environment_info", 1, environment="dev", revision="b", ready="true")
    assert [line for line in text(made).splitlines() if line[0] != "#"] == [
        'reconciler_environment_info{environment="dev",ready="true",revision="b"} 1.0',
        'reconciler_environment_info{environment="prod",ready="true",revision="a"} 1.0',
    ]


def test_every_family_says_what_it_is():
    assert all(family.text.endswith(".") for family in FAMILIES.values())
    assert all(f.name.endswith("_total") == (f.kind == "counter") for f in FAMILIES.values())
