"""What a mesh on one machine consists of: nodes, pods, services and their addresses.

Plain values; nothing here touches the system. mesh.py builds what these describe.
"""
import dataclasses

MANAGEMENT_GATEWAY = "10.99.0.1"
PILOT_ADDRESS = f"{MANAGEMENT_GATEWAY}:15010"
CA_ADDRESS = f"{MANAGEMENT_GATEWAY}:15012"
PILOT_TLS_ADDRESS = f"{MANAGEMENT_GATEWAY}:15013"
ADMIN_PORT = 15000


@dataclasses.dataclass(frozen=True)
class Node:
    """A simulated machine: a namespace with one meltemi-node process."""
    name: str
    number: int  # 1..99, in every address of the node

    @property
    def management_v4(self):
        return f"10.99.0.{10 + self.number}"

    @property
    def gateways(self):
        return [f"10.{self.number}.0.1", f"fd00:{self.number}::1"]

    @property
    def subnets(self):
        return [f"10.{self.number}.0.0/24", f"fd00:{self.number}::/64"]

    @property
    def uplinks(self):
        return [f"172.16.0.{self.number}", f"fd00:ff::{self.number}"]


@dataclasses.dataclass(frozen=True)
class Pod:
    """A namespace with one veth to its node."""
    name: str
    app: str
    node: Node
    number: int  # the host part of its addresses, 10..99
    version: str = "v1"
    port: int = 9080

    @property
    def v4(self):
        return f"10.{self.node.number}.0.{self.number}"

    @property
    def v6(self):
        return f"fd00:{self.node.number}::{self.number}"

    @property
    def service_account(self):
        return f"bookinfo-{self.app}"


@dataclasses.dataclass(frozen=True)
class Service:
    """A name, two addresses and a port; its pods are those with the label app=<name>."""
    name: str
    number: int  # the host part of its addresses
    port: int = 9080
    port_name: str = "http"
    family: str = "dual"  # "IPv6": its endpoints are the IPv6 addresses of `app`'s pods
    app: str = ""
    protocol: str = "TCP"

    @property
    def v4(self):
        return f"10.96.0.{self.number}"

    @property
    def v6(self):
        return f"fd00:96::{self.number}"

    @property
    def selected_app(self):
        return self.app or self.name


@dataclasses.dataclass(frozen=True)
class Topology:
    nodes: tuple
    pods: tuple
    services: tuple
    workers: int = 1
    busy_poll_us_max: int = 50
    memory_mb: int = 128
    uplink_socket: str = ""  # of vhost-user between the two nodes; "": a veth
    more_ports: tuple = ()  # entries of every node's bootstrap, as they are
    mesh_tls: bool = False  # pods take the mesh's mutual TLS: the nodes have a CA
    pilot_tls: bool = False  # nodes call Pilot by mutual TLS, with their certificates; needs a CA
    movable_clock: bool = False  # nodes and CA go by a time of day that tests move
    gateway: Node = None  # its plane is Istio's ingress gateway, at the addresses of its uplink

    def pod(self, name):
        return next(p for p in self.pods if p.name == name)

    def service(self, name):
        return next(s for s in self.services if s.name == name)

    def pods_of(self, service):
        return [p for p in self.pods if p.app == service.selected_app]


NODE_A = Node("node-a", 1)
NODE_B = Node("node-b", 2)

# Istio's Bookinfo on two nodes: the client and half of the pods on node-a, the rest on node-b.
BOOKINFO = Topology(
    nodes=(NODE_A, NODE_B),
    pods=(
        Pod("client", "client", NODE_A, 10),
        Pod("productpage-v1", "productpage", NODE_A, 11),
        Pod("reviews-v1", "reviews", NODE_A, 12, "v1"),
        Pod("details-v1", "details", NODE_A, 13),
        Pod("reviews-v2", "reviews", NODE_B, 12, "v2"),
        Pod("reviews-v3", "reviews", NODE_B, 13, "v3"),
        Pod("ratings-v1", "ratings", NODE_B, 14),
    ),
    services=(
        Service("productpage", 11),
        Service("reviews", 12),
        Service("details", 13),
        Service("ratings", 14),
    ),
)


# A client that no node knows the workload of: it comes in as from another network.
OUTSIDER = "outsider"


# Istio's ingress gateway: a pod in the host's network, as Kubernetes sees it.
INGRESS = "ingress"
INGRESS_LABELS = {"istio": "ingressgateway"}
INGRESS_ACCOUNT = "ingress"


def ingress_document(node):
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": INGRESS, "namespace": "default", "labels": INGRESS_LABELS},
        "spec": {"nodeName": node.name, "serviceAccountName": INGRESS_ACCOUNT,
                 "hostNetwork": True},
        "status": {"phase": "Running", "podIP": node.uplinks[0],
                   "podIPs": [{"ip": address} for address in node.uplinks]},
    }


