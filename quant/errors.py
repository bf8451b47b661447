"""The one error that an export raises."""

__all__ = ["ExportError"]


class ExportError(ValueError):
    """A module that cannot be exported to the bit.

    :param where: path of the module (or name of the node or argument) at fault.
    :param rule: what must hold, and what was found instead.
    :param remedy: what the user can do about it.
    """

    def __init__(self, where: str, rule: str, remedy: str) -> None:
        self.where, self.rule, self.remedy = where, rule, remedy
        super().__init__(f"{where}: {rule}; {remedy}")
