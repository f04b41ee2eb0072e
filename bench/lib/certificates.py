"""The certificate of the TLS scenarios: ECDSA on P-256, of an authority made for the occasion."""
import dataclasses
import os

import shell

NAME = "bench.test"
_P256 = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


@dataclasses.dataclass(frozen=True)
class Files:
    ca: str
    chain: str
    key: str
    both: str  # chain and key, as HAProxy wants them


def make(folder):
    os.makedirs(folder, exist_ok=True)
    files = Files(*(f"{folder}/{name}.pem" for name in ("ca", "chain", "key", "both")))
    ca_key, request, extensions = (f"{folder}/{name}" for name in ("ca.key", "csr", "ext"))
    shell.run(["openssl", "req", "-x509", *_P256, "-days", "30", "-subj", "/CN=bench authority",
               "-keyout", ca_key, "-out", files.ca])
    shell.run(["openssl", "req", *_P256, "-subj", f"/CN={NAME}", "-keyout", files.key,
               "-out", request])
    with open(extensions, "w") as file:
        file.write(f"subjectAltName=DNS:{NAME}\n")
    shell.run(["openssl", "x509", "-req", "-in", request, "-CA", files.ca, "-CAkey", ca_key,
               "-CAcreateserial", "-days", "30", "-extfile", extensions, "-out", files.chain])
    with open(files.both, "w") as both:
        for path in (files.chain, files.key):
            with open(path) as part:
                both.write(part.read())
    return files
