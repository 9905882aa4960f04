"""The prediction log: rows and answers as JSON lines, for reports, audits and the next training.

A request hands its batch over and goes on; one thread makes lines of it and writes them. What waits is bounded, what
is on disk is bounded, and neither a slow nor a full disk is ever felt by a request: rows are counted as lost instead.
It is a monitor of BentoML's, so `bentoml.monitor` finds it, and BentoML's `monitoring.enabled: false` switches it off.
"""

from __future__ import annotations

import time
from bisect import bisect_right
from collections import defaultdict, deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from itertools import accumulate, groupby
from typing import Any, NamedTuple

import bentoml
from bentoml._internal.monitoring.base import MON_COLUMN_VAR, MON_DATAS_VAR
from bentoml.monitoring import MonitorBase

from monitoring.log_files import RotatingFiles
from monitoring.log_lines import LineMaker, LogBatch, line
from monitoring.log_options import LogOptions, log_options
from monitoring.log_sampling import Sampler
from monitoring.log_writer import LogCounts, LogWriter
from schemas.features import Column

CLASS = "monitoring.prediction_log.PredictionLog"
"""How BentoML's configuration names it."""


class _Free(NamedTuple):
    """A batch from `bentoml.monitor`: columns by name."""

    now: float
    columns: Mapping[str, Sequence[Any]]
    roles: Mapping[str, str]

    def only(self, rows: Sequence[int]) -> _Free:
        columns = {name: [column[row] for row in rows] for name, column in self.columns.items()}
        return self._replace(columns=columns)


_Part = tuple[LogBatch | _Free, int]
"""A batch and its rows."""


