"""Odd input of every kind: a named error at its place, never a traceback, nothing drawn of it."""

import tracemalloc

import pytest

from reconciler.layers import document
from tests.support import MemoryTree, drawn, errors_of, loaded, small

MODEL = "models/web/model.yaml"
OWN = "environments/prod/one/web.yaml"
MANIFEST = "models/web/extra.yaml"


def _with(text, path=OWN):
    return small().but({path: text})


def _manifest(text):
    return small().but({OWN: "manifests: [extra.yaml]\n", MANIFEST: text})


def _codes(tree):
    return [code for code, _ in errors_of(tree)]


def _bomb(levels=10, width=10):
    lines = ["a0: &a0 [x]"]
    for n in range(1, levels + 1):
        lines.append(f"a{n}: &a{n} [" + ", ".join([f"*a{n - 1}"] * width) + "]")
    return "\n".join(lines) + "\n"


def test_the_small_config_is_fine():
    assert errors_of(small()) == []
    assert len(drawn(small())) >= 3


def test_an_alias_bomb_is_refused_in_little_memory():
    tracemalloc.start()
    try:
        assert "E_ALIAS_LIMIT" in _codes(_with(_bomb()))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 64 * 1024 * 1024


def test_a_modest_use_of_aliases_is_fine():
    parsed = document.parse(_bomb(levels=2, width=5).encode(), "f", "l")
    assert not parsed.diagnostics


def test_a_key_given_twice_names_both_lines():
    tree = _with("serving:\n  replicas: 1\n  replicas: 5\n")
    (found,) = [d for d in loaded(tree).diagnostics if d.code == "E_DUP_KEY"]
    assert str(found.site) == f"{OWN}:3:3"
    assert [str(r.site) for r in found.related] == [f"{OWN}:2:3"]
    assert [str(app) for app in found.apps] == ["prod/one/web"]


@pytest.mark.parametrize("text", ["", "# only this\n", "---\n", "--- # nothing\n...\n"])
def test_an_empty_layer_is_an_empty_layer(text):
    assert errors_of(_with(text)) == []


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("a:\n\t b: 1\n", "E_SYNTAX"),
        ("\ufeff\ufeffserving: {}\n", "E_SYNTAX"),
        ("%YAML 2.0\n---\na: 1\n", "E_SYNTAX"),
        ('a: "x\u0000"\n', "E_SYNTAX"),
        ("a: x\u0007\n", "E_SYNTAX"),
        ("a: x\u2028y\n", "E_SYNTAX"),
        ("? [a]\n: 1\n", "E_KEY_TYPE"),
        ("a: &a [*a]\n", "E_ALIAS"),
        ("a: !!python/name:os.system\n", "E_TAG"),
        ("a: !<tag:yaml.org,2002:python/object:os.x> {}\n", "E_TAG"),
        ("a: " + "[" * 200 + "]" * 200 + "\n", "E_DEPTH"),
        ("a: 1\n--- \nb: 1\n", "E_MULTI_DOC"),
        ("- a\n", "E_ROOT_TYPE"),
        ("a: 'open\n", "E_SYNTAX"),
        ("a: b: c\n", "E_SYNTAX"),
        ("@at\n", "E_SYNTAX"),
    ],
)
def test_an_odd_document_has_a_named_error_with_a_place(text, code):
    found = [d for d in loaded(_with(text)).diagnostics if d.is_error]
    assert code in [d.code for d in found]
    assert all(d.site.file == OWN and d.site.line >= 1 and d.site.column >= 1 for d in found)
    assert "prod/one/web" in map(str, loaded(_with(text)).blocked)


def test_bytes_that_are_no_text_are_a_syntax_error():
    assert _codes(_with(b"a: \xff\xfe\n")) == ["E_SYNTAX"]


def test_a_huge_file_is_refused_by_its_size():
    assert "E_SIZE" in _codes(_with("a: " + "x" * (1024 * 1024 + 1)))


def test_a_pointer_to_large_file_storage_is_named():
    text = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"
    assert errors_of(_with(text)) == [("E_LFS_POINTER", f"{OWN}:1:1")]


@pytest.mark.parametrize(
    "text",
    [
        "{{ x.__class__ }}",
        "{% for i in range(1000000000) %}",
        '{{ "x" * 1000000000 }}',
        "${HOME}",
        "$(cat /etc/passwd)",
        "`id`",
    ],
)
def test_other_languages_templates_are_never_evaluated(text):
    tree = small().but({OWN: f"serving:\n  env: [{{name: A, value: '{text}'}}]\n"})
    assert errors_of(tree) == []
    bodies = str([draft.tree for draft in drawn(tree).values()])
    assert text in bodies or text.replace("'", "\\'") in bodies


def test_a_variable_that_refers_to_itself():
    tree = _with("vars: {a: '${{ vars.b }}', b: '${{ vars.a }}'}\n")
    assert set(_codes(tree)) == {"E_CYCLE"}


def test_references_cannot_be_nested_into_each_other():
    assert set(_codes(_with("vars: {a: '${{ ${{ b }} }}'}\n"))) == {"E_REF_SYNTAX"}


def test_references_cannot_be_made_to_grow_without_end():
    lines = ["vars:", "  v0: " + "x" * 1000]
    for n in range(1, 30):
        lines.append(f"  v{n}: ${{{{ vars.v{n - 1} }}}}${{{{ vars.v{n - 1} }}}}")
    assert "E_SIZE" in _codes(_with("\n".join(lines) + "\n"))


