// TcpCounters: one counter per drop, verdict and event of dataplane/tcp. A table:
// l7/base/counter.h.
#ifndef MELTEMI_DATAPLANE_TCP_COUNTERS_H_
#define MELTEMI_DATAPLANE_TCP_COUNTERS_H_

#include "l7/base/counter.h"

namespace meltemi::tcp {

#define MELTEMI_TCP_COUNTERS(C)                                                                  \
  C(segments_in, "packets", "TCP packets received (a super-frame counts once)")                  \
  C(segments_out, "packets", "TCP packets made (a super-frame counts once)")                     \
  C(bytes_in, "bytes", "payload bytes delivered in order")                                       \
  C(bytes_out, "bytes", "payload bytes sent for the first time")                                 \
  C(super_frames_out, "packets", "packets sent with segmentation left to the port")              \
  C(drop_header, "packets", "dropped: truncated or malformed TCP header")                        \
  C(drop_checksum, "packets", "dropped: wrong TCP checksum")                                     \
  C(options_malformed, "packets", "TCP options ended early because they were malformed")         \
  C(unmatched, "packets", "segments without a connection, handed to the caller")                 \
  C(drop_out_of_window, "packets", "dropped: outside the receive window (RFC 9293 3.10.7.4)")    \
  C(drop_paws, "packets", "dropped: old timestamp (RFC 7323 5)")                                 \
  C(drop_no_timestamp, "packets", "dropped: timestamp missing though negotiated (RFC 7323 3.2)") \
  C(drop_rst_sequence, "packets", "dropped: RST inside the window, not at its left edge (5961)") \
  C(drop_rst_out_of_window, "packets", "dropped: RST outside the window")                        \
  C(drop_syn_in_window, "packets", "dropped: SYN on a synchronized connection (RFC 5961 4)")     \
  C(drop_no_ack, "packets", "dropped: segment without ACK on a synchronized connection")         \
  C(drop_ack_unacceptable, "packets", "dropped: ACK outside the acceptable range (RFC 5961 5)")  \
  C(drop_syn_sent, "packets", "dropped in SYN-SENT: neither SYN nor RST (RFC 9293 3.10.7.3)")    \
  C(drop_closed, "packets", "dropped: RST for no connection, or a second segment of a burst")    \
  C(drop_text_after_fin, "packets", "payload ignored: it lies after the peer's FIN")             \
  C(drop_out_of_order_full, "packets", "dropped: the out-of-order queue is full")                \
  C(drop_no_memory, "packets", "replies not sent: no packet or no room in the reply queue")      \
  C(drop_detached_bytes, "bytes", "payload thrown away after Release")                           \
  C(duplicate_segments_in, "packets", "segments that held nothing new")                          \
  C(out_of_order_in, "packets", "segments that arrived after a hole")                            \
  C(challenge_acks, "packets", "challenge ACKs sent (RFC 5961)")                                 \
  C(challenge_acks_limited, "packets", "ACKs for invalid segments held back by the rate limit")  \
  C(resets_in, "packets", "RSTs that ended a connection")                                        \
  C(resets_out, "packets", "RSTs sent")                                                          \
  C(accepts, "connections", "passive opens that were established")                               \
  C(connects, "connections", "active opens that were established")                               \
  C(connect_failures, "connections", "active opens that failed")                                 \
  C(accept_failures, "connections", "half-open passive opens that ended")                        \
  C(syn_cookies_out, "packets", "SYN-ACKs without a connection: SYN queue full (RFC 4987)")      \
  C(syn_cookies_in, "connections", "opened by the ACK of a SYN cookie")                          \
  C(syn_cookies_invalid, "packets", "ACKs without a connection that brought no cookie of ours")  \
  C(syn_cookies_early, "packets", "of those: no RST, they may have overtaken their cookie")      \
  C(conn_table_full, "connections", "opens refused: the connection table is full")               \
  C(corks_timed_out, "connections", "corked text sent because nothing followed for 200 ms")      \
  C(retransmits, "packets", "packets sent again")                                                \
  C(retransmit_bytes, "bytes", "payload bytes sent again")                                       \
  C(fast_recoveries, "events", "recoveries entered by duplicate or selective ACKs")              \
  C(rto_expirations, "events", "retransmission timeouts")                                        \
  C(rack_losses, "ranges", "ranges in flight found lost by RACK (RFC 8985)")                     \
  C(reordering_timeouts, "events", "RACK reordering timers that ran out")                        \
  C(reordering_seen, "connections", "connections whose path turned out to reorder")              \
  C(tlp_probes, "packets", "tail loss probes sent (RFC 8985 7)")                                 \
  C(tlp_recoveries, "events", "losses that a tail loss probe repaired")                          \
  C(dsacks_in, "blocks", "reports of text that arrived twice (RFC 2883)")                        \
  C(dsacks_out, "blocks", "of these, ours")                                                      \
  C(undos, "events", "window reductions taken back: nothing was lost (RFC 4015)")                \
  C(spurious_timeouts, "events", "of these, after a timeout (RFC 3522, 5682)")                   \
  C(sack_reneging, "events", "SACKed text that the peer turned out to have thrown away")         \
  C(hystart_exits, "events", "slow starts ended because round trips grew (RFC 9406)")            \
  C(idle_restarts, "events", "congestion windows lowered after an idle spell")                   \
  C(ecn_negotiated, "connections", "SYNs that made a connection ECN-capable (RFC 3168)")         \
  C(ecn_fallbacks, "packets", "SYNs sent again without asking for ECN")                          \
  C(ecn_ce_in, "packets", "segments with text that carried a CE mark")                           \
  C(ecn_ece_in, "packets", "ACKs that told of a CE mark on our text")                            \
  C(ecn_cwr_out, "packets", "segments that told of a window reduced for a CE mark")              \
  C(syn_retransmits, "packets", "SYN or SYN-ACK sent again")                                     \
  C(window_probes, "packets", "zero-window probes sent")                                         \
  C(keepalives_refused, "connections", "with the worker's keepalive: too many different ones")   \
  C(keepalive_probes, "packets", "keepalive probes sent")                                        \
  C(timeouts, "connections", "connections ended because the peer fell silent")                   \
  C(delayed_acks, "packets", "ACKs sent by the delayed-ACK timer")                               \
  C(window_updates, "packets", "ACKs sent only to open the window")                              \
  C(acks_out, "packets", "segments sent without payload, SYN, FIN or RST")                       \
  C(sack_blocks_in, "blocks", "selective acknowledgements received")                             \
  C(sack_blocks_invalid, "blocks", "selective acknowledgements outside the send window")         \
  C(time_wait_entered, "connections", "connections that entered TIME-WAIT")                      \
  C(time_wait_recycled, "connections", "TIME-WAIT entries ended early: table full")              \
  C(time_wait_reused, "connections", "TIME-WAIT ended by a new SYN (RFC 6191)")                  \
  C(time_wait_segments, "packets", "segments answered in TIME-WAIT")                             \
  C(fin_wait_2_timeouts, "connections", "released connections ended in FIN-WAIT-2")              \
  C(icmp_ignored, "packets", "ICMP errors about no connection or outside the send window")       \
  C(icmp_soft_errors, "packets", "ICMP errors recorded only (RFC 5461)")                         \
  C(icmp_hard_errors, "packets", "ICMP errors that ended an open in progress")                   \
  C(icmp_too_big, "packets", "path MTU lowered by ICMP")                                         \
  C(urgent_in, "packets", "with the URG bit: taken as ordinary data (RFC 6093)")                 \
  C(paws_expired, "packets", "old timestamps believed after 24 days of silence (RFC 7323 5.5)")  \
  C(challenge_acks_limited_worker, "packets", "held back by the worker's limit (RFC 5961 7)")    \
  C(black_holes, "events", "MSS lowered: full segments were lost in silence")                    \
  C(mtu_raised, "events", "a lowered path MTU forgotten (RFC 1191 6.3)")                         \
  C(windows_grown, "events", "receive windows grown by measured delivery")                       \
  C(windows_not_grown, "events", "receive windows that would have grown: memory is short")       \
  C(drop_memory_full, "packets", "dropped: memory full and the owner does not read")             \
  C(drop_out_of_order_memory, "packets", "dropped with the out-of-order queue: memory full")     \
  C(drop_rooms_short, "packets", "dropped: packets are short and the owner does not read")       \
  C(cut_rooms_short, "packets", "cut to what one room takes: packets are short")                 \
  C(copied_rooms_short, "packets", "copied out of large rooms: large packets are short")         \
  C(joined_rooms_short, "packets", "copied behind the text before: packets are short")           \
  C(compacted_rooms_short, "events", "send queues copied into one room: packets are short")      \
  C(shed_slow_readers, "connections", "ended: no packets left, and the peer has not read")       \
  C(orphans_given_up, "connections", "released ones ended at a shut window")                     \
  C(send_after_finish, "calls", "Send on a connection whose sending side has ended")             \
  C(pool_exhausted, "events", "sending paused: no packet memory")

MELTEMI_COUNTER_TABLE(TcpCounters, "meltemi_tcp", MELTEMI_TCP_COUNTERS)

}  // namespace meltemi::tcp

#endif  // MELTEMI_DATAPLANE_TCP_COUNTERS_H_
