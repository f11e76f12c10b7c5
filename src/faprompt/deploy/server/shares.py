"""Places that all clients share, such that no client can take them all."""

from collections import Counter
from ipaddress import IPv4Address, ip_address


class Shares:
    """So many places; a client that holds more than are free gets no other one.

    One client alone gets half of them, a second one then half of the rest, and so on: who comes
    first need not wait for those who hold many, and where nobody else comes little is wasted.
    """

    def __init__(self, places: int) -> None:
        self._free = places
        self._held: Counter[str] = Counter()

    def take(self, address: str) -> bool:
        """A place for the client of an address; False where it gets none."""
        client = client_of(address)
        if not self._free or self._held[client] > self._free:
            return False
        self._free -= 1
        self._held[client] += 1
        return True

    def give_back(self, address: str) -> None:
        """End the use of a place that was taken."""
        client = client_of(address)
        self._free += 1
        self._held[client] -= 1
        if not self._held[client]:
            del self._held[client]  # addresses come and go for as long as the service runs


def client_of(address: str) -> str:
    """Who has an address: the next 64 bits of IPv6 are everybody's own to choose.

    Example:
        >>> client_of("2001:db8::1") == client_of("2001:db8::2"), client_of("::ffff:10.0.0.1")
        (True, '10.0.0.1')
    """
    try:
        found = ip_address(address)
    except ValueError:
        return address
    if isinstance(found, IPv4Address):
        return address
    return str(found.ipv4_mapped or f"{int(found) >> 64:x}")
