"""One node with a static configuration full of TLS, a pod of clients and a pod of servers.

Certificates are made by the openssl command, servers are nginx and openssl s_server.
"""
import os
import subprocess

import yaml

import mesh as mesh_lib
import servers
import shell
import topology as topo

TOPOLOGY = topo.Topology(
    nodes=(topo.NODE_A,),
    pods=(topo.Pod("client", "client", topo.NODE_A, 10),
          topo.Pod("backend", "backend", topo.NODE_A, 11)),
    services=(topo.Service("gw", 11),),
)
NODE = topo.NODE_A
GATEWAY = TOPOLOGY.service("gw").v4
BACKEND = TOPOLOGY.pod("backend").v4
# Of the gateway.
PLAIN, BY_NAME, ONE, MUTUAL, PERMISSIVE, OPAQUE, RULED = 8080, 8443, 8444, 8445, 8446, 8447, 8448
BY_FILE = 8449
# Of the backend.
NGINX, NGINX_MUTUAL, NGINX_OTHER_CA, OPENSSL_12, NGINX_PLAIN = 9443, 9444, 9445, 9446, 9080
PEER = 9447  # whatever a test puts there

_TLS = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3."
_NETWORK = "type.googleapis.com/envoy.extensions.filters.network."


class Pki:
    """Authorities "a" and "b", and leaves of them, as files <folder>/<name>.pem and .key."""

    def __init__(self, folder):
        self.folder = folder
        os.makedirs(folder, exist_ok=True)
        for name in ("a", "b"):
            self._openssl("req", "-x509", "-newkey", "ec", "-pkeyopt",
                          "ec_paramgen_curve:prime256v1", "-nodes", "-days", "30", "-subj",
                          f"/CN=authority {name}", "-keyout", self.key(f"ca-{name}"), "-out",
                          self.pem(f"ca-{name}"))

    def pem(self, name):
        return f"{self.folder}/{name}.pem"

    def key(self, name):
        return f"{self.folder}/{name}.key"

    def issue(self, name, *sans, authority="a", rsa=False):
        key = (("-newkey", "rsa:2048") if rsa
               else ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"))
        request, extensions = f"{self.folder}/{name}.csr", f"{self.folder}/{name}.ext"
        self._openssl("req", *key, "-nodes", "-subj", f"/CN={name}", "-keyout", self.key(name),
                      "-out", request)
        with open(extensions, "w") as file:
            file.write(f"subjectAltName={','.join(sans)}\n")
        # Put there whole: the node reads files while they change.
        self._openssl("x509", "-req", "-in", request, "-CA", self.pem(f"ca-{authority}"), "-CAkey",
                      self.key(f"ca-{authority}"), "-CAcreateserial", "-days", "10", "-extfile",
                      extensions, "-out", f"{self.pem(name)}.new")
        os.rename(f"{self.pem(name)}.new", self.pem(name))

    def text(self, path):
        with open(path) as file:
            return file.read()

    @staticmethod
    def _openssl(*arguments):
        subprocess.run(["openssl", *arguments], check=True, capture_output=True,
                       stdin=subprocess.DEVNULL)


# Resources, in Envoy's words.

def certificate(pki, name):
    return {"certificate_chain": {"filename": pki.pem(name)},
            "private_key": {"filename": pki.key(name)}}


def server_socket(common, **more):
    return {"name": "envoy.transport_sockets.tls", "typed_config": {
        "@type": f"{_TLS}DownstreamTlsContext",
        "common_tls_context": {"alpn_protocols": ["h2", "http/1.1"], **common}, **more}}


def client_socket(sni="", **common):
    return {"name": "envoy.transport_sockets.tls", "typed_config": {
        "@type": f"{_TLS}UpstreamTlsContext", "sni": sni, "common_tls_context": common}}


def http_filter(name, routes, log_path, **more):
    """`routes`: prefix -> cluster, or a text to answer with."""
    def route(prefix, to):
        match = {"match": {"prefix": prefix}}
        if to.startswith("to-"):
            return {**match, "route": {"cluster": to, "prefix_rewrite": "/"}}
        return {**match, "direct_response": {"status": 200, "body": {"inline_string": to}}}
    return {"name": "http", "typed_config": {
        "@type": f"{_NETWORK}http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": name, **more,
        "route_config": {"name": name, "virtual_hosts": [{
            "name": "all", "domains": ["*"],
            "routes": [route(prefix, to) for prefix, to in routes.items()]}]},
        "http_filters": [{"name": "envoy.filters.http.router", "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"}}],
        "access_log": [{"name": "file", "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog",
            "path": log_path, "log_format": {"text_format_source": {"inline_string":
                "%REQ(:PATH)% %RESPONSE_CODE% %RESPONSE_FLAGS% "
                "%UPSTREAM_TRANSPORT_FAILURE_REASON% %RESPONSE_CODE_DETAILS%\n"}}}}]}}


