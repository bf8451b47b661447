"""From an integer graph to a scheduled design: kernels, folding, cycles, FIFO depths."""

from thresher.compiler.schedule.scheduler import ScheduleOptions, schedule

__all__ = ["ScheduleOptions", "schedule"]
