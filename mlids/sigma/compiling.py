"""From detections and conditions as pySigma parses them to trees of our own (`nodes`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mlids.sigma import encoding, nodes, predicates
from mlids.sigma.documents import RuleError
from mlids.sigma.nodes import Node
from mlids.sigma.predicates import Predicate

Placeholders = Mapping[str, Sequence[str]]
DEEPEST = 64  # parts of conditions within one another
# YAML makes truth values of these words, so what the rule said is one of them.
WORDS = {True: ("true", "yes", "on", "t"), False: ("false", "no", "off", "f")}


def compiled(detections: Any, placeholders: Placeholders) -> Node:
    """The tree of a rule's detections (pySigma's `SigmaDetections`). Raises `RuleError`."""
    known: dict[str, Node] = {}
    for name, detection in detections.detections.items():
        try:
            known[name] = _detection(detection, placeholders)
        except RuleError as error:
            raise RuleError(str(error), error.part or name) from None
    found = []
    for condition in detections.parsed_condition:
        try:
            found.append(_condition(condition.parse(postprocess=False), known, detections))
        except RuleError:
            raise
        except Exception as error:  # of pySigma's parser, which has many of its own
            raise RuleError(_reason(error), "condition") from None
    return found[0] if len(found) == 1 else nodes.Some(found)


def _reason(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def _condition(parsed: Any, known: Mapping[str, Node], detections: Any, depth: int = 0) -> Node:
    """The tree of a parsed condition over the detections by name."""
    from sigma import conditions

    if depth > DEEPEST:
        raise RuleError("the condition is nested too deeply", "condition")
    if isinstance(parsed, conditions.ConditionIdentifier):
        if parsed.identifier not in known:
            raise RuleError(f"the condition names no detection: {parsed.identifier}", "condition")
        return known[parsed.identifier]
    if isinstance(parsed, conditions.ConditionSelector):
        named = parsed.resolve_referenced_detections(detections)
        if not named:
            raise RuleError(f"no detection is called {parsed.pattern}", "condition")
        chosen = [known[one.identifier] for one in named]
        every = parsed.cond_class is conditions.ConditionAND
        return nodes.Every(chosen) if every else nodes.Some(chosen)
    inner = [_condition(one, known, detections, depth + 1) for one in parsed.args]
    if isinstance(parsed, conditions.ConditionNOT):
        return nodes.Not(inner[0])
    every = isinstance(parsed, conditions.ConditionAND)
    return nodes.Every(inner) if every else nodes.Some(inner)


def _detection(detection: Any, placeholders: Placeholders, depth: int = 0) -> Node:
    """The tree of one named detection."""
    from sigma.conditions import ConditionAND
    from sigma.rule import SigmaDetection

    if depth > DEEPEST:
        raise RuleError("the detection is nested too deeply")
    inner = [
        _detection(one, placeholders, depth + 1)
        if isinstance(one, SigmaDetection)
        else _item(one, placeholders)
        for one in detection.detection_items
    ]
    if len(inner) == 1:
        return inner[0]
    every = detection.item_linking is ConditionAND
    return nodes.Every(inner) if every else nodes.Some(inner)


def _item(item: Any, placeholders: Placeholders) -> Node:
    """The tree of one field with its values, or of keywords."""
    from sigma.conditions import ConditionAND

    modifiers = [one.__name__ for one in item.modifiers]
    every = item.value_linking is ConditionAND
    values = (
        encoding.encoded(item, modifiers)
        if set(modifiers) & set(encoding.BASE64)
        else list(item.value)
    )
    values = [one for value in values for one in _filled(value, placeholders)]
    if not values:
        node: Node = _on(item.field, None)
    elif every:
        node = nodes.Every([_value(item.field, value, modifiers) for value in values])
    else:
        node = _some(item.field, values, modifiers)
    return nodes.Not(node) if item.negated else node


def _some(field: str | None, values: list[Any], modifiers: list[str]) -> Node:
    """Any of the values; those of one kind become one question, which is asked faster."""
    groups: dict[tuple[str, bool], list[str]] = {}
    rest: list[Node] = []
    for value in values:
        plain = _plain(value) if field is not None else _plain_keyword(value)
        if plain is None:
            rest.append(_value(field, value, modifiers))
        else:
            kind, text, cased = plain
            groups.setdefault((kind, cased), []).append(text)
    found = [_on(field, _grouped(*key, texts)) for key, texts in groups.items()]
    found += rest
    return found[0] if len(found) == 1 else nodes.Some(found)


def _grouped(kind: str, cased: bool, texts: list[str]) -> Predicate:
    if kind == "equal":
        return predicates.Equal(texts, cased)
    return predicates.Part(texts, kind, cased)


def _on(field: str | None, predicate: Predicate | None) -> Node:
    if predicate is None:
        if field is None:
            raise RuleError("a keyword is no value")
        return nodes.Empty(field)
    return nodes.Keyword(predicate) if field is None else nodes.Ask(field, predicate)


def _value(field: str | None, value: Any, modifiers: list[str]) -> Node:
    """The tree of one value; field None: a keyword."""
    from sigma import types

    if isinstance(value, types.SigmaExpansion):
        return _some(field, list(value.values), modifiers)
    if isinstance(value, types.SigmaNull):
        return _on(field, None)
    if field is None:
        return nodes.Keyword(_keyword(value, modifiers))
    if isinstance(value, types.SigmaExists):
        exists = nodes.Exists(field)
        return exists if value.exists else nodes.Not(exists)
    if isinstance(value, types.SigmaFieldReference):
        where = {(True, False): "startswith", (False, True): "endswith", (True, True): "contains"}
        how = where.get((value.starts_with, value.ends_with), "equal")
        return nodes.Reference(field, value.field, how)
    return nodes.Ask(field, _predicate(value, modifiers))


def _predicate(value: Any, modifiers: list[str]) -> Predicate:
    """What is asked of a field's value."""
    from sigma import types

    plain = _plain(value)
    if plain is not None:
        kind, text, cased = plain
        return _grouped(kind, cased, [text])
    if isinstance(value, types.SigmaString):
        cased = isinstance(value, types.SigmaCasedString)
        parts = _parts(value)
        if parts == [(predicates.MANY,)]:
            return predicates.Anything()
        return predicates.Glob(parts, cased)
    if isinstance(value, types.SigmaTimestampPart):
        return predicates.TimePart(value.timestamp_part.name.lower(), int(value.number))
    if isinstance(value, types.SigmaBool):
        return predicates.Equal(WORDS[value.boolean])
    if isinstance(value, types.SigmaCompareExpression):
        part = getattr(value.number, "timestamp_part", None)
        unit = part.name.lower() if part else ""
        return predicates.Compared(value.op.name.lower(), value.number.number, unit)
    if isinstance(value, types.SigmaCIDRExpression):
        return predicates.Network(value.network)
    if isinstance(value, types.SigmaRegularExpression):
        return _expression(value, modifiers)
    raise RuleError(f"values of this kind are not known: {type(value).__name__}")


