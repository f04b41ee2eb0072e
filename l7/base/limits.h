// Every bound of the data plane in one place. Reaching one is normal: it is counted and tested
// where it is enforced. Options may lower some of them at start-up. One raises: the bootstrap's
// connections_max, which is how many connections a worker has room for in all of its tables
// (dataplane/connection_bounds.h).
#ifndef MELTEMI_L7_BASE_LIMITS_H_
#define MELTEMI_L7_BASE_LIMITS_H_

#include <cstddef>
#include <cstdint>

#include "l7/base/time.h"

namespace meltemi::limits {

// Worker
inline constexpr int kWorkerCountMax = 64;
inline constexpr int kRxBurst = 32;            // packets per port and turn
inline constexpr int kTxBurst = 64;            // packets per port and call
inline constexpr int kMailPerTurn = 64;        // messages read per turn
inline constexpr int kPeerMailPerTurn = 256;   // packets taken from one other worker per turn
inline constexpr size_t kMailboxSlots = 1024;  // per worker and direction
inline constexpr int kPortCountMax = 1024;
inline constexpr size_t kTraceRingSlots = 8192;  // access log records waiting for the log thread

// Packets
inline constexpr uint32_t kSuperFrameBytesMax = 65'535 + 64;  // GSO frame with its link header
inline constexpr uint32_t kMtuMin = 576;                      // RFC 791; IPv6 needs 1280 (RFC 8200)

// IP
inline constexpr uint32_t kNeighbourCountMax = 4096;
// Packets that wait for one address, then dropped, the oldest first: as many as in Linux. As many
// connections to a pod may open at once, before it has ever answered, without one of them losing a
// second to its SYN.
inline constexpr int kNeighbourPendingPackets = 101;
inline constexpr int kIcmpErrorsPerSecond = 100;  // per worker, RFC 1812 4.3.2.8
inline constexpr uint32_t kRouteCountMax = 65'536;
inline constexpr size_t kPortTxQueuePackets = 4096;  // waiting for a port, then dropped
inline constexpr int kSuperFrameSegmentsMax = 256;   // packets one super-frame may be cut into
inline constexpr int kMergeRunsMax = 8;              // connections merged at a time, in one burst
inline constexpr uint32_t kMergeBytesMin = 256;      // TCP packets below it only end a run
inline constexpr int kMergePiecesMax = 40;           // of a merged packet: ixgbe sends no more
inline constexpr int kFragmentsMadeMax = 64;         // one packet is cut into; 1472 x 64 > 64 KB
// Fragments for the plane that wait for the rest, per worker; bytes are of packet memory.
inline constexpr uint32_t kReassemblyDatagramsMax = 512;
inline constexpr int kReassemblyFragmentsMax = 64;  // of one datagram; 1232 x 64 > 64 KB
inline constexpr uint32_t kReassemblyBytesMax = 4 * 1024 * 1024;
inline constexpr uint32_t kReassemblyBytesPerSource = 512 * 1024;
inline constexpr uint32_t kUdpSessionCountMax = 65'536;  // per worker
inline constexpr size_t kIcmpErrorsToldPerTurn = 256;    // ICMP errors handed to TCP
inline constexpr size_t kNeighbourUpdatesPerTurn = 256;  // told to the other workers
inline constexpr size_t kPortAddressCountMax = 64;       // own and pod addresses of a port, each

// TCP
// Distinct settings of keepalive among a worker's connections; more keep the worker's own.
inline constexpr size_t kTcpKeepaliveCountMax = 255;
inline constexpr uint32_t kTcpConnCountMax = 65'536;  // per worker, default of the option
inline constexpr uint32_t kTcpSynQueueMax =
    4096;  // half-open connections per worker; SYN cookies above
// What a connection may receive ahead of its reader. It begins at Bytes, grows by measured delivery
// up to BytesMax, and shrinks towards BytesMin when the worker's memory runs out.
inline constexpr uint32_t kTcpReceiveWindowBytes = 256 * 1024;
inline constexpr uint32_t kTcpReceiveWindowBytesMin = 16 * 1024;
inline constexpr uint32_t kTcpReceiveWindowBytesMax = 4 * 1024 * 1024;
// Above its send limit the writer is paused: twice the congestion window, between these two. Bytes
// is what the owner gives at once.
inline constexpr uint32_t kTcpSendQueueBytes = 512 * 1024;
inline constexpr uint32_t kTcpSendQueueBytesMin = 64 * 1024;
inline constexpr uint32_t kTcpSendQueueBytesMax = 4 * 1024 * 1024;
inline constexpr uint64_t kTcpMemoryBytesMax =
    512 * 1024 * 1024;  // per worker, default of the option
inline constexpr int kTcpOutOfOrderSegments =
    4096;  // slices held per connection: a window of full ones
inline constexpr int kTcpSynRetries = 5;
inline constexpr int kTcpRetries = 15;  // RFC 1122 4.2.3.5: R2 at least 100 s
inline constexpr int kTcpSegmentsPerConnPerTurn = 64;
inline constexpr size_t kTcpReplyQueueMax = 4096;  // packets without a connection, per worker
inline constexpr uint32_t kTcpChallengeAcksPerSecond =
    1000;                                       // per worker, RFC 5961 7; half to one and a half
inline constexpr uint32_t kTcpSendMssMin = 64;  // whatever a peer offers: it costs us a packet each
inline constexpr uint32_t kTcpPathMtuMinV4 = 552;   // below it ICMP is not believed, as in Linux
inline constexpr uint32_t kTcpPathMtuMinV6 = 1280;  // RFC 8201 4
inline constexpr size_t kTcpPathMtuCount = 256;     // destinations with a lowered MTU remembered
inline constexpr Duration kTcpPathMtuLifetime = Duration::Seconds(600);  // RFC 1191 6.3, 8201 4
inline constexpr int kTcpBlackHoleRetries =
    3;  // timeouts of full segments before they are cut shorter
inline constexpr int kTcpOrphanProbesMax = 8;  // of a shut window, when nobody here waits any more

// TLS
inline constexpr uint32_t kTlsSessionCountMax = 2 * kTcpConnCountMax;  // per worker
inline constexpr uint32_t kTlsHandshakesInFlight = 1024;  // per worker; more are refused
inline constexpr int kTlsHandshakesPerTurn = 64;          // taken back, and handed over, per turn
inline constexpr uint32_t kTlsHandshakeBytesMax = 128 * 1024;  // of the peer, until it is done
inline constexpr uint32_t kSniffCountMax = 16 * 1024;  // per worker: clients whose first bytes wait
inline constexpr Duration kSniffTimeout = Duration::Seconds(15);  // where nothing is said: Envoy's
inline constexpr Duration kSniffTimeoutMax = Duration::Seconds(3600);  // as an idle connection
inline constexpr size_t kProxyHeaderBytesMax = 4096;  // PROXY protocol, its extensions with it
inline constexpr size_t kTlsClientHelloBytesMax = 16 * 1024;  // looked at before a decision
inline constexpr Duration kTlsHandshakeTimeout = Duration::Seconds(15);  // Envoy's
inline constexpr int kTlsHandshakeThreadCountMax = 16;
inline constexpr uint32_t kTlsRecordBytesMax = 16'384;         // plaintext, RFC 8446 5.1
inline constexpr uint32_t kTlsPostHandshakeBytesMax = 16'384;  // one message after the handshake
inline constexpr int kTlsEmptyRecordsMax = 32;                 // without data, in a row
inline constexpr int kTlsKeyUpdatesMax = 32;                   // without data between them
inline constexpr uint64_t kTlsRecordsPerKey = 1 << 23;  // RFC 8446 5.5: below 2^24.5 for AES-GCM
inline constexpr uint32_t kTlsExpandedKeys = 4096;      // per worker, 1 KB each
inline constexpr uint32_t kTlsClientSessions = 1024;    // per worker, for resumption
inline constexpr uint32_t kTlsVerifiedCertificates = 1024;    // remembered per handshake thread
inline constexpr uint32_t kTlsParsedCertificates = 256;       // kept per handshake thread
inline constexpr uint32_t kTlsParsedCertificateBytes = 4096;  // larger ones are parsed each time
inline constexpr uint32_t kTlsSubjectAltNamesMax = 64;        // read from a certificate

// HTTP (Envoy's defaults: proxy-behaviour reference 4.4)
inline constexpr uint32_t kHttpHeaderBytesMax = 60 * 1024;
inline constexpr uint32_t kHttpHeaderCountMax = 100;
inline constexpr uint32_t kHttpChunkLineBytesMax = 256;  // chunk size line with extensions
inline constexpr uint32_t kHttpTrailerBytesMax = 8 * 1024;
inline constexpr uint32_t kHttpPipelineDepthMax = 16;         // requests read ahead of the answer
inline constexpr uint32_t kHttpBufferBytesMax = 1024 * 1024;  // per_connection_buffer_limit_bytes
inline constexpr uint32_t kHttpRetryBufferBytesMax = 64 * 1024;  // request body kept for a retry
inline constexpr uint32_t kDirectResponseBytesMax = 4096;

// L7
// Per worker, as long as connections_max is the default or less.
inline constexpr uint32_t kL7ConnCountMax = 2 * kTcpConnCountMax;
inline constexpr uint32_t kExchangeCountMax = 65'536;
inline constexpr uint32_t kIdleUpstreamPerHostMax = 1024;  // per worker
inline constexpr uint32_t kRetryCountMax = 100;
inline constexpr uint32_t kAccessLogFieldBytesMax = 256;  // longer fields are cut in the record
// Of a client's certificates that x-forwarded-client-cert is to have; longer ones are left out of
// it.
inline constexpr size_t kClientCertPemBytesMax = 8 * 1024;
// Of opaque connections whose filter chain was removed: Istio's drainDuration.
inline constexpr Duration kListenerDrainTime = Duration::Seconds(45);

// Configuration
inline constexpr size_t kConfigListenersMax = 65'536;
inline constexpr size_t kChainPrefixesMax = 65'536;  // of all filter chains of one listener
inline constexpr size_t kConfigRoutesMax = 1'000'000;
inline constexpr size_t kConfigEndpointsMax = 1'000'000;
inline constexpr size_t kRbacNodesMax = 65'536;           // conditions of one RBAC filter's rules
inline constexpr size_t kConfigBucketsMax = 65'536;       // token buckets that workers share
inline constexpr size_t kRateLimitDescriptorsMax = 1024;  // of one local rate limit
inline constexpr uint32_t kRateLimitStageMax = 10;        // Envoy's
inline constexpr Duration kFillIntervalMin = Duration::Millis(50);  // Envoy's
inline constexpr size_t kBucketsPerConnectionMax =
    64;  // local_rate_limit_per_downstream_connection

// Tokens
inline constexpr int kJsonDepthMax = 32;
inline constexpr int kJsonNodesMax = 10'000;
inline constexpr size_t kJwtBytesMax = 16 * 1024;
inline constexpr size_t kJwksBytesMax = 1024 * 1024;
inline constexpr size_t kJwksKeysMax = 100;
inline constexpr int kJwtKeyTriesMax = 8;  // signatures checked for a token that names no key

// Identities
inline constexpr size_t kLocalIdentitiesMax = 1024;  // service accounts with workloads on a node
// Principals told apart in metrics, per worker; all others are one.
inline constexpr size_t kPrincipalLabelsMax = 1024;
inline constexpr int kIdentityRequestsInFlight = 8;
inline constexpr size_t kCertificateChainBytesMax = 256 * 1024;
inline constexpr int kCertificateChainMax = 32;  // certificates of a chain or a trust bundle

}  // namespace meltemi::limits

#endif  // MELTEMI_L7_BASE_LIMITS_H_
