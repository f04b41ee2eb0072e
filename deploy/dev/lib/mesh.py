"""A running mesh: namespaces, pods' servers, Pilot, node planes, and what a test asks of them.

MELTEMI_NODE=kernel lets the kernel route instead of meltemi-node, without Pilot: it proves the
rig (namespaces, servers, clients) without the plane, and is a baseline to compare with.
"""
import os
import shutil
import time

import yaml

import clock
import network
import servers
import shell
import tokens
import topology as topo

ROOT = os.path.realpath(os.path.join(os.path.dirname(__file__), "../../.."))
NODE_BINARY = f"{ROOT}/bazel-bin/dataplane/meltemi-node"
PILOT_BINARY = f"{ROOT}/bazel-bin/control/pilot/meltemi-pilot"
CA_BINARY = f"{ROOT}/bazel-bin/ca/meltemi-ca"
CLI_BINARY = f"{ROOT}/bazel-bin/control/cli/meltemi"
CLOCK_LIBRARY = f"{ROOT}/bazel-bin/test/integration/libwall_clock.so"
BINARIES = ("//dataplane:meltemi-node", "//control/pilot:meltemi-pilot", "//control/cli:meltemi",
            "//ca:meltemi-ca", "//test/integration:libwall_clock.so")
TEST_BINARIES = (*BINARIES, "//test/integration:greeter")  # of the tests alone
GREETERS = {"greeter": [f"{ROOT}/test/integration/greeter.py"],
            "greeter-cpp": [f"{ROOT}/bazel-bin/test/integration/greeter"],
            "greeter-js": ["node", f"{ROOT}/test/integration/greeter.js"]}
BOOKINFO_DIR = f"{ROOT}/deploy/dev/bookinfo"
PILOT_SERVER_NAME = "meltemi-pilot"
PRODUCTPAGE = f"{BOOKINFO_DIR}/productpage.py"


def plane():
    return os.environ.get("MELTEMI_NODE", "meltemi")


