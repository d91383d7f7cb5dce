"""Adapts the requests that Schemathesis generates to the API before they are sent."""

import itertools
import json
import os
import pathlib
import urllib.error
import urllib.request

import schemathesis

EXAMPLES = pathlib.Path(__file__).parents[2] / "src/http/openapi/examples"
CART = json.loads((EXAMPLES / "cart_request.json").read_text())

# The number of times that a valid key is sent: keys exist for retries, but a used key buys nothing.
TIMES_PER_KEY = 2
# One of this many valid keys stays as it was generated.
KEPT_OF = 4

VENDORS = pathlib.Path(os.environ["CONTRACT_VENDORS"]).read_text().split()
# What only a vendor may do, and the status of the orders with which it is possible.
OF_VENDORS = {
    "GET /api/v1/inventory": None,
    "PUT /api/v1/inventory": None,
    "POST /api/v1/orders/{id}/decision": "created_pending",
    "POST /api/v1/orders/{id}/fulfillment": "accepted",
}

# What needs a cart that is active.
BUYS = {"POST /api/v1/checkout", "POST /api/v1/checkout/preview"}
CANCELLATIONS = {
    "POST /api/v1/orders/{id}/cancellation",
    "POST /api/v1/checkout-groups/{id}/cancellation",
}

# The buyers' own headers: a request without one of them is to be refused, and stays as it is.
BUYERS = {
    header["value"]
    for caller in json.loads(pathlib.Path(os.environ["CONTRACT_CALLERS"]).read_text())["auth"]
    for header in caller["fixedHeaders"]
}

keys_sent = itertools.count()
carts_sent = itertools.count()
vendors_asked = itertools.count()
carts_frozen = itertools.count()
cancellations_asked = itertools.count()
purchases = itertools.count()


def order_of(caller, status):
    """An order of a vendor or a buyer in a status, with its group, if there is one."""
    url = f"{os.environ['CONTRACT_URL']}/api/v1/orders?status={status}&limit=1"
    request = urllib.request.Request(url, headers={"Authorization": caller})
    with urllib.request.urlopen(request) as answer:
        orders = json.load(answer)["data"]
    return (orders[0]["order_id"], orders[0]["checkout_group_id"]) if orders else (None, None)


def act_as_vendor(case):
    """Sends every other request of those that only vendors may send as a vendor."""
    if case.headers.get("Authorization") not in BUYERS:
        return
    asked = next(vendors_asked)
    if asked % 2:
        return
    status = OF_VENDORS[case.operation.label]
    vendor = f"Bearer {VENDORS[asked // 2 % len(VENDORS)]}"
    if status is not None:
        order, _ = order_of(vendor, status)
        if order is None:
            return
        case.path_parameters["id"] = order
        case.body = {"decision": "accept"} if status == "created_pending" else {}
    case.headers["Authorization"] = vendor


def cancel_own(case):
    """Sends every other cancellation of a buyer for what the buyer can still cancel."""
    caller = case.headers.get("Authorization") if case.headers else None
    if caller not in BUYERS or next(cancellations_asked) % 2:
        return
    order, group = order_of(caller, "created_pending")
    if order is not None:
        case.path_parameters["id"] = order if "orders" in case.operation.label else group


def freeze_cart(caller):
    """Freezes the example's cart for a buyer; the id of the cart, if it could be frozen."""
    request = urllib.request.Request(
        f"{os.environ['CONTRACT_URL']}/api/v1/cart",
        data=json.dumps(CART).encode(),
        headers={
            "Authorization": caller,
            "Content-Type": "application/json",
            "Idempotency-Key": f"contract-cart-{next(carts_frozen)}",
        },
        method="PUT",
    )
    try:
        with urllib.request.urlopen(request) as answer:
            return json.load(answer)["data"]["id"]
    except urllib.error.HTTPError:
        return None


@schemathesis.hook
def before_call(context, case, kwargs):
    headers = case.headers
    if is_well_formed(case) and headers and "Idempotency-Key" in headers:
        sent = next(keys_sent)
        if sent % KEPT_OF:
            headers["Idempotency-Key"] = f"contract-{sent // TIMES_PER_KEY}"
    if is_well_formed(case) and case.operation.label in OF_VENDORS:
        act_as_vendor(case)
    if is_well_formed(case) and case.operation.label in CANCELLATIONS:
        cancel_own(case)
    if is_well_formed(case) and case.operation.label == "PUT /api/v1/cart":
        # Generated ids and prices match no product: every other cart gets lines that exist.
        if next(carts_sent) % 2 == 0:
            lines = {name: CART[name] for name in ("currency", "items", "discounts", "totals")}
            case.body = {**case.body, **lines}
    if is_well_formed(case) and case.operation.label in BUYS:
        # No generated id is that of a cart that is active just then.
        caller = headers.get("Authorization") if headers else None
        cart = freeze_cart(caller) if caller in BUYERS and next(purchases) % 2 == 0 else None
        if cart is not None and isinstance(case.body, dict):
            case.body = {**case.body, "cart_id": cart}


def is_well_formed(case):
    return case.meta is not None and case.meta.generation.mode.is_positive
