"""Redact passwords, tokens and signatures in URLs and in text that quotes URLs.

Every source name that evenly prints, logs or saves passes through `redact_url`, and every error
message through `redact`. Only secrets are replaced, so that files that differ in other parameters
(``?versionId=``, ``?id=``) keep different names. All secrets are replaced with the same mark, so
that a file signed twice keeps the same name.

Both functions take time linear in the length of the text: no two matches of a pattern, and no
failed match, examine the same characters.
"""

import hashlib
import re
from collections.abc import Callable, Iterator
from urllib.parse import quote, quote_plus, unquote, unquote_plus

from evenly.secret_names import is_ambiguous, is_header, is_secret, plain, signing

MASK = "…"

_ENCODED = r"%(?:25)*"  # the percent sign of an escape, escaped any number of times
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
_QUOTED_URL = re.compile(r"(:/+)")  # a path derived from a URL has one slash
_SCHEME = re.compile(r"[A-Za-z][\w+.\-]*$")
_AUTHORITY = re.compile(r"[^/?#]*")
_QUOTED_AUTHORITY = re.compile(r"[^/?#\s'\"<>]*")
_URL_TAIL = re.compile(r"[^\s'\"<>]*")
_ENCODED_USER = re.compile(
    rf"({_ENCODED}3A{_ENCODED}2F{_ENCODED}2F[\w.~+\-]*{_ENCODED}3A)"
    rf"(?:[^\s&#'\"<>%]|%(?!(?:25)*(?:2F|3F|23|26|40)))+(?={_ENCODED}40)",
    re.IGNORECASE,
)

_NO_USERS = frozenset(("file", "git", "github", "libarchive", "local", "tar", "zip"))
"""Schemes whose URLs have no user: text before ``@`` identifies the file, as in
``github://organization:repository@reference/``."""
_TOKEN_USERS = frozenset(("http", "https"))
"""Schemes in which a user without a password is a token: ``https://TOKEN@host/``."""
_WITH_PORTS = frozenset(("ftp", "ftps", "http", "https", "postgres", "postgresql", "sftp", "ssh"))
"""Schemes in which a colon before the path precedes a port or belongs to a password."""
_NO_PASSWORDS = ("", "x-oauth-basic")
"""Passwords that indicate that the user is the secret."""

_MIN_LENGTH_IN_WORDS = 4
"""Minimum length of a secret that is replaced inside words; a shorter one must be a word."""
_MAX_SECRETS = 32
"""Maximum number of secrets of a URL to search for in text, so that the time stays linear."""

Hide = Callable[[str], str]


def redact_url(url: str) -> str:
    """Return a URL or a chain of URLs without secrets; return other paths unchanged.

    >>> redact_url("postgresql://me:secret@host/db?table=t")
    'postgresql://me:…@host/db?table=t'
    >>> redact_url("zip://*.csv::https://host/x.zip?versionId=7&X-Amz-Signature=0f3c")
    'zip://*.csv::https://host/x.zip?versionId=7&X-Amz-Signature=…'
    """
    return _redact_url(url, _mask) if "://" in url else url


def redact(text: str, *urls: str) -> str:
    """Return text without secrets.

    Parameters
    ----------
    text
        Text such as an error message.
    urls
        URLs that the text may quote, in whole or in part. Their secrets are replaced everywhere
        in the text, percent-encoded or not.

    >>> redact("403, url='https://host/x.csv?sig=0f3c'")
    "403, url='https://host/x.csv?sig=…'"
    >>> redact('invalid port number: "pa55"', "postgresql://me:pa55/word@host/db")
    'invalid port number: "…"'
    """
    for url in filter(_is_url, urls):
        text = text.replace(url, redact_url(url))
        for secret in _secrets(url):
            text = _replace_secret(text, secret)
    return _redact_pairs(_redact_users(text, _mask, is_url=False))


def _is_url(text: str) -> bool:
    return "://" in text


def _mask(secret: str) -> str:
    return MASK


def _redact_url(url: str, hide: Hide) -> str:
    without_users = _redact_users(url, hide, is_url=True)
    links = without_users.split("::")
    return _redact_pairs("::".join(_redact_parameters(link, hide) for link in links))


def _secrets(url: str) -> list[str]:
    """Return the secrets of a URL in all forms in which text may quote them."""
    secrets: dict[str, None] = {}

    def collect(secret: str) -> str:
        if len(secrets) < _MAX_SECRETS:
            secrets[secret] = None
        return MASK

    _redact_url(url, collect)
    forms = {form for secret in secrets for form in _quoted_forms(secret)}
    return sorted(forms, key=len, reverse=True)


