"""From the imported graph to integers, by evaluating what floats are pending."""

from thresher.compiler.streamline.closing import Closing
from thresher.compiler.streamline.driver import Streamlined, streamline

__all__ = ["Closing", "Streamlined", "streamline"]
