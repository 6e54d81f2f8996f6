"""Training of the router: labelled rows in, a GGUF with its manifest and calibration out.

Importing this package is light; PyTorch and the other packages of ``tiergraph[train]`` are imported when
:func:`train_router` runs.
"""

from tiergraph.training.data import RowError, read_rows
from tiergraph.training.router import Manifest, train_router

__all__ = ["Manifest", "RowError", "read_rows", "train_router"]
