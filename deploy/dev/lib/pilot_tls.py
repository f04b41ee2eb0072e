"""Pilot's certificate as an operator gives it one: an authority of its own, and a leaf by it. Made
by the openssl command; files are put there whole, for Pilot reads them while they change."""
import os
import subprocess

SERVER_NAME = "meltemi-pilot"


class Files:
    """`roots`, `cert` and `key`, paths in `folder`."""

    def __init__(self, folder):
        os.makedirs(folder, exist_ok=True)
        self.roots, self.cert, self.key = (f"{folder}/{n}.pem" for n in ("roots", "cert", "key"))
        self._ca_key = f"{folder}/ca.key"
        _make(self._ca_key, self.roots, "-subj", "/CN=authority of Pilot")
        self.renew()

    def renew(self):
        fresh = {path: f"{path}.new" for path in (self.key, self.cert)}
        _make(fresh[self.key], fresh[self.cert], "-subj", f"/CN={SERVER_NAME}",
              "-addext", f"subjectAltName=DNS:{SERVER_NAME}",
              "-addext", "basicConstraints=critical,CA:FALSE",
              "-CA", self.roots, "-CAkey", self._ca_key)
        for path, new in fresh.items():
            os.rename(new, path)

    def flags(self, address, roots_of_nodes):
        return [f"--grpc-tls-addr={address}", f"--tls-cert={self.cert}", f"--tls-key={self.key}",
                f"--tls-roots={roots_of_nodes}"]


def _make(key, cert, *arguments):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:prime256v1", "-nodes", "-days", "30", "-keyout", key,
                    "-out", cert, *arguments],
                   check=True, capture_output=True, stdin=subprocess.DEVNULL)
    os.chmod(key, 0o600)
