# mypy: disable-error-code="import-not-found, import-untyped, misc, no-any-return, unused-ignore"
# MLServer and joblib live in the benchmark's own environment, which mypy does not see.
"""MLServer with a runtime of our own, as its documentation shows: the V2 request as a DataFrame, pipeline.predict."""

import os

import joblib
from mlserver import MLModel
from mlserver.codecs import NumpyCodec, PandasCodec
from mlserver.types import InferenceRequest, InferenceResponse


class HousePrices(MLModel):
    """Prices of houses; MLServer gathers requests into batches before it calls `predict`."""

    async def load(self) -> bool:
        """Load the pipeline."""
        self.pipeline = joblib.load(os.environ["BENCH_MODEL"])
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        """Price the houses of one or more requests."""
        table = PandasCodec.decode_request(payload)
        prices = self.pipeline.predict(table).reshape(-1, 1)
        return InferenceResponse(
            model_name=self.name, outputs=[NumpyCodec.encode_output(name="prediction", payload=prices)]
        )
