"""Adapts the requests that Schemathesis generates to the API before they are sent."""

import itertools
import json
import pathlib

import schemathesis

EXAMPLES = pathlib.Path(__file__).parents[2] / "src/http/openapi/examples"
CART = json.loads((EXAMPLES / "cart_request.json").read_text())

# The number of times that a valid key is sent: keys exist for retries, but a used key buys nothing.
TIMES_PER_KEY = 2
# One of this many valid keys stays as it was generated.
KEPT_OF = 4

keys_sent = itertools.count()
carts_sent = itertools.count()


@schemathesis.hook
def before_call(context, case, kwargs):
    headers = case.headers
    if is_well_formed(case) and headers and "Idempotency-Key" in headers:
        sent = next(keys_sent)
        if sent % KEPT_OF:
            headers["Idempotency-Key"] = f"contract-{sent // TIMES_PER_KEY}"
    if is_well_formed(case) and case.operation.label == "PUT /api/v1/cart":
        # Generated ids and prices match no product: every other cart gets lines that exist.
        if next(carts_sent) % 2 == 0:
            lines = {name: CART[name] for name in ("currency", "items", "discounts", "totals")}
            case.body = {**case.body, **lines}


def is_well_formed(case):
    return case.meta is not None and case.meta.generation.mode.is_positive
