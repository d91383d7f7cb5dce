// orval: functions that fetch, and zod schemas that check each success.
import type { z } from "zod";
import * as api from "./generated/orval/fetch.js";
import * as judge from "./generated/orval/zod.js";
import { type Answer, type Violation, round, setting } from "./round.js";

const options = { headers: { Authorization: `Bearer ${setting("TOKEN")}` } };

interface Result {
  status: number;
  data: { error: { code: string } } | object;
  headers: Headers;
}

function answer<Body, Data>(
  result: Result,
  schema: z.ZodType<Body, z.ZodTypeDef, unknown>,
  read: (body: Body) => Data,
  violations?: Violation[],
): Answer<Data> {
  const body = result.data;
  return {
    status: result.status,
    data: "error" in body ? undefined : read(schema.parse(body)),
    code: "error" in body ? body.error.code : undefined,
    violations,
    replayed: result.headers.get("Idempotency-Replayed") === "true",
  };
}

const keyed = (key: string) => ({ "Idempotency-Key": key });

await round<api.CartRequest>({
  put: async (key, cart) => {
    const result = await api.putCart(judge.putCartBody.parse(cart), keyed(key), options);
    const violations = result.status === 422 ? result.data.error.details.violations : undefined;
    return answer(result, judge.putCartResponse, (it) => it.data, violations);
  },
  preview: async (wish) =>
    answer(await api.previewCheckout(wish, {}, options), judge.previewCheckoutResponse, (it) => it.data),
  checkOut: async (key, wish) =>
    // A checkout's answer has the type of its group.
    answer(await api.checkOut(wish, keyed(key), options), judge.getCheckoutGroupResponse, (it) => it.data),
  group: async (id) =>
    answer(await api.getCheckoutGroup(id, {}, options), judge.getCheckoutGroupResponse, (it) => it.data),
  orders: async (limit, cursor) =>
    answer(
      await api.listOrders({ limit, cursor, perspective: api.OrderPerspective.buyer }, {}, options),
      judge.listOrdersResponse,
      (it) => ({ orders: it.data, next: it.page.next_cursor }),
    ),
  order: async (id) => answer(await api.getOrder(id, {}, options), judge.getOrderResponse, (it) => it.data),
});
