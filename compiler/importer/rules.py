"""The table of lowering rules: which function brings which ONNX operator to the vocabulary."""

from collections.abc import Callable

from thresher.compiler.importer.domains import DIALECT_DOMAINS, STANDARD_DOMAINS
from thresher.compiler.importer.scope import Call, Scope

__all__ = ["Rule", "dialect", "find_rule", "standard", "supported_ops", "unsupported"]

Rule = Callable[[Call, Scope], None]

_STANDARD: dict[str, Rule] = {}
_DIALECT: dict[str, Rule] = {}
_REMEDIES: dict[str, str] = {}
_ELSE = "rewrite it with the operators in thresher.compiler.importer.SUPPORTED_OPS"


def standard(*ops: str) -> Callable[[Rule], Rule]:
    """Register a rule for operators of ONNX's own domain."""

    def register(rule: Rule) -> Rule:
        _STANDARD.update(dict.fromkeys(ops, rule))
        return rule

    return register


def dialect(*ops: str) -> Callable[[Rule], Rule]:
    """Register a rule for operators of the QONNX and FINN domains."""

    def register(rule: Rule) -> Rule:
        _DIALECT.update(dict.fromkeys(ops, rule))
        return rule

    return register


def unsupported(remedy: str, *ops: str) -> None:
    """Say what to do about operators that are refused on purpose."""
    _REMEDIES.update(dict.fromkeys(ops, remedy))


def find_rule(call: Call) -> Rule:
    """The rule for a call.

    :raises ModelError: the operator is not supported.
    """
    if call.domain in STANDARD_DOMAINS:
        if call.op in _STANDARD:
            return _STANDARD[call.op]
        raise call.error("unsupported operator", _REMEDIES.get(call.op, _ELSE))
    if call.domain in DIALECT_DOMAINS and call.op in _DIALECT:
        return _DIALECT[call.op]
    raise call.error(f"unsupported operator of domain {call.domain!r}", _ELSE)


def supported_ops() -> tuple[str, ...]:
    """Names of all operators that have a rule, sorted."""
    return tuple(sorted({*_STANDARD, *_DIALECT}))
