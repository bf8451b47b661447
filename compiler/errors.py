"""Errors that a user of the compiler can cause; the command line prints them as one line."""

__all__ = ["ThresherError", "ModelError"]


class ThresherError(Exception):
    """A user's mistake: one clear line, exit status 2, never a traceback."""


class ModelError(ThresherError):
    """A model that breaks a rule.

    :param node: the node (or tensor) at fault, as named in the model.
    :param op: its operator type.
    :param rule: what must hold and what was found instead.
    :param remedy: what the user can do about it.
    """

    def __init__(self, node: str, op: str, rule: str, remedy: str) -> None:
        self.node, self.op, self.rule, self.remedy = node, op, rule, remedy
        super().__init__(" ".join(f"{op} '{node}': {rule}; {remedy}".split()))
