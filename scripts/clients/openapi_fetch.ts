// openapi-typescript with openapi-fetch.
import createClient from "openapi-fetch";
import type { components, paths } from "./generated/openapi-typescript.js";
import { type Answer, round, setting } from "./round.js";

type Schemas = components["schemas"];
type Errors =
  | Schemas["ErrorValidationError"]
  | Schemas["ErrorCartInvalid"]
  | Schemas["PutCartError409Answer"]["error"]
  | Schemas["CheckOutError409Answer"]["error"]
  | Schemas["Error503Answer"]["error"];

const client = createClient<paths>({
  baseUrl: setting("SPLITCART"),
  headers: { Authorization: `Bearer ${setting("TOKEN")}` },
});

interface Result<Body> {
  data?: Body;
  error?: { error: { code: string } };
  response: Response;
}

function answer<Body, Data>({ data, error, response }: Result<Body>, read: (body: Body) => Data): Answer<Data> {
  // The code of an error narrows the type of its details.
  const known = error?.error as Errors | undefined;
  return {
    status: response.status,
    data: data === undefined ? undefined : read(data),
    code: known?.code,
    violations: known?.code === "CART_INVALID" ? known.details.violations : undefined,
    replayed: response.headers.get("Idempotency-Replayed") === "true",
  };
}

const keyed = (key: string) => ({ header: { "Idempotency-Key": key } });

await round<Schemas["CartRequest"]>({
  put: async (key, body) =>
    answer(await client.PUT("/api/v1/cart", { params: keyed(key), body }), (it) => it.data),
  preview: async (body) => answer(await client.POST("/api/v1/checkout/preview", { body }), (it) => it.data),
  checkOut: async (key, body) =>
    answer(await client.POST("/api/v1/checkout", { params: keyed(key), body }), (it) => it.data),
  group: async (id) =>
    answer(await client.GET("/api/v1/checkout-groups/{id}", { params: { path: { id } } }), (it) => it.data),
  orders: async (limit, cursor) =>
    answer(
      await client.GET("/api/v1/orders", { params: { query: { limit, cursor, perspective: "buyer" } } }),
      (it) => ({ orders: it.data, next: it.page.next_cursor }),
    ),
  order: async (id) => answer(await client.GET("/api/v1/orders/{id}", { params: { path: { id } } }), (it) => it.data),
});
