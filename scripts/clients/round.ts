// The round of every client: be refused with the right figures, buy, get the same answer again, read the
// purchase. Each client implements `Shop` with its own generated types; a missing type fails to compile.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";

export interface Violation {
  code: string;
  path: string;
  expected?: unknown;
}

export interface Answer<Data> {
  status: number;
  data?: Data;
  code?: string;
  violations?: Violation[];
  replayed: boolean;
}

export interface Cart { id: string; version: number; total: string }
export interface Bought { checkout_group_id: string; total: string; vendor_orders: { order_id: string }[] }
export interface Page { orders: { order_id: string }[]; next: string | null }
export interface Wish { cart_id: string; expected_total?: string | null }

export interface Shop<Request> {
  put(key: string, cart: Request): Promise<Answer<Cart>>;
  preview(wish: Wish): Promise<Answer<{ total: string }>>;
  checkOut(key: string, wish: Wish): Promise<Answer<Bought>>;
  group(id: string): Promise<Answer<Bought>>;
  orders(limit: number, cursor?: string): Promise<Answer<Page>>;
  order(id: string): Promise<Answer<{ order_id: string }>>;
}

export function setting(name: string): string {
  const value = process.env[name];
  assert(value, `${name} is not set`);
  return value;
}

function refused<Data>(answer: Answer<Data>, status: number, code: string): void {
  assert.deepEqual([answer.status, answer.code], [status, code]);
}

function data<Data>(answer: Answer<Data>, status: number): Data {
  assert.equal(answer.status, status, JSON.stringify(answer));
  assert(answer.data);
  return answer.data;
}

export async function round<Request extends { totals: { total: string } }>(shop: Shop<Request>): Promise<void> {
  const cart = JSON.parse(readFileSync(setting("CART"), "utf8")) as Request;
  const key = () => crypto.randomUUID();

  const wrong = await shop.put(key(), { ...cart, totals: { ...cart.totals, total: "1.00" } });
  refused(wrong, 422, "CART_INVALID");
  const told = wrong.violations?.map((it) => [it.code, it.path, it.expected]);
  assert.deepEqual(told, [["total_mismatch", "/totals/total", cart.totals.total]]);

  const frozen = data(await shop.put(key(), cart), 200);
  const wish = { cart_id: frozen.id, expected_total: frozen.total };
  assert.equal(data(await shop.preview(wish), 200).total, frozen.total);
  refused(await shop.checkOut(key(), { ...wish, expected_total: "1.00" }), 409, "CART_CHANGED");

  const once = key();
  const first = await shop.checkOut(once, wish);
  const again = await shop.checkOut(once, wish);
  const bought = data(first, 201);
  assert.deepEqual([first.replayed, again.replayed], [false, true]);
  assert.deepEqual(data(again, 201), bought);
  refused(await shop.checkOut(once, { cart_id: frozen.id }), 409, "IDEMPOTENCY_KEY_REUSED");
  refused(await shop.checkOut(key(), wish), 409, "CART_ALREADY_CONVERTED");
  assert.deepEqual(data(await shop.group(bought.checkout_group_id), 200), bought);

  const seen = new Set<string>();
  let cursor: string | undefined;
  do {
    const page = data(await shop.orders(1, cursor), 200);
    for (const order of page.orders) {
      assert(!seen.has(order.order_id), "a page shows an order twice");
      seen.add(order.order_id);
    }
    cursor = page.next ?? undefined;
  } while (cursor !== undefined);
  for (const { order_id } of bought.vendor_orders) {
    assert(seen.has(order_id));
    assert.equal(data(await shop.order(order_id), 200).order_id, order_id);
  }
}