def test_copies_of_maps_cannot_be_made_to_grow_without_end():
    lines = ["vars:", "  v0: {a: 1, b: 2}"]
    for n in range(1, 40):
        lines.append(f"  v{n}: {{a: '${{{{ vars.v{n - 1} }}}}', b: '${{{{ vars.v{n - 1} }}}}'}}")
    assert "E_SIZE" in _codes(_with("\n".join(lines) + "\n"))


@pytest.mark.parametrize(
    "name",
    ["../secrets/x", "a/b", "A", "a" * 254, "a\\nb", "%2e%2e", "", "a..b", "-a", "a_b"],
)
def test_an_object_name_that_is_no_name(name):
    text = f'apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: "{name}"}}\n'
    assert "E_NAME" in _codes(_manifest(text))


def test_an_object_name_with_a_nul():
    assert _codes(_manifest('apiVersion: v1\nkind: ConfigMap\nmetadata: {name: "a\\0b"}\n')) == [
        "E_NAME"
    ]


@pytest.mark.parametrize("folder", ["Prod", "a_b", "x" * 21, "-a", "a b"])
def test_an_environment_folder_that_is_no_name(folder):
    tree = small()
    files = {
        p.replace("environments/prod/", f"environments/{folder}/"): t for p, t in tree.files.items()
    }
    assert any(code.startswith("E_NAME") for code in _codes(MemoryTree(files)))


@pytest.mark.parametrize("model", ["Web", "w_b", "x" * 31])
def test_a_model_folder_that_is_no_name(model):
    files = {p.replace("models/web/", f"models/{model}/"): t for p, t in small().files.items()}
    files = {p.replace("/web.yaml", f"/{model}.yaml"): t for p, t in files.items()}
    assert any(code.startswith("E_NAME") for code in _codes(MemoryTree(files)))


def test_a_file_of_manifests_that_holds_none_is_a_warning():
    found = loaded(_manifest("# nothing yet\n")).diagnostics
    assert [(d.code, d.is_error) for d in found] == [("W_EMPTY", False)]


@pytest.mark.parametrize("entry", ["../../../etc/passwd", "/etc/passwd", "../../../.git/config"])
def test_a_manifest_outside_the_config_folders(entry):
    assert _codes(small().but({OWN: f"manifests: [{entry}]\n"})) == ["E_PATH"]


def test_a_manifest_that_is_not_there():
    tree = small().but({OWN: "manifests: [extr.yaml]\n", MANIFEST: "a: 1\n"})
    (found,) = loaded(tree).diagnostics
    assert (found.code, found.help) == ("E_FILE_MISSING", "did you mean 'extra.yaml'?")


def test_a_kubeconfig_among_the_manifests_is_refused():
    text = (
        "apiVersion: v1\nkind: Config\nmetadata: {name: x}\n"
        "users: [{name: u, user: {exec: {command: touch, args: [/tmp/x]}}}]\n"
    )
    assert "E_KUBECONFIG" in _codes(_manifest(text))


def test_a_layer_listed_twice():
    tree = small()
    text = tree.files["environments/layers.yaml"].decode()
    again = text + "- {name: base, file: environments/other.yaml}\n"
    assert set(_codes(tree.but({"environments/layers.yaml": again}))) == {"E_LAYERS"}


def test_two_hundred_layers_are_too_many():
    layers = "".join(
        f"- {{name: l{n}, file: environments/l{n}.yaml, optional: true}}\n" for n in range(200)
    )
    tree = small().but({"environments/layers.yaml": "layers:\n" + layers})
    assert set(_codes(tree)) == {"E_LAYERS"}


def test_a_layer_that_is_a_folder():
    tree = small()
    text = (
        tree.files["environments/layers.yaml"]
        .decode()
        .replace("environments/base.yaml", "environments/prod")
    )
    assert set(_codes(tree.but({"environments/layers.yaml": text}))) == {"E_LAYER_FILE"}


def test_the_last_of_two_layers_wins_and_both_are_named():
    tree = _with("serving: {replicas: 3}\n")
    app = loaded(tree).apps[0]
    links = [str(link.site) for link in app.spec.serving.replicas.origin.chain()]
    assert app.spec.serving.replicas.value == 3
    assert links == [f"{OWN}:1:11", "environments/base.yaml:1:11"]


def test_one_bad_app_blocks_no_other():
    tree = small().but(
        {
            "environments/prod/two/group.yaml": "group: {namespace: ml-two, serviceAccount: m}\n",
            "environments/prod/two/web.yaml": "serving: {replicas: many}\n",
        }
    )
    fleet = loaded(tree)
    assert [str(app.id) for app in fleet.apps] == ["prod/one/web"]
    assert [str(unit) for unit in fleet.blocked] == ["prod/two/web"]


def test_an_error_in_a_shared_file_blocks_all_that_read_it():
    tree = small().but({"environments/base.yaml": "serving: {replicas: [1]\n"})
    fleet = loaded(tree)
    assert fleet.apps == ()
    assert set(map(str, fleet.blocked)) == {"prod/one/web", "prod/one/_group"}


def test_a_broken_file_that_no_app_reads_is_told_and_blocks_nothing():
    tree = small().but({"environments/types/unused.yaml": "a: yes\n"})
    assert _codes(tree) == ["E_AMBIGUOUS"]
    assert [str(app.id) for app in loaded(tree).apps] == ["prod/one/web"]
