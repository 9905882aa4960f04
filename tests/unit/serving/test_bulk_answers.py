"""The JSON of many answers is, byte for byte, that of the pydantic model."""

from __future__ import annotations

import re

from hypothesis import given, settings
from hypothesis import strategies as st

from preprocessors.feature_check import Strange
from schemas.predictions import BatchPrediction
from serving.batch import Results
from serving.bulk_answers import BulkAnswer, Origin, new_ids
from serving.cache import Value
from serving.cached_answers import Answered

NUMBER = st.floats(allow_nan=False, allow_infinity=False)
ORIGIN = st.builds(
    Origin,
    st.text(max_size=5, alphabet=st.characters(exclude_categories=["Cs"])),
    st.sampled_from(["20160930-f1fff52fdddf", "a.b_c"]),
    st.sampled_from(["stable", "canary", "shadow"]),
    st.none() | st.floats(0, 1),
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
    answer = BulkAnswer.computed(origin, found)
    ids = new_ids(len(found.value))
    assert answer.to_json(ids) == answer.predictions(ids).model_dump_json().encode()
    assert answer.first_to_json(ids[0]) == answer.predictions(ids).predictions[0].model_dump_json().encode()


@settings(deadline=None, max_examples=300)
@given(ORIGIN, results(), st.data())
def test_answers_through_the_cache_are_written_as_the_model_writes_them(
    origin: Origin, found: Results, data: st.DataObject
) -> None:
    computed = BulkAnswer.computed(origin, found)
    count = len(found.value)
    nothing: list[float | None] = [None] * count
    low, high = found.low or nothing, found.high or nothing
    cached = data.draw(st.lists(st.booleans(), min_size=count, max_size=count))
    values = [
        Value(found.value[row], low[row], high[row], tuple(computed.warnings.get(row, ()))) for row in range(count)
    ]
    answer, ids = BulkAnswer.answered(origin, Answered(values, cached)), new_ids(count)
    written = answer.to_json(ids)
    assert written == answer.predictions(ids).model_dump_json().encode()
    predictions = BatchPrediction.model_validate_json(written).predictions
    assert [one.cached for one in predictions] == cached
    plain = computed.predictions(ids).predictions
    assert [one.model_copy(update={"cached": False}) for one in predictions] == plain


def test_ids_are_unique_and_hexadecimal() -> None:
    ids = new_ids(10_000)
    assert len(set(ids)) == 10_000
    assert all(re.fullmatch("[0-9a-f]{32}", one) for one in ids)
    assert new_ids(0) == []
