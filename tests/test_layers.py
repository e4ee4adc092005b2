"""The arrows between packages and within them, no cycles, and rooms of a size one can overlook."""

import ast
import functools
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = {
    "same_engines": ROOT / "engines" / "same_engines",
    "same_runtime": ROOT / "same_runtime",
    "same_model": ROOT / "model" / "same_model",
    "same_export": ROOT / "export" / "same_export",
    "same_bench": ROOT / "benchmarks" / "same_bench",
}
LAYERS: dict[str, tuple[str, ...]] = {
    # From the ground up: a package imports itself and those before it.
    "packages": ("same_engines", "same_runtime", "same_model", "same_export", "same_bench"),
    # Of a package: what is named here imports nothing of what is named after it.
    "same_model": (
        "same_model.config",
        "same_model.synth.motion.splits",
        "same_model.data",
        "same_model.synth",
        "same_model.network",
        "same_model.baselines",
        "same_model.same_network",
        "same_model.jitter",
        "same_model.lateness",
        "same_model.skating",
        "same_model.losses",
        "same_model.checkpoint",
        "same_model.training",
        "same_model.evaluation",
        "same_model.cli",
    ),
    "same_export": (
        "same_export.operator",
        "same_export.stages",
        "same_export.parity",
        "same_export.int8_graphs",
        "same_export.write_bundle",
        "same_export.quantisation",
        "same_export.cpu_int8",
        "same_export.qnn",
        "same_export.cli",
    ),
}
NO_TORCH = ("same_engines", "same_runtime")
MOST_MODULES_IN_A_FOLDER, MOST_LINES_OF_A_FILE, MOST_LINES_OF_A_FUNCTION = 12, 400, 60


@functools.cache
def sources() -> dict[str, Path]:
    """Module name -> file, of every module of every package."""
    found = {}
    for package, folder in PACKAGES.items():
        for path in folder.rglob("*.py"):
            parts = (package, *path.relative_to(folder).with_suffix("").parts)
            found[".".join(parts).removesuffix(".__init__")] = path
    assert len(found) > 100
    return found


@functools.cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def for_type_checkers(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)


def imports(module: str) -> Iterator[str]:
    """The dotted names that ``module`` imports when it runs, in functions too."""
    path = sources()[module]
    waiting: list[ast.AST] = [tree(path)]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                here = module.split(".")[: None if path.name == "__init__.py" else -1]
                here = here[: len(here) - node.level + 1]
                base = ".".join([*here, *filter(None, [node.module])])
            yield from (f"{base}.{alias.name}" for alias in node.names)
        elif for_type_checkers(node):
            waiting.extend(node.orelse)  # type: ignore[attr-defined]
        else:
            waiting.extend(ast.iter_child_nodes(node))


@functools.cache
def module_graph() -> dict[str, set[str]]:
    """Module -> the project's modules that it imports."""
    graph = {}
    for module in sources():
        used = set()
        for name in imports(module):
            if name == "same_runtime._core":  # compiled, no source of this graph
                continue
            # A name within a module, or a module.
            target = name if name in sources() else name.rpartition(".")[0]
            if target in sources() and target != module:
                used.add(target)
        graph[module] = used
    return graph


def cycles(graph: dict[str, set[str]]) -> list[list[str]]:
    """The strongly connected components of more than one module (Tarjan, 1972)."""
    order: dict[str, int] = {}
    lowest: dict[str, int] = {}
    stack: list[str] = []
    found = []

    def visit(node: str) -> None:
        order[node] = lowest[node] = len(order)
        stack.append(node)
        for other in sorted(graph[node]):
            if other not in order:
                visit(other)
                lowest[node] = min(lowest[node], lowest[other])
            elif other in stack:
                lowest[node] = min(lowest[node], order[other])
        if lowest[node] == order[node]:
            component = stack[stack.index(node) :]
            del stack[stack.index(node) :]
            if len(component) > 1:
                found.append(sorted(component))

    for node in graph:
        if node not in order:
            visit(node)
    return sorted(found)


def is_within(module: str, room: str) -> bool:
    return module == room or module.startswith(f"{room}.")


@pytest.mark.parametrize("what", LAYERS)
def test_imports_only_point_down(what: str) -> None:
    layers = LAYERS[what]

    def level(module: str) -> int | None:
        """The longest name that fits, so that a room's ground floor may have its own place."""
        rooms = [room for room in layers if is_within(module, room)]
        return layers.index(max(rooms, key=len)) if rooms else None

    for room in layers:
        assert any(is_within(module, room) for module in sources()), f"{room} is not there"
    upward = [
        f"{module} imports {other}"
        for module, used in module_graph().items()
        for other in used
        if (here := level(module)) is not None
        and (there := level(other)) is not None
        and there > here
    ]
    assert not upward, "\n".join(sorted(upward))


@pytest.mark.parametrize("package", NO_TORCH)
def test_what_ships_imports_no_torch(package: str) -> None:
    for module in sources():
        if is_within(module, package):
            assert not any(is_within(name, "torch") for name in imports(module)), module


def test_no_modules_import_each_other() -> None:
    found = cycles(module_graph())
    assert not found, "\n".join(" <-> ".join(c) for c in found)


def test_every_import_of_the_project_is_there() -> None:
    """A module that moved leaves no import behind, in a function that no test runs either."""
    missing = [
        f"{module} imports {name}"
        for module in sources()
        for name in imports(module)
        if name.split(".")[0] in PACKAGES
        and name not in sources()
        and name.rpartition(".")[0] not in sources()
        and not is_within(name, "same_runtime._core")
    ]
    assert not missing, "\n".join(missing)


def too_large() -> Iterator[str]:
    """What is too large to overlook, as ``path`` or ``path: function``."""
    folders = Counter(path.parent for path in sources().values() if path.name != "__init__.py")
    for folder, count in folders.items():
        if count > MOST_MODULES_IN_A_FOLDER:
            yield str(folder.relative_to(ROOT))
    for path in sources().values():
        lines = path.read_text().splitlines()
        name = str(path.relative_to(ROOT))
        if len(lines) > MOST_LINES_OF_A_FILE:
            yield name
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                length = node.end_lineno - node.lineno + 1  # type: ignore[operator]
                if length > MOST_LINES_OF_A_FUNCTION and not says_why(lines[node.lineno - 1]):
                    yield f"{name}: {node.name}"


def says_why(def_line: str) -> bool:
    """Whether a comment behind the signature says why its function is long."""
    return def_line.partition("  # ")[2].startswith("long: ")


def test_folders_files_and_functions_can_be_overlooked() -> None:
    found = sorted(too_large())
    assert not found, "split them, or say why on the def line ('# long: ...'): " + ", ".join(found)


def test_the_runtime_works_where_torch_cannot_be_imported() -> None:
    code = (
        "import sys; sys.modules['torch'] = None; sys.modules['onnx'] = None\n"
        "import same_runtime, same_runtime.cli.track, same_engines\n"
        "print('fine')"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.stdout.strip() == "fine", result.stderr