class Mesh:
    """One mesh under one prefix. `up` builds it, `down` leaves nothing behind. With a CA the nodes
    have certificates: the first proves itself by a join token, the rest by service accounts."""

    def __init__(self, prefix, topology, with_ca=False):
        self.prefix = prefix
        self.topology = topology
        self.with_ca = with_ca or topology.mesh_tls
        self.run_dir = f"/run/meltemi-dev/{prefix.rstrip('-')}"
        self.config_dir = f"{self.run_dir}/config"  # Pilot's registry
        self.config_source = f"{self.run_dir}/source"  # what the platform said at first
        self.is_up = False
        self.servers = {}
        self.planes = {}
        self.pilot = None
        self.ca = None
        self.token_issuer = None
        self.clock = None  # the nodes' and the CA's, where the topology says so

    # Names.

    def netns(self, name):
        return self.prefix + name

    @property
    def control_netns(self):
        return self.netns("ctl")

    def pod_dir(self, pod):
        return f"{self.run_dir}/{pod.name}"

    def access_log(self, node):
        return f"{self.run_dir}/{node.name}.access.log"

    # Building and removing.

    def up(self):
        self.down()
        self.is_up = True
        os.makedirs(self.config_source)
        self._write_platform()
        shutil.copytree(self.config_source, self.config_dir)
        self._build_network()
        self.clock = (clock.WallClock(CLOCK_LIBRARY, f"{self.run_dir}/clock")
                      if self.topology.movable_clock else None)
        for pod in self.topology.pods:
            self.start_server(pod)
        if plane() == "kernel":
            self._use_kernel()
            return
        if self.with_ca:
            self.token_issuer = tokens.Issuer(self.run_dir)
            self.start_ca()
        if self.topology.pilot_tls:
            self.renew_pilot_certificate()
        self.start_pilot()
        for node in self.topology.nodes:
            self.start_plane(node)

    def up_static(self, static_resources, **sections):
        """After `down`: nodes with a configuration of their own, without Pilot and servers.
        `sections`: what else their bootstrap files have."""
        self.is_up = True
        os.makedirs(self.run_dir, exist_ok=True)
        self._build_network()
        for node in self.topology.nodes:
            self.start_plane(node, static_resources, sections=sections)
            shell.wait_until(lambda n=node: self._node_ready(n), f"{node.name} to be ready", 20)

    def down(self):
        """Also what an earlier run left that was killed."""
        for daemon in [*self.servers.values(), *self.planes.values(), self.pilot, self.ca]:
            if daemon:
                daemon.kill()
        network.remove(self.prefix)
        shutil.rmtree(self.run_dir, ignore_errors=True)
        self.servers, self.planes, self.pilot, self.ca = {}, {}, None, None
        self.is_up = False

    def _write_platform(self):
        """What a Kubernetes API server would tell Pilot: services and pods, one object a file."""
        for service in self.topology.services:
            for document in topo.service_documents(service, self.topology):
                self._write(f"{document['kind'].lower()}-{service.name}.yaml", document)
        for pod in self.topology.pods:
            if pod.app != topo.OUTSIDER:
                self._write(f"pod-{pod.name}.yaml",
                            topo.pod_document(pod, self.topology.mesh_tls))

        if self.topology.gateway:
            self._write("pod-ingress.yaml", topo.ingress_document(self.topology.gateway))

    def _write(self, name, document):
        with open(f"{self.config_source}/{name}", "w") as file:
            yaml.safe_dump(document, file, sort_keys=False)

    def hosts(self):
        return "".join(f"{address} {s.name} {s.name}.default.svc.cluster.local\n"
                       for s in self.topology.services for address in (s.v4, s.v6))

    def _build_network(self):
        nodes = self.topology.nodes
        network.add_namespace(self.control_netns)
        for node in nodes:
            network.add_namespace(self.netns(node.name))
        network.add_management(self.control_netns, [self.netns(n.name) for n in nodes],
                               [n.management_v4 for n in nodes])
        if len(nodes) > 1 and not self.topology.uplink_socket:
            network.add_uplink(self.netns(nodes[0].name), self.netns(nodes[1].name))
        for pod in self.topology.pods:
            network.add_namespace(self.netns(pod.name), self.hosts())
            self.connect_pod(pod)

    def connect_pod(self, pod):
        network.add_pod_link(self.netns(pod.node.name), self.netns(pod.name), pod.name,
                             (pod.v4, pod.v6), pod.node.gateways)

    def disconnect_pod(self, pod):
        network.remove_link(self.netns(pod.node.name), pod.name)

    # Processes.

    def start_server(self, pod):
        """What serves in the pod; clients have none."""
        run_dir = self.pod_dir(pod)
        os.makedirs(run_dir, exist_ok=True)
        log = f"{self.run_dir}/{pod.name}.log"
        if pod.app in ("client", topo.OUTSIDER):
            return
        if pod.app == "productpage":
            argv = ["/usr/bin/python3", PRODUCTPAGE, "--port", str(pod.port)]
        elif pod.app == "iperf":
            argv = ["iperf3", "-s", "-p", str(pod.port)]
        elif pod.app in GREETERS:
            argv = [*GREETERS[pod.app], "serve", str(pod.port)]
        elif pod.app == "chat":
            argv = [f"{ROOT}/test/integration/websocket_peer.py", "serve", str(pod.port)]
        elif pod.app == "static2":
            for name, text in (("index.html", "served by nghttpd\n"), ("health", "ok\n")):
                with open(f"{run_dir}/{name}", "w") as page:
                    page.write(text)
            argv = ["nghttpd", "--no-tls", "-d", run_dir, str(pod.port)]
        elif pod.app == "echo":
            argv = ["/usr/bin/python3", f"{ROOT}/test/integration/echo_server.py",
                    "--port", str(pod.port)]
        elif pod.app == "dns":  # answers with the pod's own address
            argv = ["dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv",
                    "--no-hosts", "--user=root", "--pid-file", "--log-facility=-",
                    f"--port={pod.port}", f"--address=/who.test/{pod.v4}"]
        elif pod.app == "udp-echo":
            argv = ["/usr/bin/python3", "-B", f"{ROOT}/test/integration/udp_peer.py", "serve",
                    str(pod.port)]
        elif pod.app == "tcp-peer":
            argv = ["/usr/bin/python3", "-B", f"{ROOT}/test/integration/tcp_server.py",
                    str(pod.port)]
        else:
            with open(f"{run_dir}/nginx.conf", "w") as config:
                config.write(servers.nginx_config(pod, run_dir))
            argv = ["nginx", "-e", "stderr", "-c", f"{run_dir}/nginx.conf"]
        self.servers[pod.name] = shell.Daemon(pod.name, argv, log, self.netns(pod.name)).start()

    def start_pilot(self):
        files = self.pilot_tls_dir
        tls = [f"--grpc-tls-addr={topo.PILOT_TLS_ADDRESS}", f"--tls-cert={files}/cert.pem",
               f"--tls-key={files}/key.pem", f"--tls-roots={files}/roots.pem"]
        self.pilot = shell.Daemon(
            "meltemi-pilot",
            [PILOT_BINARY, f"--config-dir={self.config_dir}", f"--grpc-addr={topo.PILOT_ADDRESS}",
             f"--http-addr={topo.MANAGEMENT_GATEWAY}:8080",
             *(tls if self.topology.pilot_tls else [])],
            f"{self.run_dir}/pilot.log", self.control_netns).start()

    def _by_clock(self, argv):
        """What to start for a process that goes by the mesh's own clock."""
        return [*self.clock.argv, *argv] if self.clock else argv

    @property
    def ca_dir(self):
        return f"{self.run_dir}/ca"

    def start_ca(self):
        self.ca = shell.Daemon(
            "meltemi-ca", self._by_clock(
                [CA_BINARY, f"--data-dir={self.ca_dir}", f"--registry-dir={self.config_dir}",
                 f"--grpc-addr={topo.CA_ADDRESS}", f"--http-addr={topo.MANAGEMENT_GATEWAY}:15014",
                 f"--token-jwks={self.token_issuer.jwks_path}", f"--token-issuer={tokens.ISSUER}"]),
            f"{self.run_dir}/ca.log", self.control_netns).start()
        bundle = shell.wait_until(self._trust_bundle, "the CA to have a root", 20)
        with open(self.roots_path, "w") as file:
            file.write(bundle)

    @property
    def pilot_tls_dir(self):
        return f"{self.run_dir}/pilot-tls"

    def renew_pilot_certificate(self):
        """As an operator does now and then; Pilot reads the files while it serves."""
        self.meltemi_ca("certificate", "create", "--account=meltemi-system/meltemi-pilot",
                        f"--dns-names={PILOT_SERVER_NAME}", f"--out={self.pilot_tls_dir}")

    @property
    def roots_path(self):
        """Of the CA, as it had them when it started."""
        return f"{self.run_dir}/roots.pem"

    def _trust_bundle(self):
        self.ca.check_running()
        done = self.meltemi_ca("trust-bundle", check=False)
        return done.stdout if done.returncode == 0 else None

    def meltemi_ca(self, *arguments, check=True):
        """A command of the CA's operator, on its folder."""
        return shell.run(self._by_clock([CA_BINARY, *arguments, f"--data-dir={self.ca_dir}"]),
                         check=check)

    def _joins_by_token(self, node):
        return node == self.topology.nodes[0]

    def _token_path(self, node):
        return f"{self.run_dir}/{node.name}.token"

    def write_token(self, node, ahead_s=0):
        """As the platform does before the last one expires: it is good for an hour."""
        now = (self.clock.now() if self.clock else time.time()) + ahead_s
        with open(self._token_path(node), "w") as file:
            file.write(self.meltemi_ca("join-token", "create", "--node", node.name).stdout
                       if self._joins_by_token(node)
                       else self.token_issuer.node_token(node.name, now))

    def _bootstrap_ca(self, node):
        kind = "join_token_path" if self._joins_by_token(node) else "token_path"
        return {"address": topo.CA_ADDRESS, "server_name": "meltemi-ca",
                "roots_path": self.roots_path, kind: self._token_path(node)}

    def bootstrap_path(self, node):
        return f"{self.run_dir}/{node.name}.yaml"

    def bootstrap(self, node, static_resources=None, topology=None):
        """`topology`: the mesh's own, or one with other pods."""
        bootstrap = topo.node_bootstrap(node, topology or self.topology, self.access_log(node),
                                        static_resources)
        if self.with_ca:
            bootstrap["meltemi"]["ca"] = self._bootstrap_ca(node)
        if self.topology.pilot_tls and static_resources is None:
            self._call_pilot_by_tls(bootstrap)
        return bootstrap

    def _call_pilot_by_tls(self, bootstrap):
        """As the node that the CA says it is; Pilot's certificate is of the same CA."""
        service, = bootstrap["dynamic_resources"]["ads_config"]["grpc_services"]
        service["google_grpc"].update(
            target_uri=topo.PILOT_TLS_ADDRESS,
            channel_credentials={"ssl_credentials": {}},
            channel_args={"args": {"grpc.ssl_target_name_override": {
                "string_value": PILOT_SERVER_NAME}}})

    def write_bootstrap(self, node, bootstrap):
        with open(self.bootstrap_path(node), "w") as file:
            yaml.safe_dump(bootstrap, file, sort_keys=False)

    def start_plane(self, node, static_resources=None, more_workloads=(), sections=None):
        bootstrap = self.bootstrap(node, static_resources)
        bootstrap.update(sections or {})
        bootstrap["meltemi"]["workloads"] += more_workloads
        if self.with_ca:
            self.write_token(node)
        self.write_bootstrap(node, bootstrap)
        self.planes[node.name] = shell.Daemon(
            node.name, self._by_clock([NODE_BINARY, f"--config={self.bootstrap_path(node)}"]),
            f"{self.run_dir}/{node.name}.log", self.netns(node.name)).start()

    def _use_kernel(self):
        for node in self.topology.nodes:
            netns = self.netns(node.name)
            network.kernel_forwarding(netns, node,
                                      [p.name for p in self.topology.pods if p.node == node],
                                      [n for n in self.topology.nodes if n != node])
            network.kernel_masquerade(netns)
            for service in self.topology.services:
                backends = [(p.v4, p.v6, p.port) for p in self.topology.pods_of(service)]
                network.kernel_service(netns, (service.v4, service.v6), service.port, backends)

    def check_alive(self):
        """Our own processes may never end by themselves."""
        for daemon in [*self.planes.values(), self.pilot, self.ca]:
            if daemon:
                daemon.check_running()

    # What operators and clients do.

    def in_pod(self, name, argv):
        return shell.in_netns(self.netns(name), argv)

    def run_in_pod(self, name, argv, check=True, timeout_s=120):
        return shell.run(self.in_pod(name, argv), check=check, timeout_s=timeout_s)

    def meltemi(self, *arguments, check=True):
        """The CLI, where an operator would run it. Returns its output."""
        argv = [CLI_BINARY, f"--pilot={topo.PILOT_ADDRESS}", *arguments]
        return shell.run(shell.in_netns(self.control_netns, argv), check=check)

    def apply(self, *rules):
        """Applies files of deploy/dev/bookinfo, by name, and waits until every node has them."""
        for rule in rules:
            self.meltemi("apply", "-f", rule if rule.startswith("/") else f"{BOOKINFO_DIR}/{rule}")
        self.wait_converged()

    def apply_objects(self, *documents):
        """The same of objects as values."""
        path = f"{self.run_dir}/objects.yaml"
        with open(path, "w") as file:
            yaml.safe_dump_all(documents, file, sort_keys=False)
        self.apply(path)

    def delete(self, kind, name):
        self.meltemi("delete", kind, name)
        self.wait_converged()

    def wait_converged(self, timeout_s=15.0):
        shell.wait_until(self.converged, "every node to acknowledge the configuration", timeout_s)

    def converged(self):
        """Every node has acknowledged what Pilot serves now, by `meltemi status`."""
        done = self.meltemi("status", check=False)
        if done.returncode != 0:
            return False
        if " refused " in done.stdout:
            raise shell.CommandFailed(done.stdout)
        rows = {line.split()[0]: line for line in done.stdout.splitlines() if line.strip()}
        return all(_row_synced(rows.get(node.name, "")) for node in self.topology.nodes)

    def admin(self, node, path):
        done = shell.run(shell.in_netns(self.control_netns, [
            "curl", "-s", "-f", "-m", "5", f"http://{node.management_v4}:{topo.ADMIN_PORT}{path}"]),
            check=False)
        return done.stdout if done.returncode == 0 else None

    def wait_ready(self, timeout_s=20.0):
        """Servers listen, nodes have their first configuration, every service answers."""
        if plane() != "kernel":
            for node in self.topology.nodes:
                shell.wait_until(lambda n=node: self._node_ready(n), f"{node.name} to be ready",
                                 timeout_s)
            if self.topology.mesh_tls:
                self.wait_for_identities()
        for service in self.topology.services:
            if service.port_name.startswith("http"):
                shell.wait_until(lambda s=service: self._answers(s),
                                 f"service {service.name} to answer", timeout_s, 0.1)

    def wait_for_identities(self, timeout_s=20.0):
        """Every node has the certificates of its workloads, and its own."""
        for node in self.topology.nodes:
            accounts = {p.service_account for p in self.topology.pods
                        if p.node == node and p.app != topo.OUTSIDER}
            shell.wait_until(lambda n=node, a=accounts:
                             (self.admin(n, "/certs") or "").count("cert_chain") > len(a),
                             f"{node.name} to have its certificates", timeout_s, 0.1)

    def _node_ready(self, node):
        self.check_alive()
        return self.admin(node, "/ready") is not None

    def _answers(self, service):
        done = self.run_in_pod("client", ["curl", "-s", "-o", "/dev/null", "-m", "2", "-w",
                                          "%{http_code}", f"http://{service.name}:{service.port}"
                                          "/health"], check=False)
        return done.stdout == "200"


def _row_synced(row):
    """The line of a node in `meltemi status`: nothing behind, and all types known but maybe SDS."""
    return row.count("SYNCED (") >= 4 and "STALE" not in row and "NOT SENT" not in row
