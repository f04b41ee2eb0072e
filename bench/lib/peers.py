"""Configurations of the proxies: nginx and HAProxy as their documentation tunes them for this,
meltemi-node with the same routes. One worker each, keep-alive on both sides, no access log; the
same over TLS 1.3 on a port of its own, the upstream plain. The cipher suite is the client's only
one, the key exchange its first choice (X25519): what is left to the servers is the same for all."""
import os

NGINX = """\
daemon off; master_process off; worker_processes 1;
pid {run}/nginx.pid; error_log stderr crit;
events {{ worker_connections {connections}; multi_accept on; }}
http {{
  access_log off; keepalive_requests 100000000; keepalive_timeout 600s; tcp_nodelay on;
  client_body_temp_path {run}/b; proxy_temp_path {run}/p; fastcgi_temp_path {run}/f;
  uwsgi_temp_path {run}/u; scgi_temp_path {run}/s;
  upstream backend {{ server {backend}; keepalive {pool}; keepalive_requests 100000000;
                      keepalive_timeout 600s; }}
  server {{
    listen {port} backlog=16384 reuseport;
    listen {tls_port} ssl backlog=16384 reuseport;
    ssl_protocols TLSv1.3; ssl_certificate {chain}; ssl_certificate_key {key};
    client_max_body_size 64m;
    location / {{
      proxy_pass http://backend; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_set_header Host $http_host; proxy_buffering on; proxy_request_buffering off;
    }}
  }}
}}
"""

HAPROXY = """\
global
  nbthread 1
  maxconn {connections}
  tune.maxpollevents 200
  no log
defaults
  mode http
  timeout connect 5s
  timeout client 600s
  timeout server 600s
  option http-keep-alive
  http-reuse always
frontend in
  bind :{port} backlog 16384
  bind :{tls_port} backlog 16384 ssl crt {both} ssl-min-ver TLSv1.3 alpn http/1.1
  default_backend out
backend out
  server one {backend} pool-max-conn {pool}
"""

CONNECTIONS_MAX = 9000  # HAProxy wants two descriptors each
POOL = 1024


def write_nginx(run_dir, backend, port, tls_port, files):
    os.makedirs(run_dir, exist_ok=True)
    path = f"{run_dir}/nginx.conf"
    with open(path, "w") as file:
        file.write(NGINX.format(run=run_dir, backend=backend, port=port, tls_port=tls_port,
                                chain=files.chain, key=files.key, pool=POOL,
                                connections=CONNECTIONS_MAX))
    return ["nginx", "-e", "stderr", "-c", path]


def write_haproxy(run_dir, backend, port, tls_port, files):
    os.makedirs(run_dir, exist_ok=True)
    path = f"{run_dir}/haproxy.cfg"
    with open(path, "w") as file:
        file.write(HAPROXY.format(backend=backend, port=port, tls_port=tls_port, both=files.both,
                                  pool=POOL, connections=CONNECTIONS_MAX))
    return ["haproxy", "-db", "-f", path]


def bootstrap(ports, workloads, backend, port, cpu, huge_pages=False, tcp_port=None, tls=None):
    """meltemi-node's start-up file. ports: (name, device, own address); workloads: (name,
    addresses, port); tls: (port, certificates.Files)."""
    address, _, backend_port = backend.rpartition(":")
    listeners = [_http_listener("http", port)]
    if tls:
        listeners.append(_http_listener("https", tls[0], _server_socket(tls[1])))
    clusters = [_cluster("backend", address, int(backend_port))]
    if tcp_port:
        listeners.append(_tcp_listener(tcp_port))
        clusters.append(_cluster("bulk", address, tcp_port))
    return {
        "node": {"id": "bench", "cluster": "bench"},
        "admin": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": 15000}}},
        "static_resources": {"listeners": listeners, "clusters": clusters},
        "meltemi": {
            "workers": 1, "cpus": [cpu], "busy_poll_us_max": 50, "memory_mb": 64,
            "hugepages": huge_pages, "access_log_path": "",
            "ports": [{"name": name, "device": device, "kind": "POD", "addresses": [own],
                       "workload": f"{name}.bench"} for name, device, own in ports],
            "workloads": [{"name": name, "namespace": "bench", "addresses": addresses,
                           "port": name} for name, addresses in workloads],
        },
    }


def _listener(name, port, chain, socket=None):
    return {"name": name, "bind_to_port": False, "traffic_direction": "OUTBOUND",
            "address": {"socket_address": {"address": "0.0.0.0", "port_value": port}},
            "filter_chains": [{"filters": [chain],
                               **({"transport_socket": socket} if socket else {})}]}


def _server_socket(files):
    tls = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3"
    return {"name": "envoy.transport_sockets.tls", "typed_config": {
        "@type": f"{tls}.DownstreamTlsContext", "common_tls_context": {
            "alpn_protocols": ["http/1.1"],
            "tls_params": {"tls_minimum_protocol_version": "TLSv1_3"},
            "tls_certificates": [{"certificate_chain": {"filename": files.chain},
                                  "private_key": {"filename": files.key}}]}}}


def _http_listener(name, port, socket=None):
    filters = "type.googleapis.com/envoy.extensions.filters"
    manager = f"{filters}.network.http_connection_manager.v3.HttpConnectionManager"
    return _listener(name, port, {
        "name": "envoy.filters.network.http_connection_manager",
        "typed_config": {
            "@type": manager, "stat_prefix": "bench",
            "route_config": {"name": "bench", "virtual_hosts": [{
                "name": "all", "domains": ["*"],
                "routes": [{"match": {"prefix": "/"},
                            "route": {"cluster": "backend", "timeout": "0s"}}]}]},
            "http_filters": [{
                "name": "envoy.filters.http.router",
                "typed_config": {"@type": f"{filters}.http.router.v3.Router"}}],
        }}, socket)


def _tcp_listener(port):
    proxy = "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy"
    return _listener("tcp", port, {
        "name": "envoy.filters.network.tcp_proxy",
        "typed_config": {"@type": proxy, "stat_prefix": "bulk", "cluster": "bulk"}})


def _cluster(name, address, port):
    endpoint = {"address": {"socket_address": {"address": address, "port_value": port}}}
    no_limit = {"max_connections": 100000, "max_pending_requests": 100000, "max_requests": 100000}
    return {"name": name, "type": "STATIC", "connect_timeout": "5s",
            "circuit_breakers": {"thresholds": [no_limit]},
            "load_assignment": {"cluster_name": name, "endpoints": [
                {"lb_endpoints": [{"endpoint": endpoint}]}]}}
