"""Slow packages are imported on first use: `--help` and most commands need few of them."""

import importlib
from types import ModuleType


class LateModule(ModuleType):
    """Stands in for the module of the same name, which is imported when one of its attributes is requested."""

    def __getattr__(self, name: str) -> object:
        return getattr(importlib.import_module(self.__name__), name)
