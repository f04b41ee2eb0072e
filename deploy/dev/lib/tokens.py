"""Service-account tokens as a Kubernetes API server makes them, and the keys to verify them."""
import base64
import json
import subprocess

import shell

ISSUER = "https://kubernetes.default.svc"
NODE_ACCOUNT = "meltemi-system:meltemi-node"


def _base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Issuer:
    """An RSA key in a file, its JWKS in another."""

    def __init__(self, run_dir):
        self._key_path = f"{run_dir}/token-key.pem"
        self.jwks_path = f"{run_dir}/token-jwks.json"
        shell.run(["openssl", "genrsa", "-out", self._key_path, "2048"])
        modulus = shell.run(["openssl", "rsa", "-in", self._key_path, "-noout", "-modulus"])
        number = bytes.fromhex(modulus.stdout.strip().partition("=")[2])
        key = {"kty": "RSA", "kid": "k", "alg": "RS256", "use": "sig", "e": "AQAB",
               "n": _base64url(number)}
        with open(self.jwks_path, "w") as file:
            json.dump({"keys": [key]}, file)

    def node_token(self, node, now, life_s=3600):
        """What the kubelet of the node gives to the node plane that runs there."""
        claims = {"iss": ISSUER, "aud": ["istio-ca"], "exp": int(now) + life_s,
                  "sub": f"system:serviceaccount:{NODE_ACCOUNT}",
                  "kubernetes.io": {"namespace": NODE_ACCOUNT.partition(":")[0],
                                    "node": {"name": node}}}
        text = ".".join(_base64url(json.dumps(part).encode())
                        for part in ({"alg": "RS256", "kid": "k"}, claims))
        signature = subprocess.run(["openssl", "dgst", "-sha256", "-sign", self._key_path],
                                   input=text.encode(), capture_output=True, check=True).stdout
        return f"{text}.{_base64url(signature)}"
