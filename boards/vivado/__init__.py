"""From a compilation to a bitstream: projects for Vivado, running it, reading its reports."""

__all__: list[str] = []
