"""Links between the namespaces of a rig."""
import shell


def batch(netns, *lines):
    shell.run(["ip", "-n", netns, "-batch", "-"], stdin_text="\n".join(lines) + "\n")


def sysctl(netns, *settings):
    shell.run(shell.in_netns(netns, ["sysctl", "-qw", *settings]))


def add(outer_netns, outer, inner_netns, inner):
    """A veth whose ends belong to programs, not to the kernel: it neither speaks nor listens."""
    batch(outer_netns, f"link add {outer} type veth peer name {inner} netns {inner_netns}")
    for netns, device in ((outer_netns, outer), (inner_netns, inner)):
        sysctl(netns, f"net.ipv6.conf.{device}.disable_ipv6=1")
        batch(netns, f"link set {device} arp off up")


def kernel_address(netns, device, address):
    """This end is the kernel's after all."""
    batch(netns, f"link set {device} arp on", f"addr add {address} dev {device}")


def kernel_bridge(netns, devices):
    batch(netns, "link add br0 type bridge",
          *[f"link set {device} master br0 arp on" for device in devices], "link set br0 up")


def receive_on(netns, device, cpu):
    """Receiving is done by the owner's CPU, not by the sender's (RPS)."""
    shell.run(shell.in_netns(netns, [
        "sh", "-c", f"for q in /sys/class/net/{device}/queues/rx-*; do "
                    f"echo {1 << cpu:x} > $q/rps_cpus; done"]))
