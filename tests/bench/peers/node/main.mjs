// Lambda's runtime API in a few lines. AWS's own client (aws-lambda-ric) does more, and has to be compiled with CMake: the
// real runtime is slower than this.

import http from "node:http";

import { handler } from "./handler.mjs";

const [host, port] = process.env.AWS_LAMBDA_RUNTIME_API.split(":");
const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });

function call(method, path, body) {
  return new Promise((resolve, reject) => {
    const options = { agent, host, port, method, path: `/2018-06-01/runtime/invocation/${path}` };
    const request = http.request(options, (response) => {
      const chunks = [];
      response.on("data", (chunk) => chunks.push(chunk));
      response.on("end", () => resolve({ headers: response.headers, body: Buffer.concat(chunks).toString() }));
    });
    request.on("error", reject);
    request.end(body);
  });
}

async function run() {
  for (;;) {
    const { headers, body } = await call("GET", "next");
    const response = await handler(JSON.parse(body));
    await call("POST", `${headers["lambda-runtime-aws-request-id"]}/response`, JSON.stringify(response));
  }
}

run();