def pod_document(pod, mesh_tls=False):
    """The Pod as Kubernetes would show it to Pilot."""
    label = {"security.istio.io/tlsMode": "istio"} if mesh_tls else {}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": pod.name, "namespace": "default",
                     "labels": {"app": pod.app, "version": pod.version, **label}},
        "spec": {"nodeName": pod.node.name, "serviceAccountName": pod.service_account},
        "status": {"phase": "Running", "podIP": pod.v4,
                   "podIPs": [{"ip": pod.v4}, {"ip": pod.v6}]},
    }


def service_documents(service, topology):
    """The Service, and for one without selector its EndpointSlice."""
    spec = {
        "clusterIP": service.v4,
        "clusterIPs": [service.v4, service.v6],
        "ports": [{"name": service.port_name, "port": service.port,
                   "protocol": service.protocol}],
    }
    document = {"apiVersion": "v1", "kind": "Service",
                "metadata": {"name": service.name, "namespace": "default"}, "spec": spec}
    if service.family != "IPv6":
        spec["selector"] = {"app": service.selected_app}
        return [document]
    pods = topology.pods_of(service)
    return [document, {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": f"{service.name}-1", "namespace": "default",
                     "labels": {"kubernetes.io/service-name": service.name}},
        "addressType": "IPv6",
        "endpoints": [{"addresses": [pod.v6]} for pod in pods],
        "ports": [{"name": service.port_name, "port": service.port}],
    }]


def uplink_device(node, topology):
    if not topology.uplink_socket:
        return "veth:uplink"
    kind = "vhost" if node == topology.nodes[0] else "virtio"
    return f"{kind}:{topology.uplink_socket}"


def node_bootstrap(node, topology, access_log_path, static_resources=None):
    """The bootstrap file of one meltemi-node: its ports, addresses, routes and workloads."""
    pods = [p for p in topology.pods if p.node == node]
    peers = [n for n in topology.nodes if n != node]
    gateways = [f"{node.gateways[0]}/24", f"{node.gateways[1]}/64"]
    ports = [{"name": p.name, "device": f"veth:{p.name}", "kind": "POD", "addresses": gateways,
              "workload": f"{p.name}.default", "mtu": 1500}
             for p in pods if p.app != OUTSIDER]
    ports += [{"name": p.name, "device": f"veth:{p.name}", "kind": "UPLINK", "mtu": 1500,
               "addresses": gateways} for p in pods if p.app == OUTSIDER]
    if peers:
        ports.append({"name": "uplink", "device": uplink_device(node, topology), "kind": "UPLINK",
                      "mtu": 1500,
                      "addresses": [f"{node.uplinks[0]}/24", f"{node.uplinks[1]}/64"]})
    ports.extend(topology.more_ports)
    bootstrap = {
        "node": {"id": node.name, "cluster": "meltemi-node"},
        "admin": {"address": {"socket_address": {"address": "0.0.0.0",
                                                 "port_value": ADMIN_PORT}}},
        "meltemi": {
            "workers": topology.workers,
            "busy_poll_us_max": topology.busy_poll_us_max,
            "memory_mb": topology.memory_mb,
            "hugepages": False,
            "access_log_path": access_log_path,
            "ports": ports,
            "routes": [{"prefix": peer.subnets[i], "via": peer.uplinks[i], "port": "uplink"}
                       for peer in peers for i in (0, 1)] +
                      [{"prefix": f"{p.v4}/32", "port": p.name}
                       for p in pods if p.app == OUTSIDER],
            "workloads": [{"name": p.name, "namespace": "default", "addresses": [p.v4, p.v6],
                           "port": p.name, "service_account": p.service_account,
                           "labels": {"app": p.app, "version": p.version}}
                          for p in pods if p.app != OUTSIDER],
        },
    }
    if topology.gateway == node:
        bootstrap["meltemi"]["workloads"].append(
            {"name": INGRESS, "namespace": "default", "addresses": node.uplinks, "port": "uplink",
             "service_account": INGRESS_ACCOUNT, "labels": INGRESS_LABELS})
    if static_resources is not None:
        bootstrap["static_resources"] = static_resources
    else:
        bootstrap["dynamic_resources"] = {
            "ads_config": {
                "api_type": "GRPC", "transport_api_version": "V3",
                "grpc_services": [{"google_grpc": {"target_uri": PILOT_ADDRESS,
                                                   "stat_prefix": "pilot"}}]},
            "lds_config": {"ads": {}},
            "cds_config": {"ads": {}},
        }
    return bootstrap
