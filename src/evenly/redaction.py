"""Replace passwords, tokens and signatures in URLs, and in text that quotes them.

Whatever evenly shows, logs or saves as the name of a source has passed through `redact_url`, and
the messages of all its errors through `redact`. Only secrets are replaced, so that two files that
are told apart by other parameters (``?versionId=``, ``?id=``) keep two names; and all secrets are
replaced by the same mark, so that one file signed twice keeps one name.

Both functions take time linear in the length of the text: each pattern fails or matches at a place
after looking at characters that no other match will look at again.
"""

import hashlib
import re
from collections.abc import Callable, Iterator
from urllib.parse import quote, quote_plus, unquote, unquote_plus

from evenly.secret_names import is_ambiguous, is_header, is_secret, plain, signing

MASK = "…"

_ENCODED = r"%(?:25)*"  # the percent sign of an escape, itself escaped any number of times
_NAME = r"[\w.%+\-\[\]]"
_BREAK = re.compile(rf"([?&#]|;(?={_NAME}*=))")
_PAIR = re.compile(
    rf"(?<!{_NAME})({_NAME}+?)"
    rf"([\"']?\s*(?:=|:|{_ENCODED}3D)\s*[\"']?)",
    re.IGNORECASE,
)
_PLAIN_VALUE = re.compile(
    r"[^\s&#'\"<>;:]*(?:(?:;(?!" + _NAME + r"*=)|:(?!:))[^\s&#'\"<>;:]*)*", re.IGNORECASE
)
_ENCODED_VALUE = re.compile(r"(?:[^\s&#'\"<>%]|%(?!(?:25)*(?:20|22|23|26|27|3B)))*", re.IGNORECASE)
_QUOTED_VALUE = {mark: re.compile(f"[^{mark}]*") for mark in "\"'"}
_HEADER_VALUE = re.compile(r"[^'\",;\n]*")
_OPAQUE = re.compile(r"(?=[^&]*[0-9])(?=[^&]*[A-Za-z])[\w+/=%\-]{20,}")

_URL = re.compile(r"(://)")
_QUOTED_URL = re.compile(r"(:/+)")  # a path made of a URL has one slash
_SCHEME = re.compile(r"[A-Za-z][\w+.\-]*$")
_AUTHORITY = re.compile(r"[^/?#]*")
_QUOTED_AUTHORITY = re.compile(r"[^/?#\s'\"<>]*")
_REST = re.compile(r"[^\s'\"<>]*")
_ENCODED_USER = re.compile(
    rf"({_ENCODED}3A{_ENCODED}2F{_ENCODED}2F[\w.~+\-]*{_ENCODED}3A)"
    rf"(?:[^\s&#'\"<>%]|%(?!(?:25)*(?:2F|3F|23|26|40)))+(?={_ENCODED}40)",
    re.IGNORECASE,
)

_NO_USERS = frozenset(("file", "git", "github", "libarchive", "local", "tar", "zip"))
"""Schemes whose URLs have no user: what stands before ``@`` says which file is meant, such as
``github://organization:repository@reference/``."""
_TOKEN_USERS = frozenset(("http", "https"))
"""Schemes where a user without a password is a token: ``https://TOKEN@host/``."""
_WITH_PORTS = frozenset(("ftp", "ftps", "http", "https", "postgres", "postgresql", "sftp", "ssh"))
"""Schemes where a colon before the path is followed by a port, or belongs to a password."""
_NO_PASSWORDS = ("", "x-oauth-basic")
"""Passwords that say that the user is the secret."""

_SHORTEST = 4
"""Characters of a secret that is replaced within words; a shorter one is replaced as a word."""
_MOST = 32
"""Secrets of one URL that are looked for in a text, so that the time stays linear."""

Hide = Callable[[str], str]


def redact_url(url: str) -> str:
    """Return a URL, or a chain of them, without its secrets; any other path as it is.

    >>> redact_url("postgresql://me:secret@host/db?table=t")
    'postgresql://me:…@host/db?table=t'
    >>> redact_url("zip://*.csv::https://host/x.zip?versionId=7&X-Amz-Signature=0f3c")
    'zip://*.csv::https://host/x.zip?versionId=7&X-Amz-Signature=…'
    """
    return _redact_url(url, _masked) if "://" in url else url


def redact(text: str, *urls: str) -> str:
    """Return text without the secrets in it.

    Parameters
    ----------
    text
        An error's message, for example.
    urls
        What the text may quote, in whole or in part. Their secrets are replaced wherever they
        stand in the text, percent-encoded or not.

    >>> redact("403, url='https://host/x.csv?sig=0f3c'")
    "403, url='https://host/x.csv?sig=…'"
    >>> redact('invalid port number: "pa55"', "postgresql://me:pa55/word@host/db")
    'invalid port number: "…"'
    """
    for url in filter(_is_url, urls):
        text = text.replace(url, redact_url(url))
        for secret in _secrets(url):
            text = _without(text, secret)
    return _redact_pairs(_redact_users(text, _masked, whole=False))


def _is_url(text: str) -> bool:
    return "://" in text


def _masked(secret: str) -> str:
    return MASK


def _redact_url(url: str, hide: Hide) -> str:
    users = _redact_users(url, hide, whole=True)
    return _redact_pairs("::".join(_redact_link(link, hide) for link in users.split("::")))


