"""Which lines of the firmware the tests run: `python -m tools.firmware_coverage [--least PERCENT] [PYTEST ARGUMENTS]`.

MicroPython's Unix port has no `sys.settrace`, so the modules are rewritten: before every statement a call notes its
line. The tests then run as always, in a copy of the repository with the rewritten modules; each process of the
interpreter leaves what it ran in a folder, also when it is killed.
"""

from __future__ import annotations

import argparse
import ast
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
MEASURED = "hub"
COPIED = ("firmware", "shared_protocol", "tools", "tests", "cloud", "pyproject.toml")
HEAPS = {'"416k"': '"900k"', '"768k"': '"1900k"', '"512k"': '"900k"'}
"""Notes take memory of their own; what fits into how much is another test's question."""

_RECORDER = """
import os
_folder = os.getenv("PF_COVERAGE")
_name = _folder + "/" + "".join(["%02x" % b for b in os.urandom(8)]) if _folder else None
_seen = {}
def hit(module, line):
    key = (module, line)
    if key not in _seen:
        _seen[key] = True
        if _name:
            with open(_name, "a") as file:
                file.write("%s %d\\n" % key)
"""


class _Notes(ast.NodeTransformer):
    """Puts a note before each statement."""

    def __init__(self, module: str) -> None:
        self._module = module
        self.lines: set[int] = set()

    def _noted(self, body: list[ast.stmt]) -> list[ast.stmt]:
        noted: list[ast.stmt] = []
        for index, statement in enumerate(body):
            text = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
            if not text and not isinstance(statement, ast.Global | ast.Nonlocal):
                self.lines.add(statement.lineno)
                noted.append(ast.parse(f"_hit({self._module!r}, {statement.lineno})").body[0])
            elif not index or isinstance(statement, ast.Global | ast.Nonlocal):
                noted.append(statement)
                continue
            noted.append(statement)
        return noted

    def generic_visit(self, node: ast.AST) -> ast.AST:
        """Note the bodies of everything that has any."""
        super().generic_visit(node)
        for part in ("body", "orelse", "finalbody"):
            body = getattr(node, part, None)
            if isinstance(body, list) and body and isinstance(body[0], ast.stmt):
                setattr(node, part, self._noted(body))
        return node


def instrument(source: str, module: str) -> tuple[str, set[int]]:
    """The source with notes, and the lines that have one. `if MYPY:` blocks never run and are left out."""
    tree = ast.parse(source)
    tree.body = [node for node in tree.body if not (isinstance(node, ast.If) and ast.unparse(node.test) == "MYPY")]
    notes = _Notes(module)
    notes.visit(tree)
    return "from lib.coverage_notes import hit as _hit\n" + ast.unparse(tree) + "\n", notes.lines


def _prepare(tree: Path) -> dict[str, set[int]]:
    """A copy of the repository with an instrumented firmware at `tree`; the lines of each module."""
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, tree / name, ignore=shutil.ignore_patterns("node_modules", "__pycache__"))
        else:
            shutil.copy2(source, tree / name)
    (tree / ".cache").mkdir()
    for cached in (ROOT / ".cache").iterdir():
        if cached.name != "firmware":
            (tree / ".cache" / cached.name).symlink_to(cached)
    for path in (tree / "tools" / "hub.py", *(tree / "tests" / "firmware").glob("*.py")):
        text = path.read_text()
        for heap, larger in HEAPS.items():
            text = text.replace(heap, larger)
        path.write_text(text)
    firmware = tree / "firmware"
    lines: dict[str, set[int]] = {}
    for path in sorted((firmware / MEASURED).rglob("*.py")):
        name = str(path.relative_to(firmware))
        text, lines[name] = instrument(path.read_text(), name)
        path.write_text(text)
    (firmware / "lib" / "coverage_notes.py").write_text(_RECORDER)
    return lines


def _ran(folder: Path) -> dict[str, set[int]]:
    ran: dict[str, set[int]] = {}
    for path in folder.iterdir():
        for line in path.read_text().splitlines():
            module, _, number = line.rpartition(" ")
            # A process that was killed may leave half a line.
            if number.isdigit():
                ran.setdefault(module, set()).add(int(number))
    return ran


def _ranges(numbers: set[int]) -> str:
    parts: list[list[int]] = []
    for number in sorted(numbers):
        if parts and number == parts[-1][1] + 1:
            parts[-1][1] = number
        else:
            parts.append([number, number])
    return ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in parts)


def report(lines: dict[str, set[int]], ran: dict[str, set[int]]) -> float:
    """Print a line a module; the percentage of all."""
    total = missed_in_all = 0
    for module, known in lines.items():
        missed = known - ran.get(module, set())
        total += len(known)
        missed_in_all += len(missed)
        print(f"{100 * (1 - len(missed) / max(1, len(known))):6.1f} %  {module:28} {_ranges(missed)}")
    percent = 100 * (1 - missed_in_all / max(1, total))
    print(f"{percent:6.1f} %  of {total} lines")
    return percent


def main() -> int:
    """Run the firmware's tests and report; status 1 when less than `--least` was run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--least", type=float, default=0.0, help="fail below this percentage")
    options, arguments = parser.parse_known_args()
    with tempfile.TemporaryDirectory(prefix="firmware-coverage-") as scratch:
        tree, notes = Path(scratch) / "tree", Path(scratch) / "notes"
        notes.mkdir()
        tree.mkdir()
        lines = _prepare(tree)
        environment = os.environ | {"PF_COVERAGE": str(notes), "PYTHONPATH": str(tree)}
        if not any(one.startswith("tests") for one in arguments):
            arguments.append("tests/firmware")
        command = [sys.executable, "-m", "pytest", "-q", *arguments]
        done = subprocess.run(command, cwd=tree, env=environment, check=False)
        percent = report(lines, _ran(notes))
    if done.returncode:
        print("some tests failed: under notes the hub is slower and larger; what they ran counts all the same")
    return 0 if percent >= options.least else 1


if __name__ == "__main__":
    sys.exit(main())
