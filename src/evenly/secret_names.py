"""Which parameters of URLs and which headers have a secret as their value, by their names."""

import re
from collections.abc import Collection, Iterable
from urllib.parse import unquote

_ENDINGS = (
    *("password", "passwd", "passphrase", "pwd", "secret", "signature", "token"),
    *("accesskey", "accesskeyid", "accountkey", "apikey", "privatekey", "secretkey"),
    *("sharedkey", "subscriptionkey", "credential", "credentials"),
)
_WHOLE = frozenset(
    (
        *("auth", "authorization", "connectionstring", "delegation", "googleaccessid", "hmac"),
        *("jsessionid", "jwt", "pass", "pw", "qak", "sas", "sessionid", "sig"),
    )
)
_POSITIONS = ("continuation", "next", "page", "sync")
"""Beginnings of tokens that say which part of a listing is meant, and open nothing."""

_AMBIGUOUS = frozenset(("code", "key"))

_HEADERS = frozenset(
    ("authorization", "cookie", "proxyauthorization", "setcookie", "xapikey", "xamzsecuritytoken")
)

_SIGNED = frozenset(
    (
        *("expires", "expiration", "expiry", "hashalgorithm", "keypairid", "policy"),
        *("xamzalgorithm", "xamzdate", "xamzexpires", "xamzsignedheaders"),
        *("xgoogalgorithm", "xgoogdate", "xgoogexpires", "xgoogsignedheaders"),
        *("xossadditionalheaders", "xossdate", "xossexpires", "xosssignatureversion"),
        *("qheaderlist", "qkeytime", "qsignalgorithm", "qsigntime", "qurlparamlist"),
    )
)
_SHARED_ACCESS = frozenset(
    (
        *("saoid", "scid", "sdd", "se", "ses", "sip", "ske", "skoid", "sks", "skt", "sktid"),
        *("skv", "sp", "spr", "sr", "srt", "ss", "st", "suoid", "sv"),
    )
)
"""Parameters of Azure's shared access signatures, beside ``sig``."""

_ESCAPED_MARK = re.compile(r"%(?:25)*(?:23|26|2F|3B|3F)", re.IGNORECASE)
_REMAINDER = re.compile(r"[\W_]+")
_LONGEST = 200


def plain(name: str) -> str:
    """Return a parameter's name in the form that this module knows.

    >>> plain("X-Amz-Signature"), plain("access_token"), plain("p%61ssword")
    ('xamzsignature', 'accesstoken', 'password')
    """
    if "%" in name:
        name = _ESCAPED_MARK.split(name)[-1][-_LONGEST:]
        while (decoded := unquote(name)) != name:  # it may be escaped more than once
            name = decoded
    return _REMAINDER.sub("", name[-_LONGEST:]).lower()


def is_secret(name: str) -> bool:
    """Return whether a parameter's value is a secret.

    >>> is_secret("clientsecret"), is_secret("token"), is_secret("nextpagetoken"), is_secret("id")
    (True, True, False, False)
    """
    return name in _WHOLE or (name.endswith(_ENDINGS) and not name.startswith(_POSITIONS))


def is_ambiguous(name: str) -> bool:
    """Return whether a value may be a secret, and may as well say which file is meant."""
    return name in _AMBIGUOUS


def is_header(name: str) -> bool:
    """Return whether a header's value is a secret."""
    return name in _HEADERS


def signing(names: Collection[str]) -> frozenset[str]:
    """Return the parameters beside these names that change each time when a URL is signed.

    They are no secrets. But a file whose URL is signed again must keep its name.
    """
    signed: Iterable[str] = (name for name in names if name.endswith(("sig", "signature", "token")))
    if not any(map(is_secret, signed)):
        return frozenset()
    return _SIGNED | _SHARED_ACCESS if {"sig", "sv"} <= set(names) else _SIGNED
