"""`--compare`: a credential that somebody else made for the same request, beside authproxy's."""

from __future__ import annotations

from collections.abc import Sequence

from proxy.assembly import Assembly
from proxy.clock import Clock
from proxy.explain.explanation import Prepared
from proxy.explain.fixed import compare_fixed
from proxy.explain.presented import presented
from proxy.explain.signature import compare_signature
from proxy.explain.token import compare_token
from proxy.explain.verdict import Verdict
from proxy.gateway.headers import RawHeaders
from proxy.schemes.hmac_signature import HmacSignature
from proxy.schemes.jwt import Jwt


async def comparison(
    assembly: Assembly, way: Prepared, asked: str, headers: RawHeaders, items: Sequence[str], clock: Clock
) -> Verdict:
    """Judge what `items` say. `asked` and `headers` are the request at the proxy. No network."""
    scheme = way.route.provider.scheme
    said = presented(items, asked, headers)
    if isinstance(scheme, HmacSignature):
        listen = assembly.settings.server.listen
        names = dict.fromkeys([listen.replace("127.0.0.1", "localhost"), listen])
        return compare_signature(scheme, way, asked, said, tuple(f"http://{name}" for name in names), clock.wall())
    if isinstance(scheme, Jwt) and said.tokens:
        return compare_token(scheme, said.tokens[0], clock)
    if scheme.credential is None:
        return compare_fixed(await scheme.authorize(way.request), said)
    if said.tokens:
        return compare_token(None, said.tokens[0], clock)
    return Verdict("unknown", ("nothing is signed here: the token comes from a login, and only the vendor knows it",))
