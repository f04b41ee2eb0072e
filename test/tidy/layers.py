"""Which folder may include which: the arrows of ARCHITECTURE.md. Adding one is a design decision.

A key is a folder (the longest that fits a file counts); its value, the folders it may include.
Every folder may include itself and what is below //l7/base.
"""

_L7 = ("l7/base", "l7/http", "l7/config", "l7/telemetry")
_CONTROL = ("control", "proto", "envoy", "google", "l7/config", "l7/base")

ARROWS = {
    "l7/base": (),
    "l7/http": (),
    "l7/http1": ("l7/http",),
    "l7/http2": ("l7/http",),
    "l7/grpc": ("l7/http",),
    "l7/config": (),
    "l7/route": _L7,
    "l7/cluster": _L7,
    "l7/health": ("l7/http", "l7/http1", "l7/http2", "l7/config"),
    "l7/proxy_protocol": (),
    "l7/policy": _L7 + ("l7/route",),
    "l7/policy/jwt": (),
    "l7/telemetry": ("l7/http", "l7/config"),
    "l7/engine": ("l7",),
    "dataplane/shared": ("l7/config", "l7/cluster"),
    "dataplane/packet": ("dataplane/shared",),
    "dataplane/wire": ("dataplane/packet",),
    "dataplane/nic": ("dataplane/packet", "dataplane/wire", "dataplane/shared"),
    "dataplane/ip": ("dataplane/packet", "dataplane/wire", "dataplane/nic"),
    "dataplane/tcp": ("dataplane/packet", "dataplane/wire"),
    "dataplane/udp": ("l7/telemetry",),
    "dataplane/tls": ("dataplane/packet", "dataplane/shared"),
    "dataplane/worker": ("dataplane", "l7"),
    "dataplane/agent": ("dataplane/shared", "dataplane/agent", "dataplane/worker", "dataplane/nic",
                        "dataplane/tls", "l7/config", "l7/policy", "control/common"),
    "dataplane/admin": ("dataplane", "l7", "control/common"),
    "dataplane": ("dataplane", "l7", "control/common"),
    "control/pilot/model": (),
    "control/pilot/translate": ("control/pilot/model", "ca/x509"),
    "control/pilot/ads_session": ("control/pilot/model", "control/pilot/translate", "l7/config"),
    "control/pilot/node_auth": ("control/common", "ca"),
    "control/pilot": ("control", "l7/config", "ca/identity", "ca/keystore"),
    "control/mixer": ("control",),
    "control/cli": ("control",),
    "control/common": (),
    "ca": ("ca", "control/common", "l7/policy/jwt"),
}

EVERYONE = ("l7/base",)
CHECKED = ("l7", "dataplane", "control", "ca")


def home(path):
    """The key of ARROWS that a file belongs to; None when its folder is not in the table."""
    folder = path.rsplit("/", 1)[0]
    while folder:
        if folder in ARROWS:
            return folder
        folder = folder.rpartition("/")[0]
    return None


def allowed(path, included):
    """May the file include the header of ours?"""
    own = home(path)
    if own is None:
        return False
    return any(included.startswith(f + "/") for f in (own, *EVERYONE, *ARROWS[own]))
