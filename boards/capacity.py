"""What the boards hold; the table stands where the scheduler can reach it."""

from thresher.compiler.schedule.capacity import BOARDS, Board, Capacity, get_board

__all__ = ["BOARDS", "Board", "Capacity", "get_board"]
