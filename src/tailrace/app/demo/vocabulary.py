"""What the people and programs of demo-shop say. Every name and value is invented.

Templates are filled with `%`; their keys are the makers in `shop.Shop`. No template holds a quote,
a backslash or a control character, except stacks, which `shop` escapes.
"""

from __future__ import annotations

from typing import NamedTuple

EDGE = "edge"
DATABASE = "orders-db"
DOMAIN = "demo-shop.example.com"
HOSTS_PER_SERVICE = 4


class Template(NamedTuple):
    """One kind of message: its severity, text and attributes (the inside of a JSON object)."""

    severity: str
    text: str
    attributes: str


class Voice(NamedTuple):
    """One service, how often it speaks, and what it says."""

    service: str
    share: int
    templates: tuple[Template, ...]


def _one(severity: str, logger: str, text: str, attributes: str = "") -> Template:
    more = f",{attributes}" if attributes else ""
    common = f'"logger":"{logger}","request.id":"%(request)s"'
    return Template(severity, text, common + more)


_DURATION = '"duration_ms":"%(ms)s"'
_USER = '"user.id":"%(user)s"'

VOICES: tuple[Voice, ...] = (
    Voice(
        "storefront",
        9,
        (
            _one("INFO", "shop.render", "rendered %(path)s in %(ms)s ms", _DURATION),
            _one("INFO", "shop.session", "session %(session)s resumed for user %(user)s", _USER),
            _one("DEBUG", "shop.cache", "cache hit for fragment %(path)s", '"cache.key":"%(key)s"'),
            _one("WARN", "shop.render", "template fallback for %(path)s after %(ms)s ms"),
        ),
    ),
    Voice(
        "catalog",
        8,
        (
            _one("INFO", "catalog.read", "loaded product %(sku)s from replica", _DURATION),
            _one("INFO", "catalog.price", "price of %(sku)s is %(amount)s EUR", '"sku":"%(sku)s"'),
            _one("DEBUG", "catalog.read", "read %(count)s variants of %(sku)s in %(ms)s ms"),
        ),
    ),
    Voice(
        "search",
        7,
        (
            _one("INFO", "search.query", "query took %(ms)s ms, %(count)s hits", _DURATION),
            _one("DEBUG", "search.rank", "reranked %(count)s hits with model v%(thread)s"),
            _one("WARN", "search.query", "slow shard %(thread)s answered after %(ms)s ms"),
        ),
    ),
    Voice(
        "cart",
        7,
        (
            _one("INFO", "cart.items", "added %(sku)s to cart %(session)s", _USER),
            _one("INFO", "cart.items", "cart %(session)s holds %(count)s items", _USER),
            _one("DEBUG", "cart.lock", "lock on cart %(session)s taken in %(ms)s ms"),
        ),
    ),
    Voice(
        "checkout",
        8,
        (
            _one(
                "INFO",
                "checkout.orders",
                "order %(order)s placed by %(user)s, %(count)s items, total %(amount)s EUR",
                _USER,
            ),
            _one("INFO", "checkout.flow", "step address done for order %(order)s", _DURATION),
            _one("WARN", "checkout.flow", "order %(order)s abandoned after %(ms)s ms", _USER),
        ),
    ),
    Voice(
        "payments",
        6,
        (
            _one(
                "INFO",
                "payments.charge",
                "authorised %(amount)s EUR for order %(order)s",
                _DURATION,
            ),
            _one("INFO", "payments.charge", "captured %(amount)s EUR for order %(order)s"),
            _one("WARN", "payments.retry", "gateway busy, retry %(thread)s for order %(order)s"),
        ),
    ),
    Voice(
        "inventory",
        6,
        (
            _one("INFO", "inventory.stock", "reserved %(count)s of %(sku)s", '"sku":"%(sku)s"'),
            _one("DEBUG", "inventory.stock", "stock of %(sku)s is now %(count)s"),
            _one("WARN", "inventory.stock", "only %(thread)s of %(sku)s left", '"sku":"%(sku)s"'),
        ),
    ),
    Voice(
        "shipping",
        5,
        (
            _one("INFO", "shipping.label", "label %(order)s printed", '"parcels":"%(thread)s"'),
            _one("INFO", "shipping.quote", "quoted %(amount)s EUR for %(count)s g", _DURATION),
        ),
    ),
)

ERRORS: tuple[Template, ...] = tuple(
    _one("ERROR", logger, text + stack, _DURATION)
    for logger, text, stack in (
        (
            "payments.charge",
            "charge failed for order %(order)s: connection reset after %(ms)s ms",
            '\nTraceback (most recent call last):\n  File "/srv/shop/charge.py", line %(count)s, '
            "in charge\n    answer = bank.authorise(order)\nConnectionResetError: reset by peer",
        ),
        (
            "checkout.orders",
            "order %(order)s not placed: stock of %(sku)s changed",
            '\nTraceback (most recent call last):\n  File "/srv/shop/orders.py", line %(count)s, '
            "in place\n    stock.reserve(lines)\nshop.errors.StockChanged: %(sku)s",
        ),
        (
            "catalog.read",
            "product %(sku)s not read: deadline of %(ms)s ms exceeded",
            "\n\tat shop.catalog.Reader.read(Reader.java:%(count)s)\n"
            "\tat shop.catalog.Service.get(Service.java:88)\nCaused by: shop.DeadlineExceeded",
        ),
    )
)

QUERIES: tuple[str, ...] = (
    "SELECT id, total FROM orders WHERE customer = %(number)s ORDER BY placed DESC LIMIT 20",
    "SELECT sku, count(*) FROM order_lines WHERE placed > now() - interval 7 day GROUP BY sku",
    "UPDATE stock SET reserved = reserved + %(thread)s WHERE sku = %(number)s",
    "SELECT o.id FROM orders o JOIN parcels p ON p.order_id = o.id WHERE p.state = %(thread)s",
)

SERVICES: tuple[str, ...] = (EDGE, *(voice.service for voice in VOICES), DATABASE)

METHODS: tuple[str, ...] = ("GET",) * 8 + ("POST",) * 2
STATUSES: tuple[int, ...] = (200,) * 80 + (304,) * 8 + (302,) * 4 + (404,) * 5 + (429,) + (500, 503)
PATHS: tuple[str, ...] = (
    "/",
    "/products/%(number)s",
    "/products/%(number)s?ref=home",
    "/search?q=%(word)s&page=%(thread)s",
    "/cart",
    "/cart/items/%(number)s",
    "/checkout/address",
    "/api/v2/stock/%(number)s",
    "/static/app.%(key)s.js",
)
WORDS: tuple[str, ...] = ("kettle", "lamp", "teapot", "rug", "shelf", "mug", "stool", "vase")
AGENTS: tuple[str, ...] = (
    "Mozilla/5.0 (X11; Linux x86_64) DemoBrowser/12.1",
    "Mozilla/5.0 (Macintosh) DemoBrowser/12.0",
    "Mozilla/5.0 (Linux; Android 16) DemoBrowser/11.8 Mobile",
    "demo-shop-app/4.2 (phone)",
    "demo-shop-probe/1.0",
)
# Networks that RFC 5737 sets aside for documentation.
NETWORKS: tuple[str, ...] = ("192.0.2", "198.51.100", "203.0.113")