class PredictionLog(MonitorBase[Any]):
    """Writes predictions to `<directory>/<name>-<worker>.jsonl`. Safe to use from several threads.

    Making it does no I/O and starts nothing; `start` does. Without it, the first row does.

    Args:
        name: of the monitor, such as the model's name; part of the file names.
        columns: the model's features, for `offer`; `bentoml.monitor` needs none.
        options: the fields of LogOptions.

    Raises:
        ValueError: an option is wrong; the message names it and its limit.
    """

    def __init__(self, name: str, columns: Sequence[Column] = (), **options: Any) -> None:
        super().__init__(name)
        self.options: LogOptions = log_options(name, [column.name for column in columns], options)
        checked = self.options
        self._maker = LineMaker(columns, checked.sampling, checked.personal_fields, checked.key())
        self._sampler = Sampler(checked.sampling, checked.seed)
        worker = checked.worker if checked.worker is not None else bentoml.server_context.worker_index or 0
        files = RotatingFiles(checked.directory, f"{name}-{worker}", checked.max_file_bytes, checked.max_files)
        self._writer: LogWriter[LogBatch | _Free] = LogWriter(
            files, self._lines, checked.max_waiting_rows, checked.flush_seconds, checked.retry_seconds
        )

    @property
    def counts(self) -> LogCounts:
        """Rows by their fate, as plain integers that only grow."""
        return self._writer.counts

    @property
    def waiting_rows(self) -> int:
        """Rows that are chosen and not yet written."""
        return self._writer.waiting_rows

    def offer(self, batch: LogBatch) -> None:
        """Take the predictions of one request. Never waits for the disk and never raises."""
        self.offer_all([len(batch.value)], {0: batch.out_of_range}, lambda _: batch)

    def offer_all(
        self, sizes: Sequence[int], always: Mapping[int, Collection[int]], batch_of: Callable[[int], LogBatch]
    ) -> None:
        """Take the predictions of some requests. Never waits for the disk and never raises.

        Args:
            sizes: rows of each request.
            always: by request, its rows that are logged in any case.
            batch_of: makes the batch of a request; asked for those only of which a row is logged.
        """
        starts = list(accumulate(sizes, initial=0))

        def parts(chosen: Sequence[int]) -> Iterator[tuple[LogBatch, int]]:
            if len(chosen) == starts[-1]:
                yield from ((batch_of(place), rows) for place, rows in enumerate(sizes))
                return
            for place, found in groupby(chosen, lambda row: bisect_right(starts, row) - 1):
                rows = [row - starts[place] for row in found]
                batch = batch_of(place)
                yield batch if len(rows) == sizes[place] else batch.only(rows), len(rows)

        self._offer(starts[-1], {starts[place] + row for place, rows in always.items() for row in rows}, parts)

    def start(self) -> None:
        """Start the writer. A log that was closed begins anew."""
        self._writer.start()

    def close(self, seconds: float = 5.0) -> None:
        """Write what waits, for at most so many seconds; what is left then counts as failed."""
        self._writer.close(seconds)

    def start_record(self) -> None:
        """Begin a record of `bentoml.monitor`. One that broke off does not spoil the next, as it does in BentoML's."""
        MON_COLUMN_VAR.set({} if self.columns_schema is None else None)
        MON_DATAS_VAR.set(defaultdict(deque))

    def stop_record(self) -> None:
        """End a record; an empty one is nothing to warn of."""
        if MON_DATAS_VAR.get():
            super().stop_record()
        MON_DATAS_VAR.set(None)
        MON_COLUMN_VAR.set(None)

    def export_schema(self, columns_schema: dict[str, dict[str, str]]) -> None:
        """Nothing to do: every line names its values."""

    def export_data(self, datas: dict[str, deque[Any]]) -> None:
        """Take the columns of a record; the shortest says how many rows there are."""
        roles = {name: column["role"] for name, column in (self.columns_schema or {}).items()}
        columns = {name: list(values) for name, values in datas.items()}
        rows, batch = min(map(len, columns.values()), default=0), _Free(time.time(), columns, roles)
        self._offer(rows, (), lambda chosen: [(batch if len(chosen) == rows else batch.only(chosen), len(chosen))])

    def _offer(self, rows: int, always: Collection[int], parts: Callable[[Sequence[int]], Iterable[_Part]]) -> None:
        """Choose among rows that came, and let the batches that `parts` makes of the chosen ones wait."""
        writer = self._writer
        try:
            with writer.lock:
                chosen = self._sampler.choose(rows, always)
                writer.counts.sampled_out += rows - len(chosen)
                if not chosen:
                    return
                if (room := writer.room(len(chosen))) < len(chosen):
                    chosen = chosen[:room]
                for part in parts(chosen):
                    writer.put(*part)
            if writer.is_asleep:
                writer.start()
        except Exception:  # a batch whose parts do not fit together, no memory, no thread to be had
            writer.tell_once("The prediction log could not take some rows.")

    def _lines(self, batch: LogBatch | _Free, first: int, last: int) -> list[bytes]:
        """The lines of some rows, without those that JSON has no words for."""
        if isinstance(batch, LogBatch):
            return [made for record in self._maker.records(batch, first, last) if (made := _line(record))]
        made_all = []
        for row in range(first, last):
            values = {name: column[row] for name, column in batch.columns.items()}
            try:
                made_all.append(line(self._maker.free_record(batch.now, values, batch.roles)))
            except (TypeError, ValueError):
                continue
        return made_all


def _line(record: dict[str, Any]) -> bytes:
    try:
        return line(record)
    except (TypeError, ValueError):
        return b""


def open_prediction_log(name: str, columns: Sequence[Column], options: Mapping[str, Any]) -> PredictionLog | None:
    """The log of this process, through `bentoml.monitor`; None where BentoML's configuration switches monitoring off.

    BentoML keeps one monitor a name: opening it again gives the first, whatever the options.

    Args:
        name: of the monitor; part of the file names.
        columns: the model's features.
        options: the fields of LogOptions.

    Raises:
        ValueError: an option is wrong; the message names it and its limit.
    """
    with bentoml.monitor(name, monitor_class=CLASS, monitor_options={"columns": columns, **options}) as monitor:
        found = monitor
    if not isinstance(found, PredictionLog):
        return None
    found.start()
    return found
