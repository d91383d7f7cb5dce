// Two outputs of one document: functions that fetch, and schemas that judge what came back.
const input = "./openapi.json";
module.exports = {
  fetch: {
    input,
    output: {
      target: "generated/orval/fetch.ts",
      client: "fetch",
      mode: "single",
      baseUrl: process.env.SPLITCART,
      headers: true,
    },
  },
  zod: { input, output: { target: "generated/orval/zod.ts", client: "zod", mode: "single" } },
};
