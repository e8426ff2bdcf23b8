// Node with http-proxy, the usual module. Arguments: port, upstream, CA file.
const fs = require("fs"), http = require("http"), https = require("https");
const httpProxy = require("http-proxy");

const [port, upstream, ca] = process.argv.slice(2);
const kept = { keepAlive: true, maxFreeSockets: Number(process.env.KEPT_CONNECTIONS) };
const agent = ca ? new https.Agent({ ...kept, ca: fs.readFileSync(ca) }) : new http.Agent(kept);
const proxy = httpProxy.createProxyServer({ target: upstream, agent, changeOrigin: true, secure: true });

http.createServer((request, response) => {
  request.url = request.url.replace(/^\/plain/, "");
  request.headers.authorization = process.env.CREDENTIAL;
  proxy.web(request, response, {}, () => { response.statusCode = 502; response.end(); });
}).listen(Number(port), "127.0.0.1");
