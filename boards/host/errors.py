"""What goes wrong between a user, a host and a board: always one line with its remedy."""

__all__ = ["HostError", "InputError", "LinkError"]


class HostError(Exception):
    """One line: what, where, remedy."""


class InputError(HostError, ValueError):
    """Arrays or files that do not fit the model."""


class LinkError(HostError, RuntimeError):
    """A board that does not answer, answers something else, or reports a fault."""