def tcp_filter(name, cluster):
    return {"name": "tcp", "typed_config": {"@type": f"{_NETWORK}tcp_proxy.v3.TcpProxy",
                                            "stat_prefix": name, "cluster": cluster}}


def deny_server_name(name):
    return {"name": "rbac", "typed_config": {
        "@type": f"{_NETWORK}rbac.v3.RBAC", "stat_prefix": "tcp.", "rules": {
            "action": "DENY", "policies": {"by-name": {
                "permissions": [{"requested_server_name": {"exact": name}}],
                "principals": [{"any": True}]}}}}}


def listener(name, port, *chains):
    return {"name": name, "filter_chains": list(chains),
            "address": {"socket_address": {"address": GATEWAY, "port_value": port}}}


def cluster(name, port, socket=None, http2=False):
    resource = {"name": name, "type": "STATIC", "connect_timeout": "2s", "load_assignment": {
        "cluster_name": name, "endpoints": [{"lb_endpoints": [{"endpoint": {"address": {
            "socket_address": {"address": BACKEND, "port_value": port}}}}]}]}}
    if socket:
        resource["transport_socket"] = socket
    if http2:
        resource["http2_protocol_options"] = {}
    return resource


def trust(pki, authority, *sans):
    context = {"trusted_ca": {"filename": pki.pem(f"ca-{authority}")}}
    if sans:
        context["match_typed_subject_alt_names"] = [
            {"san_type": kind, "matcher": {"exact": name}} for kind, name in sans]
    return {"validation_context": context}


def secret_file(pki):
    """Where sds_config.path_config_source finds the secret "server"."""
    return f"{pki.folder}/secrets.yaml"


def put_secret_file(pki, name):
    """The certificate `name`, as a file of secrets, put there whole."""
    secret = {"@type": f"{_TLS}Secret", "name": "server", "tls_certificate": {
        "certificate_chain": {"inline_string": pki.text(pki.pem(name))},
        "private_key": {"inline_string": pki.text(pki.key(name))}}}
    with open(f"{secret_file(pki)}.new", "w") as file:
        yaml.safe_dump({"resources": [secret]}, file)
    os.rename(f"{secret_file(pki)}.new", secret_file(pki))