def _secrets(url: str) -> list[str]:
    """Return the secrets of a URL in all the forms in which a text may quote them."""
    found: dict[str, None] = {}

    def collect(secret: str) -> str:
        if len(found) < _MOST:
            found[secret] = None
        return MASK

    _redact_url(url, collect)
    forms = {form for secret in found for form in _forms(secret)}
    return sorted(forms, key=len, reverse=True)


def _forms(secret: str) -> Iterator[str]:
    decoded = unquote(secret)
    yield from filter(None, (secret, decoded, unquote_plus(secret)))
    yield from filter(None, (quote(decoded, safe=""), quote_plus(decoded)))
    parts = re.split(r"[/?#@:&\s]", decoded)  # where other parsers see an end of the password
    yield from (part for part in parts if len(part) > 1)


def _without(text: str, secret: str) -> str:
    if secret not in text or secret == MASK:
        return text
    if len(secret) >= _SHORTEST:
        return text.replace(secret, MASK)
    return re.sub(rf"(?<!\w){re.escape(secret)}(?!\w)", MASK, text)


# User info


def _redact_users(text: str, hide: Hide, *, whole: bool) -> str:
    """Return text with the user info of each URL in it masked.

    Parameters
    ----------
    whole
        Whether the text is a URL, in whose password anything may stand. In other text a URL ends
        at a space or a quote.
    """
    pieces = (_URL if whole else _QUOTED_URL).split(text)
    for index in range(2, len(pieces), 2):
        scheme = _SCHEME.search(pieces[index - 2][-40:])
        name = scheme[0].lower() if scheme else ""
        if name not in _NO_USERS:
            pieces[index] = _redact_user(pieces[index], name, hide, whole)
    return "".join(pieces)


def _redact_user(rest: str, scheme: str, hide: Hide, whole: bool) -> str:
    """Return what follows a scheme and ``://``, with its user info masked."""
    authority = (_AUTHORITY if whole else _QUOTED_AUTHORITY).match(rest)[0]  # type: ignore[index]
    user, found, _ = authority.rpartition("@")
    if not found and scheme in _WITH_PORTS and _is_no_port(authority):
        # A slash or a question mark stands in the password as it is.
        quoted = rest if whole else _REST.match(rest)[0]  # type: ignore[index]
        user, found, _ = quoted.partition("::")[0].rpartition("@")
    return _hidden_user(user, scheme, hide) + rest[len(user) :] if found else rest


def _is_no_port(authority: str) -> bool:
    """Whether what follows the colon of an authority cannot be a port."""
    host, colon, port = authority.partition(":")
    return bool(colon) and not host.startswith("[") and port != "" and not port.isdecimal()


def _hidden_user(user: str, scheme: str, hide: Hide) -> str:
    name, _, password = user.partition(":")
    if password not in _NO_PASSWORDS:
        return f"{name}:{hide(password) if password != MASK else MASK}"
    if scheme in _TOKEN_USERS and name:
        return hide(name) if name != MASK else MASK
    return user


# Parameters


def _redact_link(link: str, hide: Hide) -> str:
    """Return a URL with the values of its secret parameters masked; a value ends at ``&``."""
    if "=" not in link:
        return link
    pieces = _BREAK.split(link)
    names = [plain(piece.partition("=")[0]) for piece in pieces[2::2]]
    hidden = signing(names)
    in_path = True
    for index, name in zip(range(2, len(pieces), 2), names, strict=True):
        in_path = in_path and pieces[index - 1] not in "?#"
        key, equals, value = pieces[index].partition("=")
        value, slash, path = value.partition("/") if in_path else (value, "", "")
        if is_secret(name) and value not in ("", MASK):
            value = hide(value)
        elif name in hidden:
            value = MASK
        else:
            value = _mark(name, value)
        pieces[index] = f"{key}{equals}{value}{slash}{path}"
    return "".join(pieces)


def _redact_pairs(text: str) -> str:
    """Return text with the values of ``password=...`` masked, and users of URLs in parameters."""
    text = _ENCODED_USER.sub(rf"\1{MASK}", text)
    parts: list[str] = []
    done = position = 0
    while (pair := _PAIR.search(text, position)) is not None:
        position = pair.end()
        key = plain(pair[1])
        pattern = _value_pattern(key, pair[2])
        if pattern is None or text.startswith(MASK, position):
            continue
        value = pattern.match(text, position)[0]  # type: ignore[index]
        mark = MASK if is_header(key) else _mark(key, value)
        parts += text[done:position], mark
        done = position = position + len(value)
    return "".join(parts) + text[done:]


def _value_pattern(key: str, sign: str) -> re.Pattern[str] | None:
    """Return the pattern of the value after a name and a sign; None when it is no secret."""
    if ":" in sign and not sign.startswith(("'", '"')):
        return _HEADER_VALUE if is_header(key) else None
    if not (is_secret(key) or is_ambiguous(key)):
        return None
    if sign[-1] in _QUOTED_VALUE:
        return _QUOTED_VALUE[sign[-1]]
    return _ENCODED_VALUE if "%" in sign else _PLAIN_VALUE


def _mark(key: str, value: str) -> str:
    """Return what stands for the value of a parameter: the value itself where it is no secret."""
    if is_ambiguous(key) and _OPAQUE.fullmatch(value):
        digest = hashlib.sha256(value.encode("utf-8", "surrogatepass")).hexdigest()
        return MASK + digest[:8]  # it may as well tell two files apart
    return MASK if value and is_secret(key) else value
