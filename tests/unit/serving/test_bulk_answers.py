"""The JSON of many answers is, byte for byte, that of the pydantic model."""

from __future__ import annotations

from collections import deque

from hypothesis import given, settings
from hypothesis import strategies as st

from monitoring.prediction_ids import IdReader, IdWriter
from preprocessors.feature_check import Strange
from schemas.predictions import BatchPrediction
from serving.batch import Results
from serving.bulk_answers import BulkAnswer, Origin
from serving.cache import Value
from serving.cached_answers import Answered
from serving.observed import Observed
from serving.runner import RunnerCounts

NOW = 1_700_000_000.5
NUMBER = st.floats(allow_nan=False, allow_infinity=False)
ORIGIN = st.builds(
    Origin,
    st.text(max_size=5, alphabet=st.characters(exclude_categories=["Cs"])),
    st.sampled_from(["20160930-f1fff52fdddf", "a.b_c"]),
    st.sampled_from(["stable", "canary", "shadow"]),
    st.none() | st.floats(0, 1),
    st.just(IdWriter(b"k" * 32, "m", "v")),
    st.just(Observed(RunnerCounts(), deque())),
)
STRANGE = st.builds(
    Strange,
    st.integers(0, 3),
    st.sampled_from(["outside_training_range", "never_seen_category"]),
    st.text(max_size=5, alphabet=st.characters(exclude_categories=["Cs"])),
    st.sampled_from(['a "quoted" message', "x is outside its training range, 1 to 2", "é\n"]),
)


@st.composite
def results(draw: st.DrawFn) -> Results:
    """Results of at least four rows, with or without intervals."""
    count = draw(st.integers(4, 20))
    numbers = st.lists(NUMBER, min_size=count, max_size=count)
    whole = draw(st.booleans())
    low, high = (draw(numbers), draw(numbers)) if whole else (None, None)
    return Results(draw(numbers), low, high, draw(st.lists(STRANGE, max_size=4)))


@settings(deadline=None, max_examples=500)
@given(ORIGIN, results())
def test_computed_answers_are_written_as_the_model_writes_them(origin: Origin, found: Results) -> None:
    answer = BulkAnswer.computed(origin, found, NOW)
    assert answer.to_json() == answer.predictions().model_dump_json().encode()
    assert answer.columns_to_json() == answer.columns().model_dump_json().encode()
    assert answer.first_to_json() == answer.predictions().predictions[0].model_dump_json().encode()
    assert len(set(answer.ids)) == len(found.value)


@settings(deadline=None, max_examples=300)
@given(ORIGIN, results(), st.data())
def test_answers_through_the_cache_are_written_as_the_model_writes_them(
    origin: Origin, found: Results, data: st.DataObject
) -> None:
    computed = BulkAnswer.computed(origin, found, NOW)
    count = len(found.value)
    nothing: list[float | None] = [None] * count
    low, high = found.low or nothing, found.high or nothing
    cached = data.draw(st.lists(st.booleans(), min_size=count, max_size=count))
    values = [
        Value(found.value[row], low[row], high[row], tuple(computed.warnings.get(row, ()))) for row in range(count)
    ]
    answer = BulkAnswer.answered(origin, Answered(values, cached), NOW)
    written = answer.to_json()
    assert written == answer.predictions().model_dump_json().encode()
    assert answer.columns_to_json() == answer.columns().model_dump_json().encode()
    predictions = BatchPrediction.model_validate_json(written).predictions
    assert [one.cached for one in predictions] == cached
    plain = computed.predictions().predictions
    changed = {"cached": False, "prediction_id": ""}
    assert [one.model_copy(update=changed) for one in predictions] == [one.model_copy(update=changed) for one in plain]


@settings(deadline=None, max_examples=100)
@given(ORIGIN, results(), st.sets(st.integers(0, 3)))
def test_columns_say_what_the_rows_say(origin: Origin, found: Results, cached: set[int]) -> None:
    answer = BulkAnswer.computed(origin, found, NOW)._replace(cached=frozenset(cached))
    columns, rows = answer.columns(), answer.predictions().predictions
    assert columns.prediction == [one.prediction for one in rows]
    assert columns.prediction_id == [one.prediction_id for one in rows]
    assert {(columns.model, columns.version, columns.variant)} == {
        (one.model, one.version, one.variant) for one in rows
    }
    assert columns.cached_rows == [row for row, one in enumerate(rows) if one.cached]
    assert [(w.row, w.feature, w.code) for w in columns.warnings] == [
        (row, w.feature, w.code) for row, one in enumerate(rows) for w in one.warnings
    ]
    if columns.low is None or columns.high is None:
        assert all(one.interval is None for one in rows)
    else:
        ends = [one.interval and (one.interval.low, one.interval.high, one.interval.coverage) for one in rows]
        assert [(*pair, columns.coverage) for pair in zip(columns.low, columns.high, strict=True)] == ends


@settings(deadline=None, max_examples=100)
@given(ORIGIN, results())
def test_each_id_says_what_was_predicted(origin: Origin, found: Results) -> None:
    reader = IdReader([b"k" * 32], "m")
    reader.know("v")
    one = Results(found.value[:1], found.low and found.low[:1], found.high and found.high[:1], [])
    for part in (found, one):
        answer = BulkAnswer.computed(origin, part, NOW)
        for token, value in zip(answer.ids, answer.value, strict=True):
            issued = reader.read(token)
            assert not isinstance(issued, str)
            assert (issued.value, issued.issued_at, issued.version) == (value, int(NOW), "v")
            assert (issued.low is None) == (answer.low is None)