def _listeners(pki, log):
    def answers(text):
        return http_filter(text, {"/": text}, log)

    named = [
        {"filter_chain_match": {"server_names": ["a.test", "also-a.test"]},
         "transport_socket": server_socket({"tls_certificates": [certificate(pki, "a.test")]}),
         "filters": [answers("chain a")]},
        {"filter_chain_match": {"server_names": ["*.wild.test"]},
         "transport_socket": server_socket({"tls_certificates": [certificate(pki, "wild.test")]}),
         "filters": [answers("chain wild")]},
        {"filter_chain_match": {"server_names": ["pass.test"]},
         "filters": [tcp_filter("pass", "to-nginx-opaque")]}]
    # Prefixes: the longer one first.
    upstreams = ("nginx-h2", "nginx", "openssl-12", "wrong-ca", "wrong-san", "mutual-without",
                 "mutual", "not-tls", "peer")
    return [
        listener("plain", PLAIN, {"filters": [http_filter(
            "plain", {f"/{name}": f"to-{name}" for name in upstreams}, log)]}),
        listener("by-name", BY_NAME, *named),
        # Inline and static secrets; the certificate is the file that is rotated.
        listener("one", ONE, {
            "transport_socket": server_socket({"tls_certificate_sds_secret_configs": [
                {"name": "rotated"}]}),
            "filters": [http_filter("one", {"/plain": "to-plain", "/": "one"}, log)]}),
        listener("mutual", MUTUAL, {
            "transport_socket": server_socket(
                {"tls_certificates": [certificate(pki, "a.test")],
                 **trust(pki, "a", ("URI", "spiffe://test/ns/x/sa/friend"),
                         ("DNS", "friend.test"))},
                require_client_certificate=True),
            "filters": [http_filter(
                "mutual", {"/plain": "to-plain", "/": "mutual"}, log,
                forward_client_cert_details="SANITIZE_SET",
                set_current_client_cert_details={"cert": True, "chain": True})]}),
        listener("permissive", PERMISSIVE, {
            "filter_chain_match": {"transport_protocol": "tls"},
            "transport_socket": server_socket({"tls_certificates": [{
                "certificate_chain": {"inline_string": pki.text(pki.pem("a.test"))},
                "private_key": {"inline_string": pki.text(pki.key("a.test"))}}]}),
            "filters": [answers("with TLS")]}, {
            "filter_chain_match": {"transport_protocol": "raw_buffer"},
            "filters": [answers("without TLS")]}),
        listener("opaque", OPAQUE, {"filters": [tcp_filter("opaque", "to-peer")]}),
        # One chain for all names: only the handshake tells them.
        listener("ruled", RULED, {
            "transport_socket": server_socket({"tls_certificates": [certificate(pki, "a.test")],
                                               "alpn_protocols": ["http/1.1"]}),
            "filters": [deny_server_name("also-a.test"), tcp_filter("ruled", "to-plain")]}),
        listener("by-file", BY_FILE, {
            "transport_socket": server_socket({"tls_certificate_sds_secret_configs": [
                {"name": "server", "sds_config": {"resource_api_version": "V3",
                                                  "path_config_source": {
                                                      "path": secret_file(pki),
                                                      "watched_directory": {
                                                          "path": pki.folder}}}}]}),
            "filters": [http_filter("by-file", {"/plain": "to-plain", "/": "by file"}, log)]}),
    ]


def _clusters(pki):
    good = trust(pki, "a", ("DNS", "server.test"))
    return [
        cluster("to-plain", NGINX_PLAIN),
        cluster("to-not-tls", NGINX_PLAIN, client_socket("server.test", **good)),
        cluster("to-nginx-opaque", NGINX),
        cluster("to-nginx", NGINX, client_socket("server.test", **good)),
        cluster("to-nginx-h2", NGINX, client_socket("server.test", **good), http2=True),
        cluster("to-openssl-12", OPENSSL_12, client_socket("server.test", **good)),
        cluster("to-wrong-ca", NGINX_OTHER_CA, client_socket("server.test", **good)),
        cluster("to-wrong-san", NGINX, client_socket(
            "server.test", **trust(pki, "a", ("DNS", "somebody-else.test")))),
        cluster("to-mutual", NGINX_MUTUAL, client_socket(
            "server.test", tls_certificates=[certificate(pki, "friend")], **good)),
        cluster("to-peer", PEER, client_socket(
            "server.test", tls_certificates=[certificate(pki, "friend")], **good)),
        cluster("to-mutual-without", NGINX_MUTUAL, client_socket("server.test", **good)),
    ]