def _expression(value: Any, modifiers: list[str]) -> Predicate:
    """A regular expression, anchored where the rule says startswith or endswith."""
    flags = "".join(sorted(value.sigma_to_re_flag[flag] for flag in value.flags))
    pattern = str(value.regexp)
    starts, ends = "SigmaStartswithModifier" in modifiers, "SigmaEndswithModifier" in modifiers
    if starts or ends:
        pattern = ("^" if starts else "") + f"(?:{pattern})" + ("$" if ends else "")
    try:
        return predicates.Matching(pattern, flags)
    except ValueError as error:
        raise RuleError(str(error)) from None


def _keyword(value: Any, modifiers: list[str]) -> Predicate:
    """What is searched in the whole line."""
    from sigma import types

    plain = _plain_keyword(value)
    if plain is not None:
        return _grouped(plain[0], plain[2], [plain[1]])
    if isinstance(value, types.SigmaRegularExpression):
        return _expression(value, modifiers)
    if isinstance(value, types.SigmaString):
        cased = isinstance(value, types.SigmaCasedString)
        return predicates.Glob(_stripped(value), cased, search=True)
    raise RuleError(f"no keyword can be of this kind: {type(value).__name__}")


def _plain_keyword(value: Any) -> tuple[str, str, bool] | None:
    """The same as `_plain` of a keyword, which may stand anywhere."""
    from sigma import types

    if isinstance(value, (types.SigmaNumber, types.SigmaBool)):
        return "contains", str(value), False
    if not isinstance(value, types.SigmaString):
        return None
    parts = _stripped(value)
    if len(parts) > 1 or not isinstance(parts[0], str):
        return None
    return "contains", parts[0], isinstance(value, types.SigmaCasedString)


