// oauth2-mock-server: issues tokens to anybody, and answers wrongly on request.
//
// `spoil` takes the faults of the next answers of the token endpoint: a status, a body in place of the grant, fields, members of the
// grant to be other ones or to be missing.

import { randomUUID } from "node:crypto";
import { createServer } from "node:http";
import { OAuth2Server } from "oauth2-mock-server";
import { date, serve, tell } from "./session.mjs";

const faults = [];
const oauth = new OAuth2Server();
await oauth.issuer.keys.generate("RS256");
oauth.issuer.url = "http://127.0.0.1";

oauth.service.on("beforeResponse", (answer, request) => {
  const fault = faults.shift() ?? {};
  for (const [name, value] of Object.entries(fault.fields ?? {})) request.res.setHeader(name, value);
  answer.statusCode = fault.status ?? answer.statusCode;
  if ("body" in fault) answer.body = fault.body;
  if ("members" in fault) answer.body = { ...answer.body, ...fault.members };
  for (const name of fault.without ?? []) delete answer.body[name];
  tell({ where: "/token", asked: request.body, status: answer.statusCode, answered: answer.body });
});

serve(createServer((request, response) => {
  request.res = response;
  date(response);
  oauth.service.requestHandler(request, response);
}), {
  spoil: (more) => { faults.push(...more); },
  // It takes any refresh token.
  consent: () => randomUUID(),
});