_NGINX = servers.NGINX_START + """\
  ssl_protocols TLSv1.2 TLSv1.3;
  default_type text/plain;
  server {{
    listen {plain};
    add_header x-client-cert $http_x_forwarded_client_cert;
    location / {{ return 200 "plain $http_x_forwarded_proto\\n"; }}
  }}
  server {{
    listen {nginx} ssl http2;
    ssl_certificate {server}.pem;
    ssl_certificate_key {server}.key;
    location / {{
      return 200 "$ssl_server_name $ssl_protocol $server_protocol [$ssl_alpn_protocol]\\n";
    }}
  }}
  server {{
    listen {mutual} ssl;
    ssl_certificate {server}.pem;
    ssl_certificate_key {server}.key;
    ssl_client_certificate {ca}.pem;
    ssl_verify_client on;
    location / {{ return 200 "$ssl_client_s_dn $ssl_client_verify\\n"; }}
  }}
  server {{
    listen {other} ssl;
    ssl_certificate {stranger}.pem;
    ssl_certificate_key {stranger}.key;
    location / {{ return 200 "must not be seen\\n"; }}
  }}
}}
"""


class Rig:
    def __init__(self):
        self.mesh = mesh_lib.Mesh("mltu-", TOPOLOGY)
        self.pki = None
        self.static_resources = None

    @property
    def log(self):
        return f"{self.mesh.run_dir}/tls.access.log"

    def up(self):
        self.mesh.down()
        pki = self.pki = Pki(f"{self.mesh.run_dir}/pki")
        pki.issue("a.test", "DNS:a.test", "DNS:also-a.test")
        pki.issue("wild.test", "DNS:*.wild.test", rsa=True)
        pki.issue("rotated.test", "DNS:rotated.test")
        pki.issue("filed.test", "DNS:filed.test")
        put_secret_file(pki, "filed.test")
        pki.issue("server.test", "DNS:server.test")
        pki.issue("server-rsa", "DNS:server.test", rsa=True)
        pki.issue("stranger", "DNS:server.test", authority="b")
        pki.issue("friend", "URI:spiffe://test/ns/x/sa/friend")
        pki.issue("friend-by-dns", "DNS:friend.test", rsa=True)
        pki.issue("foe", "URI:spiffe://test/ns/x/sa/foe")
        pki.issue("friend-of-b", "URI:spiffe://test/ns/x/sa/friend", authority="b")
        self.static_resources = {
            "listeners": _listeners(pki, self.log), "clusters": _clusters(pki),
            "secrets": [{"name": "rotated", "tls_certificate": certificate(pki, "rotated.test")}]}
        self.mesh.up_static(self.static_resources)
        self._start_servers()

    def _start_servers(self):
        run, pki = self.mesh.run_dir, self.pki
        with open(f"{run}/nginx.conf", "w") as config:
            config.write(_NGINX.format(
                run=run, plain=NGINX_PLAIN, nginx=NGINX, mutual=NGINX_MUTUAL, other=NGINX_OTHER_CA,
                server=f"{pki.folder}/server.test", stranger=f"{pki.folder}/stranger",
                ca=f"{pki.folder}/ca-a"))
        daemons = {
            "nginx": ["nginx", "-e", "stderr", "-c", f"{run}/nginx.conf"],
            "s_server": ["openssl", "s_server", "-accept", str(OPENSSL_12), "-tls1_2", "-www",
                         "-cert", pki.pem("server.test"), "-key", pki.key("server.test")]}
        netns = self.mesh.netns("backend")
        for name, argv in daemons.items():
            self.mesh.servers[name] = shell.Daemon(name, argv, f"{run}/{name}.log", netns).start()
        for port in (NGINX, NGINX_MUTUAL, NGINX_OTHER_CA, OPENSSL_12, NGINX_PLAIN):
            shell.wait_until(lambda p=port: self._listens(p), f"port {port} of the backend", 10)

    def _listens(self, port):
        done = shell.run(shell.in_netns(self.mesh.netns("backend"),
                                        ["ss", "-Hltn", f"sport = :{port}"]))
        return bool(done.stdout.strip())

    def down(self):
        self.mesh.down()


RIG = Rig()  # of the tests of tls_tests.py and tls_peer_tests.py
