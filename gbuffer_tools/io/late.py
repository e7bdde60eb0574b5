"""Packages that take long to import are imported when they are first used: `--help`, and most commands, need few."""

import importlib
from types import ModuleType


class LateModule(ModuleType):
    """Stands for a module of its name, which is imported when something of it is asked for."""

    def __getattr__(self, name: str) -> object:
        return getattr(importlib.import_module(self.__name__), name)
