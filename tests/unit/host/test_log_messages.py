"""Each line of the operator's log has a constant text, and says what it is about in values of its own."""

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

import utilitarian_operator

PACKAGE = Path(utilitarian_operator.__file__).parent
LEVELS = ("debug", "info", "warning", "error", "exception", "log")

OBJECTS = {"fleet", "pod", "object", "secret", "lease", "key"}
"""Values that name an object, as NAMESPACE/NAME."""

PLACES = {"namespace", "broker"}
"""Values that name what has no namespace: one, and the addresses of a broker."""

ABOUT_THE_PROCESS = {
    "watches ended; they are opened anew",
    "not resynced",
    "waiting for the API server and the CRD",
    "not ready",
    "a watch says an error, so all is listed anew",
    "older than what was seen",
    "admission is served",
    "no connection accepted",
    "no connection",
    "a connection has ended by itself",
    "traces can't be sent, and are dropped",
    "traces are sent again",
    "a part goes on while the process ends",
    "this replica works",
    "the next replica may work",
}
"""Lines about no object: about the operator itself, and all that it watches."""


@dataclass(frozen=True)
class Line:
    """A call of a `logger`, in the module that it stands in."""

    call: ast.Call
    module: ast.Module

    @property
    def message(self) -> str:
        return str(ast.literal_eval(self.call.args[-1]))

    @property
    def values(self) -> Mapping[str, ast.expr]:
        given = [it.value for it in self.call.keywords if it.arg == "extra"]
        return self._pairs(given[0]) if given else {}

    def _pairs(self, value: ast.expr) -> dict[str, ast.expr]:
        """The pairs of a dictionary: written here, in a variable, or by a function of the module."""
        if not isinstance(value, ast.Dict):
            return {name: it for made in self.meant(value) for name, it in self._pairs(made).items()}
        pairs: dict[str, ast.expr] = {}
        for name, it in zip(value.keys, value.values, strict=True):
            pairs |= self._pairs(it) if name is None else {ast.literal_eval(name): it}
        return pairs

    def meant(self, value: ast.expr) -> Iterator[ast.expr]:
        """What a variable or a function of the module has for a value; of all else the value itself."""
        for node in _nodes(self.module):
            match node, value:
                case ast.Assign(targets=[target], value=found), ast.Name() | ast.Attribute():
                    if ast.unparse(target) == ast.unparse(value):
                        yield found
                case ast.FunctionDef(name=name, body=[*_, ast.Return(value=ast.expr() as found)]), ast.Call(
                    func=ast.Name(id=called)
                ):
                    if name == called:
                        yield found
                case _:
                    pass


@cache
def _nodes(module: ast.Module) -> list[ast.AST]:
    return list(ast.walk(module))


def lines() -> Iterator[tuple[str, Line]]:
    """Every call of a `logger`, and where it stands."""
    texts = ((path, path.read_text()) for path in sorted(PACKAGE.rglob("*.py")))
    for path, text in texts:
        if "logger." not in text:
            continue  # each process that collects the tests would parse all modules
        module = ast.parse(text)
        for node in _nodes(module):
            match node:
                case ast.Call(func=ast.Attribute(value=ast.Name(id="logger"), attr=level)) if level in LEVELS:
                    yield f"{path.relative_to(PACKAGE)}:{node.lineno}", Line(node, module)


FOUND = tuple(lines())
LINES = [pytest.param(line, id=where) for where, line in FOUND]


@pytest.mark.parametrize("line", LINES)
def test_a_message_is_constant(line: Line) -> None:
    level, message = [None, *line.call.args][-2:]
    assert (level is not None) is (ast.unparse(line.call.func) == "logger.log")
    assert isinstance(message, ast.Constant)
    assert isinstance(message.value, str)
    assert "%" not in message.value


@pytest.mark.parametrize("line", LINES)
def test_what_it_is_about_stands_in_values(line: Line) -> None:
    assert {it.arg for it in line.call.keywords} <= {"extra", "exc_info"}
    about = line.values.keys() & (OBJECTS | PLACES)
    assert bool(about) is (line.message not in ABOUT_THE_PROCESS), line.values.keys()


@pytest.mark.parametrize("line", LINES)
def test_an_object_is_named_with_its_namespace(line: Line) -> None:
    for name in line.values.keys() & OBJECTS:
        value = line.values[name]
        written = {ast.unparse(it) for it in (value, *line.meant(value))}
        assert any(_is_reference(it) for it in written), f"{name}={written}: write NAMESPACE/NAME"


def _is_reference(written: str) -> bool:
    """Whether an expression gives NAMESPACE/NAME: a key of the store as a text, or both parts by themselves."""
    keys = {"str(key)", "str(self.key)", "str(self._key)"}
    return written in keys or (written[:2] in {"f'", 'f"'} and "}/{" in written)


def test_all_lines_are_found_and_no_exception_is_left_over() -> None:
    found = {line.message for _, line in FOUND}
    assert len(LINES) > 40
    assert found >= ABOUT_THE_PROCESS
