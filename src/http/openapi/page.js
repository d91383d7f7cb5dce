// Shows the document of the server that this page came from. No validator is asked about it: that
// would be a request to somebody else.
"use strict";

const FRESH_KEY = "a-fresh-one-for-each-request";
const LAST_CART = "/api/v1/cart";

// The cart that this page froze last: the example's is nobody's.
let cart = null;
let exampleCartId = null;

// crypto.randomUUID is there under https and on localhost only.
function freshKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function pathOf(url) {
  return new URL(url, location.href).pathname;
}

function beforeRequest(request) {
  const headers = request.headers || {};
  for (const name of Object.keys(headers)) {
    if (name.toLowerCase() === "idempotency-key" && headers[name] === FRESH_KEY) {
      headers[name] = freshKey();
    }
  }
  if (cart && typeof request.body === "string" && pathOf(request.url).startsWith("/api/v1/checkout")) {
    request.body = withLastCart(request.body);
  }
  return request;
}

// Whoever has typed a cart's id is left alone.
function withLastCart(text) {
  let body;
  try {
    body = JSON.parse(text);
  } catch {
    return text;
  }
  if (body?.cart_id !== exampleCartId) {
    return text;
  }
  body.cart_id = cart.id;
  if ("expected_version" in body) {
    body.expected_version = cart.version;
  }
  return JSON.stringify(body, null, 2);
}

function afterResponse(response) {
  const body = response.body || response.obj;
  if (response.ok && pathOf(response.url) === LAST_CART && body && body.data) {
    cart = body.data;
  }
  return response;
}

function followColours() {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const follow = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
  dark.addEventListener("change", follow);
  follow();
}

async function show() {
  const spec = await (await fetch("/openapi.json")).json();
  spec.components.parameters.IdempotencyKey.example = FRESH_KEY;
  const checkout = spec.paths["/api/v1/checkout"].post.requestBody;
  exampleCartId = checkout.content["application/json"].example.cart_id;
  SwaggerUIBundle({
    spec,
    dom_id: "#page",
    deepLinking: true,
    validatorUrl: null,
    persistAuthorization: false,
    tryItOutEnabled: true,
    displayRequestDuration: true,
    defaultModelsExpandDepth: 0,
    defaultModelExpandDepth: 3,
    docExpansion: "list",
    requestInterceptor: beforeRequest,
    responseInterceptor: afterResponse,
  });
}

followColours();
show();