def _stripped(value: Any) -> list[str | tuple[str]]:
    """The parts of a keyword without wildcards at its ends, where they mean nothing."""
    parts = _parts(value)
    while parts and parts[0] == (predicates.MANY,):
        parts = parts[1:]
    while parts and parts[-1] == (predicates.MANY,):
        parts = parts[:-1]
    if not parts:
        raise RuleError("a keyword is empty, so every line would match")
    return parts


def _plain(value: Any) -> tuple[str, str, bool] | None:
    """How a text is held against a value, the text, and whether case matters; None: not so."""
    from sigma import types

    if isinstance(value, types.SigmaNumber) and not isinstance(value, types.SigmaTimestampPart):
        return "equal", str(value.number), False
    if not isinstance(value, types.SigmaString):
        return None
    cased = isinstance(value, types.SigmaCasedString)
    parts = _parts(value)
    before, after = (bool(parts) and parts[at] == (predicates.MANY,) for at in (0, -1))
    inner = parts[before : len(parts) - after] if len(parts) > 1 else parts
    if len(inner) > 1 or any(not isinstance(one, str) for one in inner):
        return None
    text = str(inner[0]) if inner else ""
    kinds = {(True, True): "contains", (False, True): "startswith", (True, False): "endswith"}
    return kinds.get((before, after), "equal"), text, cased


def _parts(value: Any) -> list[str | tuple[str]]:
    """The texts and wildcards of a string; neighbouring texts are one. Raises `RuleError`."""
    from sigma import types

    signs = {
        types.SpecialChars.WILDCARD_MULTI: (predicates.MANY,),
        types.SpecialChars.WILDCARD_SINGLE: (predicates.ONE,),
    }
    found: list[str | tuple[str]] = []
    for part in value.s:
        if isinstance(part, types.Placeholder):
            raise RuleError(f"no values are configured for the placeholder %{part.name}%")
        if isinstance(part, str) and found and isinstance(found[-1], str):
            found[-1] += part
        elif isinstance(part, str):
            found.append(part)
        elif not (found and found[-1] == (predicates.MANY,) == signs[part]):
            found.append(signs[part])
    return found


def _filled(value: Any, placeholders: Placeholders) -> list[Any]:
    """The value with its placeholders filled in, once for each of their values."""
    from sigma import types

    if isinstance(value, types.SigmaExpansion):
        inner = [one for each in value.values for one in _filled(each, placeholders)]
        return [types.SigmaExpansion(inner)]
    if isinstance(value, types.SigmaRegularExpression):
        text = value.regexp
    elif isinstance(value, types.SigmaString):
        text = value
    else:
        return [value]
    if not text.contains_placeholder():
        return [value]

    def values(placeholder: Any) -> Any:
        if not placeholders.get(placeholder.name):
            raise RuleError(f"no values are configured for the placeholder %{placeholder.name}%")
        return iter(list(placeholders[placeholder.name]))

    filled: list[Any] = value.replace_placeholders(values)
    if isinstance(value, types.SigmaCasedString):
        filled = [types.SigmaCasedString.from_sigma_string(one) for one in filled]
    return filled if len(filled) == 1 else [types.SigmaExpansion(filled)]
