// Node's http server before a pool of undici, Node's fastest client, by hand. Arguments: port, upstream, CA file.
const fs = require("fs"), http = require("http");
const { Pool } = require("undici");

const [port, upstream, ca] = process.argv.slice(2);
const connect = ca ? { ca: fs.readFileSync(ca) } : {};
const pool = new Pool(upstream, { connections: Number(process.env.KEPT_CONNECTIONS), connect });
const dropped = new Set(["host", "connection", "keep-alive", "transfer-encoding", "upgrade", "expect"]);

http.createServer((request, response) => {
  const headers = {};
  for (const name in request.headers) if (!dropped.has(name)) headers[name] = request.headers[name];
  headers.authorization = process.env.CREDENTIAL;
  const hasBody = "content-length" in request.headers || "transfer-encoding" in request.headers;
  const path = request.url.replace(/^\/plain/, ""), method = request.method;
  pool.stream({ path, method, headers, body: hasBody ? request : null }, (answer) => {
    delete answer.headers.connection;
    delete answer.headers["keep-alive"];
    delete answer.headers["transfer-encoding"];
    response.writeHead(answer.statusCode, answer.headers);
    return response;
  }).catch(() => {
    if (response.headersSent) return response.destroy();
    response.statusCode = 502;
    response.end();
  });
}).listen(Number(port), "127.0.0.1");
