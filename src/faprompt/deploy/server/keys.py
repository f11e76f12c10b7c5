"""Who may ask: one key for programs, sessions for people who gave that key once."""

import hmac
import os
import secrets
import time
from collections import OrderedDict
from hashlib import sha256
from http.cookies import CookieError, SimpleCookie
from pathlib import Path

from faprompt.errors import ConfigError

ENVIRONMENT = "FAPROMPT_API_KEY"
SHORTEST_KEY = 16
COOKIE = "faprompt_session"
SESSION_SECONDS = 12 * 3600
MOST_SESSIONS = 1000


def read_key(path: Path | None) -> str | None:
    """The key of a file, or of the environment, or none.

    Raises:
        ConfigError: the file cannot be read, or the key is too short to be one.
    """
    where = str(path) if path else ENVIRONMENT
    try:
        text = path.read_text(encoding="utf-8") if path else os.environ.get(ENVIRONMENT)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{where}: cannot be read ({error}); needed is a key file") from None
    if text is None:
        return None
    key = text.strip()
    if len(key) < SHORTEST_KEY or not (key.isascii() and key.isprintable()):
        raise ConfigError(
            f"{where}: a key needs at least {SHORTEST_KEY} printable ASCII characters; make one "
            "with: openssl rand -base64 24"
        )
    return key


class Keys:
    """Checks keys and sessions; with no key everybody may ask."""

    def __init__(self, key: str | None) -> None:
        self._digest = None if key is None else sha256(key.encode()).digest()
        self._sessions: OrderedDict[str, float] = OrderedDict()

    @property
    def needed(self) -> bool:
        """Whether there is a key at all."""
        return self._digest is not None

    def fits(self, key: str) -> bool:
        """Compare in a time that does not tell how much of a key was right."""
        given = sha256(key.encode("utf-8", "surrogateescape")).digest()
        return self._digest is None or hmac.compare_digest(given, self._digest)

    def log_in(self, key: str) -> str | None:
        """A new session for whoever has the key."""
        if not self.fits(key):
            return None
        session = secrets.token_urlsafe(32)
        self._sessions[_name(session)] = time.monotonic() + SESSION_SECONDS
        while len(self._sessions) > MOST_SESSIONS:
            self._sessions.popitem(last=False)
        return session

    def log_out(self, cookies: str) -> None:
        """End the session of a request."""
        self._sessions.pop(_name(_session(cookies)), None)

    def allow(self, authorization: str, cookies: str) -> bool:
        """Whether a request with these headers may go on."""
        if self._digest is None:
            return True
        scheme, _, key = authorization.partition(" ")
        if scheme.lower() == "bearer":
            return self.fits(key.strip())
        # Sessions are kept by digest: looking one up compares nothing that a client could probe.
        return self._sessions.get(_name(_session(cookies)), 0.0) > time.monotonic()


def _name(session: str) -> str:
    return sha256(session.encode("utf-8", "surrogateescape")).hexdigest()


def _session(cookies: str) -> str:
    try:
        found = SimpleCookie(cookies).get(COOKIE)
    except CookieError:
        return ""
    return found.value if found else ""
