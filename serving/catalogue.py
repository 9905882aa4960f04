"""Every version of the model that may be spoken of: outcomes come late, also for versions that serve no more."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from pathlib import Path

from registry import store
from registry.bundle import Description, ModelDefinition
from registry.errors import RegistryError

logger = logging.getLogger(__name__)


class Catalogue:
    """What the bundles in the store say of themselves, without their models. Safe to use from several threads.

    Args:
        definition: which model.
        keys: one of them must have signed a version; without any, it needs no signature.
    """

    def __init__(self, definition: ModelDefinition, keys: Sequence[bytes] = ()) -> None:
        self._keys = keys
        self._definition, self._lock = definition, threading.Lock()
        self._refused: set[str] = set()
        self._place: Path | None = None
        self.versions: dict[str, Description] = {}

    def refresh(self) -> dict[str, Description]:
        """Read what is new in the store. Costs a listing of its folder when nothing is; call it in a thread.

        Raises:
            OSError: the folder cannot be listed.
        """
        with self._lock:
            self._place = self._place or store.place(self._definition.name)
            if self._place is None or store.folders(self._place) <= self.versions.keys() | self._refused:
                return self.versions
            for name in store.versions(self._definition.name):
                if name not in self.versions and name not in self._refused:
                    self._read(name)
            return self.versions

    def _read(self, name: str) -> None:
        try:
            described = store.describe_version(self._definition, name, self._keys)
        except RegistryError as error:  # said once; who wants it live hears the reason again
            self._refused.add(name)
            logger.warning("a version in the store cannot be read", extra={"version": name, "reason": str(error)})
            return
        self.versions = {**self.versions, name: described}  # replaced as a whole: readers take no lock
