// A certified OAuth 2.0 server, as strict as they come, and beside it an API that takes its tokens.
//
// settings: `clients` as they are registered, `lifetimes` by kind of token, `resources` with the scopes of each.
// What is below /api/ is the API; a request to either is written into the journal with its outcome.

import { generateKeyPairSync } from "node:crypto";
import { createServer } from "node:http";
import { Provider, errors } from "oidc-provider";
import { date, serve, settings, tell } from "./session.mjs";

const ACCOUNT = "somebody";
const DAY = 86400;

function resourceServer(ctx, resource) {
  const scope = settings.resources?.[resource];
  if (scope === undefined) throw new errors.InvalidTarget();
  return { scope, audience: resource, accessTokenFormat: "opaque" };
}

const configuration = {
  clients: settings.clients,
  clientDefaults: {
    grant_types: ["client_credentials", "refresh_token"],
    redirect_uris: [],
    response_types: [],
    id_token_signed_response_alg: "ES256",
    scope: "openid offline_access read write:all",
  },
  jwks: { keys: [generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey.export({ format: "jwk" })] },
  cookies: { keys: ["unused"] },
  scopes: ["openid", "offline_access", "read", "write:all"],
  ttl: { AccessToken: 60, ClientCredentials: 60, RefreshToken: DAY, Grant: DAY, ...settings.lifetimes },
  rotateRefreshToken: true,
  findAccount: (ctx, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
  enabledJWA: { clientAuthSigningAlgValues: ["RS256", "ES256"] },
  clientAuthMethods: ["client_secret_basic", "client_secret_post", "private_key_jwt", "none"],
  features: {
    devInteractions: { enabled: false },
    clientCredentials: { enabled: true },
    revocation: { enabled: true, allowedPolicy: () => true },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => settings.defaultResource,
      getResourceServerInfo: resourceServer,
    },
  },
};

const provider = new Provider(settings.issuer ?? "http://127.0.0.1", configuration);
provider.use(async (ctx, next) => {
  await next();
  const { grant_type, scope, resource, refresh_token } = ctx.oidc?.params ?? {};
  const asked = { grant_type, scope, resource, refresh_token };
  tell({ where: ctx.path, asked, status: ctx.status, error: ctx.body?.error, answered: ctx.body });
});
const answerOAuth = provider.callback();

async function answerApi(request, response) {
  const pieces = [];
  for await (const piece of request) pieces.push(piece);
  const value = (request.headers.authorization ?? "").replace(/^Bearer /, "");
  const kinds = [provider.AccessToken, provider.ClientCredentials];
  const found = (await Promise.all(kinds.map((kind) => kind.find(value)))).find((token) => token?.isValid);
  const status = found ? 200 : 401;
  tell({ where: request.url, method: request.method, body: Buffer.concat(pieces).toString(), status });
  response.writeHead(status, { "Content-Type": "application/json" });
  response.end(JSON.stringify({ scope: found?.scope, audience: found?.aud, client: found?.clientId }));
}

/** A refresh token as the authorization code flow would have left it with the client. */
async function consent({ client: id, scope, resource }) {
  const client = await provider.Client.find(id);
  const grant = new provider.Grant({ accountId: ACCOUNT, clientId: id });
  grant.addOIDCScope("openid offline_access");
  if (resource) grant.addResourceScope(resource, scope);
  const grantId = await grant.save();
  const token = new provider.RefreshToken({
    accountId: ACCOUNT, client, grantId, gty: "authorization_code", scope: `offline_access ${scope}`, resource,
  });
  return token.save();
}

serve(createServer((request, response) => {
  date(response);
  if (request.url.startsWith("/api/")) answerApi(request, response);
  else answerOAuth(request, response);
}), { consent });
