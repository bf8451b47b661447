"""Byte pipes of a Linux host: a serial port and an SPI master."""

__all__: list[str] = []
