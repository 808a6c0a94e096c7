"""Nothing is done when a module is imported: no call beyond what makes a value, and nothing that
the operating system would notice."""

import ast
import json
import re
import subprocess
import sys

import pytest

from tests.support import ROOT

MODULES = sorted((ROOT / "reconciler").rglob("*.py"))
_NAMES = [str(path.relative_to(ROOT)) for path in MODULES]

#: Functions whose call makes a value and does nothing else. Classes (their names begin with a
#: capital) and a module's own private functions may be called too.
_PURE = frozenset(
    """
    frozenset tuple dict list set sorted range bytes str getattr dict.fromkeys re.compile
    timedelta datetime partial functools.partial functools.lru_cache functools.cache
    dataclass field click.command click.option click.argument built_in
    property staticmethod classmethod functools.cached_property contextmanager
    contextlib.contextmanager runtime_checkable job_readiness
    """.split()  # noqa: SIM905 - a list takes a line for each
)
#: They give a command the options that it has in common with others.
_OPTIONS = re.compile(r"options\.\w+")
#: Methods that read a value.
_READS = frozenset({"items", "keys", "values", "union"})


def _at_import(body):
    """The parts of a module that run when it is imported: (line, what)."""
    for node in body:
        match node:
            case ast.Import() | ast.ImportFrom() | ast.Expr(value=ast.Constant()):
                pass
            case ast.FunctionDef():
                arguments = node.args
                yield from node.decorator_list
                yield from (d for d in (*arguments.defaults, *arguments.kw_defaults) if d)
            case ast.ClassDef():
                yield from node.decorator_list
                yield from (*node.bases, *(k.value for k in node.keywords))
                yield from _at_import(node.body)
            case ast.If(test=ast.Name("TYPE_CHECKING")):
                pass
            case ast.If() if ast.unparse(node.test) == "__name__ == '__main__'":
                pass
            case _:
                yield node


def _decorations(body):
    """Decorators without arguments: each is called with what it decorates."""
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield from (d for d in node.decorator_list if not isinstance(d, ast.Call))
        if isinstance(node, ast.ClassDef):
            yield from _decorations(node.body)


def _calls(node):
    """What is called in a part that runs; what is inside a lambda is called later."""
    if isinstance(node, ast.Lambda):
        return
    if isinstance(node, ast.Call):
        yield node.func
    for child in ast.iter_child_nodes(node):
        yield from _calls(child)


def done_at_import(text):
    """(line, code) of everything that a module does beyond making values."""
    body = ast.parse(text).body
    own = {n.name for n in body if isinstance(n, ast.FunctionDef) and n.name.startswith("_")}
    found, called = [], list(_decorations(body))
    for node in _at_import(body):
        if isinstance(node, ast.expr | ast.Assign | ast.AnnAssign | ast.Pass):
            called += _calls(node)
        else:
            found.append((node.lineno, ast.unparse(node).splitlines()[0]))
    for function in called:
        name = ast.unparse(function)
        last = name.rpartition(".")[2]
        made = last.lstrip("_")[:1].isupper() or ("." in name and last in _READS)
        if not (made or name in _PURE or name in own or _OPTIONS.fullmatch(name)):
            found.append((function.lineno, name))
    return found


@pytest.mark.parametrize("path", MODULES, ids=_NAMES)
def test_nothing_is_done_when_a_module_is_imported(path):
    assert done_at_import(path.read_text()) == []


@pytest.mark.parametrize(
    "text",
    [
        "print('x')",
        "TEXT = open('f').read()",
        "NOW = time.time()",
        "HOME = os.environ.get('HOME')",
        "@register('x')\ndef f(): ...",
        "def f(now=clock()): ...",
        "@register\ndef f(): ...",
        "class A:\n    size = measure()",
        "class A:\n    @watched\n    def f(self): ...",
        "class A(made()): ...",
        "for x in y: pass",
        "try:\n    import a\nexcept ImportError:\n    a = None",
        "if sys.platform == 'x':\n    A = 1",
        "with lock: pass",
        "assert ready()",
        "TABLE = {name: load(name) for name in NAMES}",
    ],
)
def test_what_is_done_at_import_is_seen(text):
    assert len(done_at_import(text)) >= 1


@pytest.mark.parametrize(
    "text",
    [
        '"""A text."""',
        "A = frozenset({1})\nB: Kind = Kind(A, [re.compile('a')])",
        "def _built():\n    return open('f')\n\nMAKE = lambda: open('f')",
        "if TYPE_CHECKING:\n    import a",
        "if __name__ == '__main__':\n    main()",
        "@dataclass(frozen=True)\nclass A:\n    x: int = field(default=1)",
    ],
)
def test_making_values_is_no_deed(text):
    assert done_at_import(text) == []


_WATCH = """
import importlib, json, sys

PACKAGE, MODULES = sys.argv[1], json.loads(sys.argv[2])
QUIET = ("open", "os.", "subprocess.", "socket.", "shutil.", "tempfile.", "sqlite3.", "_thread.",
         "signal.", "fcntl.", "pathlib.", "glob.", "mmap.", "time.sleep", "urllib.")
seen = set()

def watch(event, args):
    if not event.startswith(QUIET):
        return
    frame = sys._getframe(1)
    while frame is not None:
        name = frame.f_code.co_filename
        if name.startswith("<frozen importlib"):
            return  # another module is on its way: not ours
        if name.startswith(PACKAGE):
            seen.add(f"{name[len(PACKAGE) + 1:]}:{frame.f_lineno} {event}")
            return
        frame = frame.f_back

sys.addaudithook(watch)
for module in MODULES:
    importlib.import_module(module)
print(json.dumps(sorted(seen)))
"""


def _noticed(folder, modules):
    """What the operating system would notice of the import of a folder's modules."""
    done = subprocess.run(
        [sys.executable, "-c", _WATCH, str(folder), json.dumps(modules)],
        cwd=folder.parent,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_operating_system_notices_nothing_of_an_import():
    modules = [
        str(path.relative_to(ROOT).with_suffix("")).replace("/", ".").removesuffix(".__init__")
        for path in MODULES
        if path.name != "__main__.py"
    ]
    found = _noticed(ROOT / "reconciler", modules)
    # A command's `--output` offers the formats, which are found by the files of their folder.
    assert [
        text for text in found if not re.fullmatch(r"extensions\.py:\d+ os\.scandir", text)
    ] == []


def test_the_operating_system_would_notice(tmp_path):
    (tmp_path / "odd").mkdir()
    (tmp_path / "odd/__init__.py").write_text("")
    (tmp_path / "odd/a.py").write_text(
        "import subprocess\nfrom pathlib import Path\n\n\ndef _f():\n"
        "    return Path(__file__).read_text()\n\n\nA = _f()\nB = subprocess.run(['true'])\n"
    )
    found = _noticed(tmp_path / "odd", ["odd.a"])
    assert "a.py:6 open" in found
    assert "a.py:10 subprocess.Popen" in found
