"""Builds and removes the namespaces and veths of a mesh.

All names begin with one prefix, so that a run that was killed can be cleaned up by the next one:
remove(prefix) ends what runs in the prefix's namespaces and deletes them.
"""
import os
import shutil
import signal

import shell


def _batch(netns, lines):
    """Many `ip` commands in one process."""
    shell.run(["ip", "-n", netns, "-batch", "-"], stdin_text="\n".join(lines) + "\n")


def _sysctl(netns, *settings):
    shell.run(shell.in_netns(netns, ["sysctl", "-qw", *settings]))


def namespaces(prefix):
    done = shell.run(["ip", "netns", "list"])
    return [line.split()[0] for line in done.stdout.splitlines() if line.startswith(prefix)]


def remove(prefix):
    """Ends every process in the prefix's namespaces and removes the namespaces; idempotent."""
    for netns in namespaces(prefix):
        for pid in shell.run(["ip", "netns", "pids", netns], check=False).stdout.split():
            try:
                os.kill(int(pid), signal.SIGKILL)
            except ProcessLookupError:
                pass  # ended by itself meanwhile
        shell.run(["ip", "netns", "del", netns], check=False)
    for directory in _etc_directories(prefix):
        shutil.rmtree(directory, ignore_errors=True)


def _etc_directories(prefix):
    if not os.path.isdir("/etc/netns"):
        return []
    return [os.path.join("/etc/netns", d) for d in os.listdir("/etc/netns")
            if d.startswith(prefix)]


def add_namespace(netns, hosts_text=""):
    os.makedirs(f"/etc/netns/{netns}", exist_ok=True)
    with open(f"/etc/netns/{netns}/hosts", "w") as hosts:
        hosts.write("127.0.0.1 localhost\n::1 localhost\n" + hosts_text)
    shell.run(["ip", "netns", "add", netns])
    _sysctl(netns, "net.ipv6.conf.all.accept_dad=0", "net.ipv6.conf.default.accept_dad=0")
    _batch(netns, ["link set lo up"])


def add_management(control_netns, node_netns, addresses):
    """A kernel network for control traffic: a bridge in `control_netns`, one leg per node."""
    gateway = "10.99.0.1/24"
    _batch(control_netns, ["link add br0 type bridge", f"addr add {gateway} dev br0",
                           "link set br0 up"])
    for netns, address in zip(node_netns, addresses):
        leg = netns[-14:]
        _batch(control_netns, [f"link add {leg} type veth peer name mgmt0 netns {netns}",
                               f"link set {leg} master br0 up"])
        _batch(netns, [f"addr add {address}/24 dev mgmt0", "link set mgmt0 up"])


def _quiet_port(netns, device):
    """A host end that belongs to the plane: the kernel must neither speak nor listen on it."""
    _sysctl(netns, f"net.ipv6.conf.{device}.disable_ipv6=1")
    _batch(netns, [f"link set {device} arp off up"])


def add_pod_link(node_netns, pod_netns, device, addresses, gateways):
    """The pod's eth0 and the node's end of it."""
    _batch(node_netns, [f"link add {device} type veth peer name eth0 netns {pod_netns}"])
    _quiet_port(node_netns, device)
    address_pod(pod_netns, "eth0", addresses, gateways)


def address_pod(pod_netns, device, addresses, gateways):
    v4, v6 = addresses
    _batch(pod_netns, [f"addr add {v4}/24 dev {device}", f"addr add {v6}/64 dev {device} nodad",
                       f"link set {device} up", f"route add default via {gateways[0]}",
                       f"route add default via {gateways[1]}"])


def remove_link(netns, device):
    shell.run(["ip", "-n", netns, "link", "del", device])


def add_uplink(netns_a, netns_b):
    _batch(netns_a, [f"link add uplink type veth peer name uplink netns {netns_b}"])
    _quiet_port(netns_a, "uplink")
    _quiet_port(netns_b, "uplink")


def kernel_forwarding(netns, node, pod_devices, peers):
    """Lets the kernel be the plane of a node: the pods' links in a bridge that is their gateway."""
    _sysctl(netns, "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")
    lines = ["link add pods type bridge"]
    lines += [f"link set {device} master pods arp on" for device in pod_devices]
    lines += [f"addr add {node.gateways[0]}/24 dev pods",
              f"addr add {node.gateways[1]}/64 dev pods nodad", "link set pods up"]
    if peers:
        lines += ["link set uplink arp on", f"addr add {node.uplinks[0]}/24 dev uplink"]
        _sysctl(netns, "net.ipv6.conf.uplink.disable_ipv6=0")
        lines += [f"addr add {node.uplinks[1]}/64 dev uplink nodad"]
        lines += [f"route add {p.subnets[0]} via {p.uplinks[0]}" for p in peers]
        lines += [f"route add {p.subnets[1]} via {p.uplinks[1]}" for p in peers]
    _batch(netns, lines)


def kernel_service(netns, addresses, port, backends):
    """Spreads a service's connections over its backends with iptables, as kube-proxy does."""
    for tool, address, targets in (
            ("iptables", addresses[0], [f"{v4}:{p}" for v4, _, p in backends]),
            ("ip6tables", addresses[1], [f"[{v6}]:{p}" for _, v6, p in backends])):
        nat = shell.in_netns(netns, [tool, "-w", "-t", "nat"])
        for i, target in enumerate(targets):
            share = ["-m", "statistic", "--mode", "nth", "--every", str(len(targets) - i),
                     "--packet", "0"] if i + 1 < len(targets) else []
            shell.run([*nat, "-A", "PREROUTING", "-d", address, "-p", "tcp", "--dport", str(port),
                       *share, "-j", "DNAT", "--to-destination", target])


def kernel_masquerade(netns):
    for tool in ("iptables", "ip6tables"):
        shell.run(shell.in_netns(netns, [tool, "-w", "-t", "nat", "-A", "POSTROUTING", "-m",
                                         "conntrack", "--ctstate", "DNAT", "-j", "MASQUERADE"]))


def in_use(prefix):
    return bool(namespaces(prefix)) or bool(_etc_directories(prefix))
