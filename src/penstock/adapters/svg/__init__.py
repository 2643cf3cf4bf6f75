"""Charts as SVG, drawn in Python, and as PNG."""

from penstock.adapters.svg.board import board_drawn
from penstock.adapters.svg.drawing import drawn
from penstock.adapters.svg.plots import Line, Plot, plot_of, plot_of_rows
from penstock.adapters.svg.raster import png

__all__ = ["Line", "Plot", "board_drawn", "drawn", "plot_of", "plot_of_rows", "png"]
