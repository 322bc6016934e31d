"""Answers a GraphQL query by walking what is asked over plain data; it knows no schema: what is not there is null.

A callable in the data is called with the field's arguments.
"""

from collections.abc import Mapping
from typing import Any

from graphql import FieldNode, FragmentDefinitionNode, FragmentSpreadNode, OperationDefinitionNode, parse
from graphql.utilities import value_from_ast_untyped


def operation_name(query: str) -> str:
    """The name that a query has; empty if it has none."""
    name = _operation(parse(query)).name
    return name.value if name else ""


def answered(query: str, variables: Mapping[str, Any], data: Mapping[str, Any]) -> dict[str, Any]:
    """What the query asks of the data."""
    document = parse(query)
    operation = _operation(document)
    fragments = {each.name.value: each for each in document.definitions if isinstance(each, FragmentDefinitionNode)}
    defaults = {
        each.variable.name.value: value_from_ast_untyped(each.default_value)
        for each in operation.variable_definitions
        if each.default_value
    }
    return _selected(data, operation, fragments, {**defaults, **variables})


def _operation(document: Any) -> OperationDefinitionNode:
    return next(each for each in document.definitions if isinstance(each, OperationDefinitionNode))


def _selected(source: Any, node: Any, fragments: Mapping[str, Any], variables: Mapping[str, Any]) -> dict[str, Any]:
    answer: dict[str, Any] = {}
    for part in node.selection_set.selections:
        if isinstance(part, FieldNode):
            name = (part.alias or part.name).value
            answer[name] = _value(source.get(part.name.value), part, fragments, variables)
        else:
            inside = fragments[part.name.value] if isinstance(part, FragmentSpreadNode) else part
            answer |= _selected(source, inside, fragments, variables)
    return answer


def _value(found: Any, part: FieldNode, fragments: Mapping[str, Any], variables: Mapping[str, Any]) -> Any:
    if callable(found):
        given = {each.name.value: value_from_ast_untyped(each.value, dict(variables)) for each in part.arguments}
        found = found(given)
    if part.selection_set is None or found is None:
        return found
    if isinstance(found, list):
        return [_selected(each, part, fragments, variables) for each in found]
    return _selected(found, part, fragments, variables)
