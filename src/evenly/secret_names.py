"""Recognize URL parameters and headers with secret values by their names."""

import re
from collections.abc import Collection, Iterable
from urllib.parse import unquote

_SUFFIXES = (
    *("password", "passwd", "passphrase", "pwd", "secret", "signature", "token"),
    *("accesskey", "accesskeyid", "accountkey", "apikey", "privatekey", "secretkey"),
    *("sharedkey", "subscriptionkey", "credential", "credentials"),
)
_EXACT_NAMES = frozenset(
    (
        *("auth", "authorization", "connectionstring", "delegation", "googleaccessid", "hmac"),
        *("jsessionid", "jwt", "pass", "pw", "qak", "sas", "sessionid", "sig"),
    )
)
_PAGE_PREFIXES = ("continuation", "next", "page", "sync")
"""Prefixes of tokens that select a page of a listing and grant no access."""

_AMBIGUOUS = frozenset(("code", "key"))

_HEADERS = frozenset(
    ("authorization", "cookie", "proxyauthorization", "setcookie", "xapikey", "xamzsecuritytoken")
)

_SIGNATURE_PARAMETERS = frozenset(
    (
        *("expires", "expiration", "expiry", "hashalgorithm", "keypairid", "policy"),
        *("xamzalgorithm", "xamzdate", "xamzexpires", "xamzsignedheaders"),
        *("xgoogalgorithm", "xgoogdate", "xgoogexpires", "xgoogsignedheaders"),
        *("xossadditionalheaders", "xossdate", "xossexpires", "xosssignatureversion"),
        *("qheaderlist", "qkeytime", "qsignalgorithm", "qsigntime", "qurlparamlist"),
    )
)
_AZURE_PARAMETERS = frozenset(
    (
        *("saoid", "scid", "sdd", "se", "ses", "sip", "ske", "skoid", "sks", "skt", "sktid"),
        *("skv", "sp", "spr", "sr", "srt", "ss", "st", "suoid", "sv"),
    )
)
"""Parameters of Azure's shared access signatures, in addition to ``sig``."""

_ESCAPED_MARK = re.compile(r"%(?:25)*(?:23|26|2F|3B|3F)", re.IGNORECASE)
_SEPARATORS = re.compile(r"[\W_]+")
_MAX_LENGTH = 200


def plain(name: str) -> str:
    """Return the name of a parameter in the normal form of this module.

    >>> plain("X-Amz-Signature"), plain("access_token"), plain("p%61ssword")
    ('xamzsignature', 'accesstoken', 'password')
    """
    if "%" in name:
        name = _ESCAPED_MARK.split(name)[-1][-_MAX_LENGTH:]
        while (decoded := unquote(name)) != name:  # it may have been escaped more than once
            name = decoded
    return _SEPARATORS.sub("", name[-_MAX_LENGTH:]).lower()


def is_secret(name: str) -> bool:
    """Return whether the value of a parameter is a secret.

    >>> is_secret("clientsecret"), is_secret("token"), is_secret("nextpagetoken"), is_secret("id")
    (True, True, False, False)
    """
    return name in _EXACT_NAMES or (
        name.endswith(_SUFFIXES) and not name.startswith(_PAGE_PREFIXES)
    )


def is_ambiguous(name: str) -> bool:
    """Return whether a value may be either a secret or the identity of a file."""
    return name in _AMBIGUOUS


def is_header(name: str) -> bool:
    """Return whether the value of a header is a secret."""
    return name in _HEADERS


def signing(names: Collection[str]) -> frozenset[str]:
    """Return the parameters that change whenever a URL with these names is signed.

    They are not secret, but a file whose URL is signed again must keep its name.
    """
    signatures: Iterable[str] = (
        name for name in names if name.endswith(("sig", "signature", "token"))
    )
    if not any(map(is_secret, signatures)):
        return frozenset()
    return (
        _SIGNATURE_PARAMETERS | _AZURE_PARAMETERS
        if {"sig", "sv"} <= set(names)
        else _SIGNATURE_PARAMETERS
    )
