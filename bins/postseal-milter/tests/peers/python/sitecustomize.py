"""Makes Python programs ask the name server of the test; `site` imports this at start when the folder is on PYTHONPATH."""
import os

import dns.resolver

host, port = os.environ["PEERS_NAMESERVER"].rsplit(":", 1)
dns.resolver.default_resolver = dns.resolver.Resolver(configure=False)
dns.resolver.default_resolver.nameservers = [host]
dns.resolver.default_resolver.port = int(port)
