"""What may be used only in its home: a table. A home is a path prefix with the reason it is one.

Applies to production code of l7/ and dataplane/ unless a rule names other folders; tests, fakes
and benchmarks are free.
"""
import dataclasses

WORKER_CODE = ("l7/", "dataplane/")
ALL_CODE = ("l7/", "dataplane/", "control/", "ca/")

_CONTROL_THREAD = {
    "dataplane/agent/": "the xDS client runs on its own thread, with gRPC's clock and locks",
    "dataplane/admin/": "the admin server runs on its own thread",
    "dataplane/main": "starts and joins the threads",
    "dataplane/node": "starts and joins the threads",
}


@dataclasses.dataclass(frozen=True)
class Ban:
    name: str
    pattern: str  # of code without comments and strings
    folders: tuple
    homes: dict


BANS = (
    Ban("clock",
        r"std::chrono::\w*clock|\babsl::(?:Now|GetCurrentTimeNanos)\b|\bclock_gettime\b|"
        r"\bgettimeofday\b|\b_*rdtscp?\b|\brte_(?:rdtsc|get_tsc_cycles)\b|"
        r"\btime\((?:nullptr|NULL|0)\)",
        WORKER_CODE,
        {**_CONTROL_THREAD,
         "dataplane/worker/runner": "reads the clock once a turn and hands it down as `now`",
         "dataplane/tls/record_ratio": "a benchmark, which times rounds",
         "l7/base/stage": "counts cycles in binaries for bench/profile, and in no others"}),
    Ban("randomness",
        r"std::(?:random_device|mt19937\w*|minstd_rand\w*)|\babsl::(?:BitGen|InsecureBitGen)\b|"
        r"\bs?rand\(\)|\bgetrandom\b|\bRAND_bytes\b|\brdrand\b",
        WORKER_CODE,
        {"dataplane/main": "seeds each worker's Prng", "dataplane/node": "seeds each worker's Prng",
         "dataplane/agent/": "jitter of reconnects"}),
    Ban("atomics",
        r"\bstd::atomic\w*|\b__atomic_\w+|\b__sync_\w+|\brte_atomic\w+",
        WORKER_CODE,
        {"dataplane/shared/": "all that crosses threads lives there",
         "l7/base/shared_cell": "numbers that all workers of a node read and write",
         "l7/base/token_bucket": "tokens that all workers of a node take",
         **_CONTROL_THREAD}),
    Ban("locks",
        r"\bstd::(?:\w*mutex|condition_variable\w*|lock_guard|unique_lock|scoped_lock|call_once)\b|"
        r"\babsl::(?:Mutex\w*|CondVar|Notification|BlockingCounter)\b|"
        r"\bpthread_(?:mutex|cond|rwlock)\w*|"
        r"\brte_spinlock\w*",
        WORKER_CODE,
        {"dataplane/shared/": "all that crosses threads lives there",
         **_CONTROL_THREAD}),
    Ban("threads",
        r"\bstd::(?:j?thread|async)\b|\bpthread_create\b|\bfork\(\)",
        WORKER_CODE,
        {**_CONTROL_THREAD,
         "dataplane/tls/handshake_threads": "handshakes are computed off the workers"}),
    Ban("thread_local", r"\bthread_local\b|\b__thread\b", ALL_CODE,
        {"dataplane/tls/parsed_certificates": "libcrypto's d2i_X509 is given no context to look in",
         "l7/base/stage": "the stage a thread is in, in binaries for bench/profile only"}),
    Ban("raw new or malloc",
        # `Owner(new T(...))` is owned in the same expression; placement new allocates nothing.
        r"(?<!\()\bnew\s+[\w:]|\b(?:malloc|calloc|realloc|posix_memalign|aligned_alloc)\(",
        WORKER_CODE,
        {"dataplane/packet/heap_pool": "lays mbufs out by hand where DPDK would",
         "l7/base/slice.cc": "the buffers of heap slices",
         "dataplane/packet/dpdk_pool": "DPDK's own allocator",
         "l7/base/heap_buffer_pool": "the buffer pool of tests and tools"}),
    Ban("shared_ptr", r"\bstd::(?:shared_ptr|make_shared|weak_ptr|enable_shared_from_this)\b",
        WORKER_CODE,
        {"l7/config/": "a snapshot is shared by what pins it: made and freed off the workers",
         "dataplane/shared/snapshot_slot": "hands a snapshot to the workers",
         "dataplane/tls/context": "certificates and keys are shared by the handshakes they pin",
         "dataplane/agent/": "gRPC and the snapshots it makes",
         "dataplane/admin/": "reads the snapshot in force"}),
    Ban("exceptions", r"\b(?:throw|try|catch)\b", ALL_CODE,
        {"dataplane/agent/yaml": "yaml-cpp throws: caught where it is called",
         "dataplane/agent/bootstrap": "yaml-cpp throws: caught where it is called",
         "dataplane/agent/secret_file": "yaml-cpp throws: caught where it is called",
         "control/pilot/model/": "yaml-cpp throws: caught where it is called",
         "ca/authn/pod_files": "yaml-cpp throws: caught where it is called"}),
    Ban("sockets in l7",
        r"\b(?:socket|bind|connect|accept4?|recv\w*|send(?:to|msg|mmsg))\s*\(\s*(?:AF_|fd)|"
        r"\bepoll_\w+\(", ("l7/",), {}),
)

# Headers that only their homes include. `except_for` are headers of the family anyone may use.
@dataclasses.dataclass(frozen=True)
class HeaderBan:
    name: str
    pattern: str
    homes: dict
    except_for: tuple = ()


HEADER_BANS = (
    HeaderBan("OpenSSL", r"openssl/",
              {"dataplane/tls/": "handshakes", "l7/policy/jwt": "signatures of tokens",
               "ca/": "certificates"}),
    HeaderBan("ipsec-mb", r"(?:intel-ipsec-mb|ipsec-mb|ipsec_mb).*",
              {"dataplane/tls/": "records"}),
    HeaderBan("gRPC", r"(?:grpcpp|grpc|grpc\+\+)/|.*\.grpc\.pb\.h",
              {"dataplane/agent/": "xDS client", "control/": "servers and the CLI",
               "ca/": "server"}),
    HeaderBan("DPDK", r"(?:.*/)?rte_\w+\.h",
              {"dataplane/nic/dpdk_": "ethdev ports", "dataplane/nic/ethdev": "ethdev ports",
               "dataplane/packet/dpdk_pool": "packet memory of production",
               "dataplane/main": "starts the EAL", "dataplane/node": "starts the EAL"},
              except_for=("rte_mbuf_core.h",)),
    HeaderBan("threads and clocks of the standard library",
              r"(?:thread|mutex|shared_mutex|condition_variable|future|semaphore|barrier|latch|"
              r"random)$",
              {"dataplane/shared/": "all that crosses threads lives there",
               "dataplane/tls/handshake_threads": "handshakes are computed off the workers",
               **_CONTROL_THREAD, "control/": "threads and clocks of servers",
               "ca/": "threads and clocks of servers"}),
    HeaderBan("yaml-cpp", r"yaml-cpp/",
              {"dataplane/agent/": "the bootstrap file", "control/": "the registry",
               "ca/authn/pod_files": "the registry's Pods"}),
)
