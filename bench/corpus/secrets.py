"""Passwords and secrets as they are said: in commands, headers, addresses and settings."""

from __future__ import annotations

import base64

from bench.corpus.chance import Chance
from bench.corpus.folding import compact
from bench.corpus.names import FIRST
from bench.corpus.sample import Fragment, Value
from bench.corpus.tokens import opaque, password, secret

_SAID = (
    "login failed: password={} user=joe",
    "password: {}",
    "pwd: {}",
    "passwd={}, host=db-01",
    "connecting with user=app password={} dbname=shop",
    "mysqldump --password {} shop",
    "running: restic --password={} backup /var",
    "set DB_PASSWORD={} in the environment",
    "Server=db-01;Database=shop;Uid=app;Pwd={};",
    'params: {"login"=>"joe", "password"=>"{}"}',
    "data={'user': 'joe', 'password': '{}'}",
    "Login{user=joe, password={}}",
    "<user>joe</user><password>{}</password>",
    "POST /login?user=joe&password={}&next=%2F",
    "config loaded: smtp.password = {}",
    'passphrase: "{}" is wrong',
    '{"user":"joe","password":"{}"}',
)
_KEYED = (
    "api_key={} rejected",
    "GET /v1/rates?api_key={}&base=EUR",
    "client_secret={}&grant_type=client_credentials",
    "Authorization: Bearer {}",
    'authorization="Bearer {}"',
    "X-Api-Key: {}",
    "access_token={}",
    "refresh_token: {}",
    "aws_secret_access_key = {}",
    "secret_key='{}'",
    'auth_token="{}" expired',
    "-H 'Authorization: Bearer {}'",
    "headers={'Authorization': 'Bearer {}'}",
)
_ADDRESSES = (
    "cloning https://joe:{}@git.example.com/shop.git",
    "postgres://app:{}@db-01:5432/shop?sslmode=require",
    "DATABASE_URL=mysql://app:{}@db-01/shop",
    "redis://:{}@cache-01:6379/0",
    "broker amqp://app:{}@mq-01:5672// unreachable",
    "mongodb+srv://app:{}@cluster0.example.net/shop",
    "proxy http://proxy:{}@edge-01:3128 refused",
)


def spoken(chance: Chance) -> Fragment:
    """A whole message that gives a secret away."""
    point = chance.random()
    if point < 0.5:
        return secret(password(chance)).fragment("contextual").into(chance.pick(_SAID))
    if point < 0.75:
        return secret(opaque(chance)).fragment("contextual").into(chance.pick(_KEYED))
    if point < 0.93:
        found = secret(password(chance, "!*._-")).fragment("contextual")
        return found.into(chance.pick(_ADDRESSES))
    return _basic(chance)


def kept(chance: Chance) -> Fragment:
    """What stands under a key: a password, at times with marks that end lesser patterns."""
    if chance.odds(0.35):
        return secret(opaque(chance)).fragment("contextual")
    return secret(password(chance)).fragment("contextual")


def quoted(chance: Chance) -> Fragment:
    """A password that only quotes keep together: blanks, commas, quotes, backslashes."""
    marks = chance.pick((" ", ",", "; ", '"', "\\", "&", "}", "'", "=", "@", ": "))
    return secret(f"{password(chance, '')}{marks}{password(chance, '')}").fragment("contextual")


def _basic(chance: Chance) -> Fragment:
    pair = f"{chance.pick(FIRST).lower()}:{password(chance)}"
    text = base64.b64encode(pair.encode()).decode()
    whole = Value("secret", text, compact(text), (compact(text)[-10:],))
    templates = (
        "Authorization: Basic {}",
        "authorization: basic {}",
        "-H 'Authorization: Basic {}'",
    )
    return whole.fragment("contextual").into(chance.pick(templates))
