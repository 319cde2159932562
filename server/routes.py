"""Which function a request is for: one table, matched as Azure's host matches."""

from collections.abc import Callable, Iterable
from operator import itemgetter
from typing import Any, NamedTuple

from shared.endpoint.http import Function


class Route(NamedTuple):
    """A registered function: its path without the first slash, parameters in braces, and its methods in capitals."""

    path: str
    methods: frozenset[str]
    function: Function

    @property
    def segments(self) -> list[str]:
        """The segments of its path; before the first slash stands an empty one."""
        return ["", *self.path.split("/")]


class Routes:
    """The table: literal segments come before parameters, the catch-all last, as in ASP.NET.

    Cases do not matter, nor one slash at the end. A parameter is never empty, nor the first segment of a rest. A method
    that a route does not have leaves its path to the others; the catch-all takes every method.
    """

    def __init__(self, routes: Iterable[Route]) -> None:
        """Take all routes, one of them a catch-all."""
        self._shapes: dict[int, list[_Shape]] = {}
        self._with_rest: list[tuple[str, _Shape]] = []
        for route in sorted(routes, key=_parameters):
            if route.path.startswith("{*"):
                self._catch_all = route
            elif (head := route.path.partition("/{*"))[1]:
                shape = _shape(_parameters(route._replace(path=head[0])))
                _add(shape, route._replace(path=head[0]))
                self._with_rest.append((head[2].removesuffix("}"), shape))
            else:
                shapes = self._shapes.setdefault(len(route.segments), [])
                if not shapes or shapes[-1].parameters != _parameters(route):
                    shapes.append(_shape(_parameters(route)))
                _add(shapes[-1], route)

    def find(self, method: str, path: str) -> tuple[Function, dict[str, str]]:
        """Return the function for a decoded path, and the values of its parameters."""
        if "//" not in path:  # else a segment is empty, which no literal is and no parameter may be
            path = path.removesuffix("/")
            segments = path.split("/")
            folded = path.encode().lower().split(b"/")  # ASCII alone: the Kelvin sign is no k
            for _, literals, routes in self._shapes.get(len(segments), ()):
                found = routes.get((method, literals(folded)))
                if found is not None:
                    function, names = found
                    return function, {name: segments[at] for name, at in names}
        return self._find_with_rest(method, path.removesuffix("/")) or (
            self._catch_all.function,
            {self._catch_all.path[2:-1]: path.removeprefix("/").removesuffix("/")},
        )

    def _find_with_rest(self, method: str, path: str) -> tuple[Function, dict[str, str]] | None:
        for rest, shape in self._with_rest:
            count = len(shape.parameters)
            segments = path.split("/", count)
            if len(segments) < count or not all(segments[1:]) or segments[-1].startswith("/"):
                continue
            found = shape.routes.get((method, shape.literals(path.encode().lower().split(b"/", count)[:count])))
            if found is not None:
                function, names = found
                more = {rest: segments[count]} if len(segments) > count else {}
                return function, {name: segments[at] for name, at in names} | more
        return None


class _Shape(NamedTuple):
    """The routes of one length that have their parameters at the same places: one look-up for all of them."""

    parameters: list[bool]
    literals: Callable[[list[bytes]], Any]  # the segments that are no parameters
    routes: dict[tuple[str, Any], tuple[Function, list[tuple[str, int]]]]  # the names and the places of parameters


def _shape(parameters: list[bool]) -> _Shape:
    return _Shape(parameters, itemgetter(*(at for at, is_parameter in enumerate(parameters) if not is_parameter)), {})


def _add(shape: _Shape, route: Route) -> None:
    literals = shape.literals([segment.lower().encode() for segment in route.segments])
    names = [(segment[1:-1], at) for at, segment in enumerate(route.segments) if segment.startswith("{")]
    for method in route.methods:
        shape.routes.setdefault((method, literals), (route.function, names))


def _parameters(route: Route) -> list[bool]:
    """Return for each segment whether it is a parameter: of two routes the lesser list comes first."""
    return [segment.startswith("{") for segment in route.segments]