def _quoted_forms(secret: str) -> Iterator[str]:
    decoded = unquote(secret)
    yield from filter(None, (secret, decoded, unquote_plus(secret)))
    yield from filter(None, (quote(decoded, safe=""), quote_plus(decoded)))
    parts = re.split(r"[/?#@:&\s]", decoded)  # other parsers may end the password here
    yield from (part for part in parts if len(part) > 1)


def _replace_secret(text: str, secret: str) -> str:
    if secret not in text or secret == MASK:
        return text
    if len(secret) >= _MIN_LENGTH_IN_WORDS:
        return text.replace(secret, MASK)
    return re.sub(rf"(?<!\w){re.escape(secret)}(?!\w)", MASK, text)


# User info


def _redact_users(text: str, hide: Hide, *, is_url: bool) -> str:
    """Return text with the user info of each URL masked.

    Parameters
    ----------
    is_url
        Whether the text is a URL, whose password may contain any character. In other text a URL
        ends at a space or a quote.
    """
    pieces = (_URL if is_url else _QUOTED_URL).split(text)
    for index in range(2, len(pieces), 2):
        scheme = _SCHEME.search(pieces[index - 2][-40:])
        name = scheme[0].lower() if scheme else ""
        if name not in _NO_USERS:
            pieces[index] = _redact_user(pieces[index], name, hide, is_url)
    return "".join(pieces)


def _redact_user(text: str, scheme: str, hide: Hide, is_url: bool) -> str:
    """Return the text after a scheme and ``://`` with its user info masked."""
    authority = (_AUTHORITY if is_url else _QUOTED_AUTHORITY).match(text)[0]  # type: ignore[index]
    user, at_sign, _ = authority.rpartition("@")
    if not at_sign and scheme in _WITH_PORTS and _has_invalid_port(authority):
        # The password contains an unescaped slash or question mark.
        quoted = text if is_url else _URL_TAIL.match(text)[0]  # type: ignore[index]
        user, at_sign, _ = quoted.partition("::")[0].rpartition("@")
    return _mask_user(user, scheme, hide) + text[len(user) :] if at_sign else text


def _has_invalid_port(authority: str) -> bool:
    """Return whether the text after the colon of an authority cannot be a port."""
    host, colon, port = authority.partition(":")
    return bool(colon) and not host.startswith("[") and port != "" and not port.isdecimal()


def _mask_user(user: str, scheme: str, hide: Hide) -> str:
    name, _, password = user.partition(":")
    if password not in _NO_PASSWORDS:
        return f"{name}:{hide(password) if password != MASK else MASK}"
    if scheme in _TOKEN_USERS and name:
        return hide(name) if name != MASK else MASK
    return user


# Parameters


def _redact_parameters(link: str, hide: Hide) -> str:
    """Return a URL with the values of secret parameters masked; a value ends at ``&``."""
    if "=" not in link:
        return link
    pieces = _BREAK.split(link)
    names = [plain(piece.partition("=")[0]) for piece in pieces[2::2]]
    signature_names = signing(names)
    in_path = True
    for index, name in zip(range(2, len(pieces), 2), names, strict=True):
        in_path = in_path and pieces[index - 1] not in "?#"
        key, equals, value = pieces[index].partition("=")
        value, slash, path = value.partition("/") if in_path else (value, "", "")
        if is_secret(name) and value not in ("", MASK):
            value = hide(value)
        elif name in signature_names:
            value = MASK
        else:
            value = _mask_value(name, value)
        pieces[index] = f"{key}{equals}{value}{slash}{path}"
    return "".join(pieces)


def _redact_pairs(text: str) -> str:
    """Return text with values such as that of ``password=...`` and encoded users masked."""
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
        masked = MASK if is_header(key) else _mask_value(key, value)
        parts += text[done:position], masked
        done = position = position + len(value)
    return "".join(parts) + text[done:]


def _value_pattern(key: str, sign: str) -> re.Pattern[str] | None:
    """Return the pattern of the value after a name and a sign; None if it is not secret."""
    if ":" in sign and not sign.startswith(("'", '"')):
        return _HEADER_VALUE if is_header(key) else None
    if not (is_secret(key) or is_ambiguous(key)):
        return None
    if sign[-1] in _QUOTED_VALUE:
        return _QUOTED_VALUE[sign[-1]]
    return _ENCODED_VALUE if "%" in sign else _PLAIN_VALUE


def _mask_value(key: str, value: str) -> str:
    """Return the value of a parameter, masked if it is secret."""
    if is_ambiguous(key) and _OPAQUE.fullmatch(value):
        digest = hashlib.sha256(value.encode("utf-8", "surrogatepass")).hexdigest()
        return MASK + digest[:8]  # it may also be the identity of a file
    return MASK if value and is_secret(key) else value
