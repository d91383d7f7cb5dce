// @hey-api/openapi-ts with its fetch client.
import { client } from "./generated/hey-api/client.gen.js";
import * as api from "./generated/hey-api/sdk.gen.js";
import type { CartRequest } from "./generated/hey-api/types.gen.js";
import { type Answer, type Violation, round, setting } from "./round.js";

client.setConfig({ baseUrl: setting("SPLITCART"), auth: setting("TOKEN") });

interface Result<Body> {
  data?: Body | undefined;
  error?: { error: { code: string } } | undefined;
  response?: Response | undefined;
}

function answer<Body, Data>(
  { data, error, response }: Result<Body>,
  read: (body: Body) => Data,
  violations?: Violation[],
): Answer<Data> {
  return {
    status: response?.status ?? 0,
    data: data === undefined ? undefined : read(data),
    code: error?.error.code,
    violations,
    replayed: response?.headers.get("Idempotency-Replayed") === "true",
  };
}

const keyed = (key: string) => ({ "Idempotency-Key": key });

await round<CartRequest>({
  put: async (key, body) => {
    const result = await api.putCart({ headers: keyed(key), body });
    // The code of an error narrows the type of its details.
    const error = result.error?.error;
    const violations = error?.code === "CART_INVALID" ? error.details.violations : undefined;
    return answer(result, (it) => it.data, violations);
  },
  preview: async (body) => answer(await api.previewCheckout({ body }), (it) => it.data),
  checkOut: async (key, body) => answer(await api.checkOut({ headers: keyed(key), body }), (it) => it.data),
  group: async (id) => answer(await api.getCheckoutGroup({ path: { id } }), (it) => it.data),
  orders: async (limit, cursor) =>
    answer(await api.listOrders({ query: { limit, cursor, perspective: "buyer" } }), (it) => ({
      orders: it.data,
      next: it.page.next_cursor,
    })),
  order: async (id) => answer(await api.getOrder({ path: { id } }), (it) => it.data),
});
