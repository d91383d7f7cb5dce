"""The round of round.ts with openapi-python-client."""

import json
import os
import pathlib
import uuid
from http import HTTPStatus

from splitcart_client.api.cart import put_cart
from splitcart_client.api.checkout import check_out, get_checkout_group, preview_checkout
from splitcart_client.api.orders import get_order, list_orders
from splitcart_client.client import AuthenticatedClient
from splitcart_client.models.cart_answer import CartAnswer
from splitcart_client.models.cart_request import CartRequest
from splitcart_client.models.check_out_error_409_answer import CheckOutError409Answer
from splitcart_client.models.checkout_answer import CheckoutAnswer
from splitcart_client.models.checkout_request import CheckoutRequest
from splitcart_client.models.error_cart_already_converted import ErrorCartAlreadyConverted
from splitcart_client.models.error_cart_changed import ErrorCartChanged
from splitcart_client.models.error_cart_invalid_answer import ErrorCartInvalidAnswer
from splitcart_client.models.error_idempotency_key_reused import ErrorIdempotencyKeyReused
from splitcart_client.models.order_perspective import OrderPerspective
from splitcart_client.models.placed_order_answer import PlacedOrderAnswer
from splitcart_client.models.placed_order_page import PlacedOrderPage
from splitcart_client.models.preview_answer import PreviewAnswer
from splitcart_client.models.violation_code import ViolationCode
from splitcart_client.types import UNSET, Unset


def key() -> str:
    return str(uuid.uuid4())


def main() -> None:
    client = AuthenticatedClient(base_url=os.environ["SPLITCART"], token=os.environ["TOKEN"])
    example = json.loads(pathlib.Path(os.environ["CART"]).read_text())
    cart = CartRequest.from_dict(example)
    right = cart.totals.total

    cart.totals.total = "1.00"
    refused = put_cart.sync(client=client, body=cart, idempotency_key=key())
    assert isinstance(refused, ErrorCartInvalidAnswer), refused
    [violation] = refused.error.details.violations
    assert violation.code == ViolationCode.TOTAL_MISMATCH, violation
    assert (violation.path, violation.expected) == ("/totals/total", right), violation

    cart.totals.total = right
    frozen = put_cart.sync(client=client, body=cart, idempotency_key=key())
    assert isinstance(frozen, CartAnswer), frozen
    wish = CheckoutRequest(cart_id=frozen.data.id, expected_total=frozen.data.total)
    preview = preview_checkout.sync(client=client, body=wish)
    assert isinstance(preview, PreviewAnswer) and preview.data.total == frozen.data.total, preview

    def refuse(body: CheckoutRequest, under: str, error: type) -> None:
        answer = check_out.sync(client=client, body=body, idempotency_key=under)
        assert isinstance(answer, CheckOutError409Answer), answer
        assert isinstance(answer.error, error), answer

    too_cheap = CheckoutRequest(cart_id=frozen.data.id, expected_total="1.00")
    refuse(too_cheap, key(), ErrorCartChanged)

    once = key()
    first = check_out.sync_detailed(client=client, body=wish, idempotency_key=once)
    again = check_out.sync_detailed(client=client, body=wish, idempotency_key=once)
    assert first.status_code == again.status_code == HTTPStatus.CREATED, first
    assert again.headers["Idempotency-Replayed"] == "true"
    assert first.content == again.content
    bought = first.parsed
    assert isinstance(bought, CheckoutAnswer), bought
    assert first.headers["Location"].endswith(str(bought.data.checkout_group_id))
    refuse(CheckoutRequest(cart_id=frozen.data.id), once, ErrorIdempotencyKeyReused)
    refuse(wish, key(), ErrorCartAlreadyConverted)
    group = get_checkout_group.sync(bought.data.checkout_group_id, client=client)
    assert group == bought, group

    seen: set[uuid.UUID] = set()
    cursor: str | Unset = UNSET
    while True:
        page = list_orders.sync(
            client=client, limit=1, cursor=cursor, perspective=OrderPerspective.BUYER
        )
        assert isinstance(page, PlacedOrderPage), page
        for placed in page.data:
            assert placed.order_id not in seen, "a page shows an order twice"
            seen.add(placed.order_id)
        if page.page.next_cursor is None:
            break
        cursor = page.page.next_cursor
    for vendor_order in bought.data.vendor_orders:
        assert vendor_order.order_id in seen
        order = get_order.sync(vendor_order.order_id, client=client)
        assert isinstance(order, PlacedOrderAnswer), order
        assert order.data.order_id == vendor_order.order_id


main()
