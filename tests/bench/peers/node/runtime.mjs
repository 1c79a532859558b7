// The Runtime API for one handler. AWS's own client for Node needs a compiler where it is installed; this does less than it
// does, which is to the peer's advantage. Not part of the artifact: Lambda's runtime brings its own.
import http from "node:http";

const [host, port] = process.env.AWS_LAMBDA_RUNTIME_API.split(":");
const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });

const ask = (method, path, body) => new Promise((resolve, reject) => {
  const headers = body === undefined ? {} : { "Content-Length": Buffer.byteLength(body), "Content-Type": "application/json" };
  const request = http.request({ host, port, method, path: `/2018-06-01/runtime/${path}`, agent, headers }, (response) => {
    const chunks = [];
    response.on("data", (chunk) => chunks.push(chunk));
    response.on("error", reject);
    response.on("end", () => {
      if (response.statusCode >= 300) reject(new Error(`${method} ${path}: ${response.statusCode}`));
      else resolve({ headers: response.headers, body: Buffer.concat(chunks).toString() });
    });
  });
  request.on("error", reject);
  request.end(body);
});

const failure = (error) => JSON.stringify({ errorType: error.name, errorMessage: error.message, stackTrace: (error.stack ?? "").split("\n") });

let handler;
try {
  ({ handler } = await import("./handler.cjs"));
} catch (error) {
  await ask("POST", "init/error", failure(error));
  throw error;
}
for (;;) {
  const { headers, body } = await ask("GET", "invocation/next");
  const invocation = `invocation/${headers["lambda-runtime-aws-request-id"]}`;
  let answer;
  try {
    answer = await handler(JSON.parse(body));
  } catch (error) {
    console.error(error);
    await ask("POST", `${invocation}/error`, failure(error));
    continue;
  }
  await ask("POST", `${invocation}/response`, JSON.stringify(answer ?? null));
}
